/**
 * Owns: the crew of a run on one machine: replicas in threads of this process, on the devices that the configuration or the caller names.
 * Does not: choose devices (devices.ts), open replicas (replicas.ts), or put the run together (compose.ts).
 */
import { shardsOn } from '../common/config_checks.js';
import { UsageError } from '../common/errors.js';
import { LIMITS } from '../common/limits.js';
import { largestShard } from '../common/shard.js';
import { unlessHurried } from '../common/stop_request.js';
import { Fleet } from '../coordinator/planes/exact/fleet/fleet.js';
import { residentReplicas } from '../coordinator/planes/exact/resident_weights.js';
import { eventOf } from '../coordinator/fleet_event.js';
import type { Crew, Recruiter, Work } from './compose.js';
import { placedFor, placeRun, type Placement } from './devices.js';
import { openReplicas } from './replicas.js';
import type { TrainingRequest } from './run_request.js';

export class LocalRecruiter implements Recruiter {
  readonly shards: number;
  /** The library gives the model back, whose description comes from a replica. */
  readonly neededAtEnd = true;
  readonly takesSequences = true;
  readonly waitsFor = 'starting TensorFlow and building the model';
  readonly #placement: Placement;
  /** Of each replica, once they are open. */
  #threads: number;

  /** Errors: those of devices that are not there. */
  constructor(private readonly request: TrainingRequest) {
    const { config, devices } = request;
    this.#placement = placeRun(devices, config);
    const replicas = this.#placement.replicas.length;
    // A resumed run is cut as it was begun, wherever it goes on.
    this.shards = request.resume === null ? shardsOn(replicas, config) : (config.shards ?? shardsOn(replicas, config));
    this.#threads = this.#placement.intraOpThreads;
  }

  /** So that a resumed run on other replicas computes in the same shards and with as many threads. */
  get decided(): Recruiter['decided'] {
    const { config } = this.request;
    return {
      config: { shards: this.shards, threadsPerWorker: this.#threads },
      sources: {
        ...(config.shards === null && {
          shards: config.accumulate === null ? 'default: one per replica' : 'accumulate times the replicas',
        }),
        ...(config.threadsPerWorker === null && {
          threads_per_worker: 'default: processor cores divided by the replicas, or as many as the model keeps busy',
        }),
      },
    };
  }

  async ready(): Promise<void> {
    if (this.request.config.audit === 0 || this.#placement.replicas.length > 1) return;
    throw new UsageError({
      code: 'AUDIT_CONFLICT',
      message: 'audit compares what two replicas compute, and there is one here',
      next: 'Give --workers 2 or two GPUs, or leave out --audit.',
    });
  }

  foresee(): null {
    return null;
  }

  async gather({ config, source, dataset, run, observe }: Work): Promise<Crew> {
    const { request } = this;
    const rows = largestShard({ batch: config.batch, shards: this.shards, examples: dataset.train.count });
    const placement = request.work === undefined ? this.#placement : placedFor(this.#placement, request.work, rows);
    if (placement.notice !== '') request.observer({ type: 'warn', code: 'CPU_FALLBACK', message: placement.notice });
    const wanted = { placement, rows, source, dataset, config, say: request.say };
    const opening = request.replicas?.(wanted) ?? openReplicas(wanted);
    const opened = await unlessHurried(opening, request.stop);
    this.#threads = opened.numerics.intraOpThreads;
    // The start event names the replicas that are here from the beginning; what joins or leaves after it is news.
    let started = false;
    const fleet = new Fleet({
      ...(run.folder !== null && { coordinatorEpoch: run.folder.coordinatorEpoch }),
      // Threads of one machine share its cores: a second copy of a slow shard makes the first slower. Only a stuck device is worth one.
      stragglerFloorMs: LIMITS.localStragglerFloorMs,
      audit: config.audit,
      onNote: (note) => started && observe(eventOf(note)),
    });
    for (const replica of opened.replicas) fleet.add(replica);
    return {
      model: opened.model,
      numerics: opened.numerics,
      versions: opened.versions,
      memoryKept: opened.memoryKept,
      fleet,
      resident: residentReplicas({ ...opened, audit: config.audit }),
      stepGraph: () => opened.replicas[0].stepGraph(),
      stop: request.stop,
      // Those of a caller that keeps them are bound under a key of its own.
      ...(request.replicas === undefined && {
        takeData: async (rows, changed) => {
          await Promise.all(opened.replicas.map((replica) => replica.takeData('', rows, changed)));
        },
      }),
      onStart: () => {
        started = true;
        request.onFirstStep?.();
      },
      dismiss: async () => {
        if (request.replicas === undefined) await opened.close();
      },
    };
  }
}
