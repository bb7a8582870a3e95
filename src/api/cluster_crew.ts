/**
 * Owns: the crew of a run on a cluster, seen from the coordinator: the door, workers that come and go, their tokens, their goodbye.
 * Does not: put the run together (compose.ts), speak to workers (coordinator/cluster), load TensorFlow, or print (observers do).
 */
import { randomUUID } from 'node:crypto';
import { counted } from '../common/counted.js';
import { formatEndpoint } from '../common/endpoint.js';
import { ClusterError, invariant } from '../common/errors.js';
import type { EndEvent } from '../common/run_events.js';
import type { FirstModel } from '../coordinator/cluster/admissions.js';
import { Cluster } from '../coordinator/cluster/cluster.js';
import { Fleet } from '../coordinator/planes/exact/fleet/fleet.js';
import { eventOf } from '../coordinator/fleet_event.js';
import { weightsFor } from '../coordinator/storage/state/saved_model.js';
import type { ModelSource } from '../models/model_source.js';
import { availableMemory } from '../system/memory_limit.js';
import { packageVersion } from '../system/package_info.js';
import { linkTimes } from '../transport/link_life.js';
import type { Secret } from '../transport/secrets.js';
import { startServer, type ServerTls } from '../transport/server.js';
import { WorkerTokens, workerTokenFolder } from '../transport/worker_tokens.js';
import { readTls, secretFor } from './cluster_door.js';
import { compiledIn, jobOf, notesOf } from './cluster_job.js';
import type { Crew, Foreseen, Recruiter, Work } from './compose.js';
import type { CoordinationRequest } from './run_request.js';

/** Workers whose token was taken back are looked for this often, ms. */
const REVOCATION_MS = 1_000;

/** Ends after which workers need not come back. */
const COMPLETE: readonly EndEvent['reason'][] = ['done', 'stopped_early', 'max_steps'];

export class ClusterRecruiter implements Recruiter {
  readonly shards: number;
  readonly decided = { config: {}, sources: {} };
  readonly neededAtEnd = false;
  readonly takesSequences = false;
  readonly waitsFor = 'waiting for workers';
  #door: { readonly secret: Secret; readonly tls: ServerTls } | null = null;

  constructor(private readonly request: CoordinationRequest) {
    const { shards } = request.config;
    invariant(shards !== null, 'a cluster is given its shards');
    this.shards = shards;
  }

  async ready(): Promise<void> {
    this.#door = { secret: await secretFor(this.request), tls: await readTls(this.request.encryption) };
  }

  foresee(source: ModelSource): Foreseen | null {
    return source.kind === 'module'
      ? null
      : { compiled: compiledIn(this.request.config, source), notes: notesOf(this.request.config, source) };
  }

  async gather(work: Work): Promise<Crew> {
    const { request } = this;
    const { say, stop } = request;
    const { run, observe, source } = work;
    const door = this.#door;
    const { runId, coordinatorEpoch } = run.folder ?? { runId: randomUUID(), coordinatorEpoch: 1 };
    invariant(door !== null, 'the door is ready before anybody is let in');
    const job = await jobOf(work);
    let started = false;
    const beginUnlessWaiting = (): void => {
      if (started && !fleet.waiting) request.onFirstStep?.();
    };
    // A step that nobody computes is not waited for when the run is to stop.
    const alone = new AbortController();
    const giveUpIfAlone = (): void => {
      if (stop.asked.aborted && fleet.waiting) alone.abort();
    };
    const fleet = new Fleet({
      coordinatorEpoch,
      canJoin: true,
      minWorkers: request.minWorkers,
      joinTimeoutMs: request.joinTimeoutMs,
      audit: work.config.audit,
      comparesBits: request.numericsCheck === 'strict',
      onCondemned: (process, reason) => cluster.condemn(process, reason),
      onNote: (note) => {
        if (started) observe(eventOf(note));
        else say(note.message);
        beginUnlessWaiting();
        giveUpIfAlone();
      },
    });
    stop.asked.addEventListener('abort', giveUpIfAlone, { once: true });
    const cluster = new Cluster({
      software: packageVersion(),
      runId,
      coordinatorEpoch,
      job,
      topology: source.kind === 'topology' ? source.topology : null,
      fleet,
      numericsCheck: request.numericsCheck,
      savedNumerics: run.saved?.numerics ?? null,
      // Not where the run's first weights come from elsewhere.
      initialCounts:
        run.saved === null && request.initFrom === null && (source.kind !== 'topology' || source.weights === undefined),
      minWorkers: request.minWorkers,
      memoryBytes: availableMemory(),
      say,
      times: request.times ?? linkTimes(request.silenceMs),
    });
    const workerTokens = new WorkerTokens(workerTokenFolder(request.token, process.env), say);
    if (workerTokens.size > 0)
      say(counted(workerTokens.size, 'worker has a token of its own', 'workers have tokens of their own'));
    const revocations = setInterval(() => cluster.putOutRevoked((id) => workerTokens.find(id) !== null), REVOCATION_MS);
    const letGo = async (goodbye: 'done' | 'stopped' | 'failed'): Promise<void> => {
      clearInterval(revocations);
      await cluster.close(goodbye);
      await server?.close();
    };
    let server: Awaited<ReturnType<typeof startServer>> | undefined;
    try {
      server = await startServer({
        listen: request.listen,
        secret: door.secret,
        workers: (id) => workerTokens.find(id),
        tls: door.tls,
        onWorker: (socket, from, own) => cluster.accept(socket, from, own),
        onRefused: (from, why) => say(`login from ${from} refused: ${why}`),
      });
      const at = formatEndpoint({ ...request.listen, port: server.port });
      say(`waiting for workers at ${at}${door.tls.kind === 'none' ? '' : ' (TLS)'}`);
      const first = await firstModel(cluster, request);
      return {
        model: withWeights(first, source),
        numerics: first.numerics,
        versions: first.versions,
        fleet,
        // Its workers compile it, and the coordinator never sees it.
        stepGraph: () => Promise.resolve(null),
        stop: {
          get reason() {
            return stop.reason;
          },
          asked: stop.asked,
          hurry: AbortSignal.any([stop.hurry, alone.signal]),
        },
        onStart: () => {
          started = true;
          // The loop asks for its first round in this turn; then it is known whether there are workers enough.
          setImmediate(beginUnlessWaiting);
        },
        dismiss: async (end) => {
          if (end !== null) tellIncidents(fleet, say);
          await letGo(end === null ? 'failed' : COMPLETE.includes(end.reason) ? 'done' : 'stopped');
        },
      };
    } catch (error) {
      // Workers of a coordinator that was stopped early come back when it is started again.
      await letGo(stop.asked.aborted ? 'stopped' : 'failed');
      throw error;
    }
  }
}

/** Weights that came with a model file never cross the wire to be built into workers: they are simply the run's first parameters. */
function withWeights({ model }: FirstModel, source: ModelSource): FirstModel['model'] {
  if (source.kind !== 'topology' || source.weights === undefined) return model;
  const { name: path, topology, weights: values, manifest: weights = model.layout.slots } = source;
  return { ...model, initial: weightsFor(model, { path, weights, values, topology }) };
}

async function firstModel(cluster: Cluster, { stop, joinTimeoutMs }: CoordinationRequest): Promise<FirstModel> {
  const waits: Promise<FirstModel>[] = [cluster.first];
  waits.push(new Promise((_, reject) => stop.asked.addEventListener('abort', () => reject(stop.asked.reason), { once: true })));
  let timer: NodeJS.Timeout | undefined;
  if (joinTimeoutMs !== null) {
    const error = new ClusterError({
      code: 'JOIN_TIMEOUT',
      message: `no worker joined within ${joinTimeoutMs / 1000} s`,
      next: 'Start workers with `tfjs-parallel worker --host …`, or wait longer with --join-timeout.',
    });
    waits.push(new Promise((_, reject) => (timer = setTimeout(() => reject(error), joinTimeoutMs))));
  }
  if (stop.asked.aborted) throw stop.asked.reason;
  try {
    return await Promise.race(waits);
  } finally {
    clearTimeout(timer);
  }
}

function tellIncidents({ incidents }: Fleet, say: (line: string) => void): void {
  const { lostCount, lost, reassigned, speculative, recomputed, twinMismatches, refused, audited } = incidents;
  if (audited > 0) say(`audited: ${counted(audited, 'shard was', 'shards were')} computed by two machines, alike to the bit`);
  if (lostCount + speculative + recomputed + refused + twinMismatches === 0) return;
  say(
    `survived: ${counted(lostCount, 'replica')} lost, ${counted(reassigned, 'shard')} given to others, ${speculative} repeated for speed, ` +
      `${recomputed} computed again after bad numbers, ${counted(refused, 'answer')} refused, ${counted(twinMismatches, 'twin')} that differed`,
  );
  for (const { member, reason } of lost) say(`  ${member}: ${reason}`);
}
