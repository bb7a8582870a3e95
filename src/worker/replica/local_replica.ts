/**
 * Owns: a replica in a thread of this process: its piscina thread, and the shared memory its gradients come back in.
 * Does not: compute (replica_thread.ts does), or decide what to compute (the coordinator does). Next hop: replica_thread.ts.
 *
 * One piscina per replica with exactly one thread, because piscina cannot pin a task to a thread and the replica's state lives in it.
 */
import { Piscina } from 'piscina';
import { errorMessage } from '../../common/error_facts.js';
import { toldError } from '../../common/environment_error.js';
import { EnvironmentError } from '../../common/errors.js';
import type { Dataset, SplitName } from '../../common/dataset.js';
import { LIMITS } from '../../common/limits.js';
import { LentBuffers } from '../../common/lent_buffers.js';
import { deviceGradient } from '../../common/device_gradient.js';
import { hostGradient } from '../../common/host_gradient.js';
import { sharedFloats } from '../../common/shared_floats.js';
import { builtFile, requirePackageFile } from '../../system/package_file.js';
import { noteStuckThread } from '../../system/stuck_threads.js';
import { within } from '../../system/within.js';
import type { ModelDescription, NumericsClass, ResidentReplica, ShardAssignment, ShardResult } from '../../common/replica.js';
import type { GatheredStep, HostValues, Residence, ResidentOutcome, ResidentStep } from '../../common/resident.js';
import type {
  BoundSpec,
  MemoryAnswer,
  OpenAnswer,
  OtherThreads,
  PredictAnswer,
  PredictTask,
  ReplicaSpec,
  ReplicaTask,
  ShardAnswer,
  ShardTask,
  ThreadAnswer,
} from './replica_spec.js';

const THREAD_FILE = builtFile('worker/replica/replica_thread.js');

/** After any other task the thread may not have any more what it computed before it was asked. */
const KEEPS_EARLY: ReadonlySet<ReplicaTask['type']> = new Set(['train_resident', 'write_values', 'memory', 'step_graph']);

function newThread(): Piscina {
  requirePackageFile(THREAD_FILE);
  return new Piscina({
    filename: THREAD_FILE.href,
    minThreads: 1,
    maxThreads: 1,
    concurrentTasksPerWorker: 2,
    idleTimeout: Infinity,
  });
}

export class LocalReplica implements ResidentReplica {
  readonly name: string;
  private pool = newThread();
  private opened: Promise<OpenAnswer> | undefined;
  private closed: Promise<void> | undefined;
  /** What the thread begins before it is asked; null where it cannot. */
  private early: { readonly key: number; readonly answer: Promise<ShardAnswer | null> } | null = null;
  private readonly gradients = new LentBuffers<Float32Array>();
  private readonly closing = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));

  constructor(
    private readonly spec: ReplicaSpec,
    private readonly closeMs: number = LIMITS.replicaCloseMs,
  ) {
    this.name = spec.name;
  }

  /** Starts TensorFlow in the thread and builds the model there. */
  open(): Promise<OpenAnswer> {
    this.opened ??= this.start();
    return this.opened;
  }

  private async start(): Promise<OpenAnswer> {
    const asked = { type: 'open', spec: this.spec, closing: this.closing } as const;
    const first = await this.run<OpenAnswer | OtherThreads>(asked);
    if (!('threads' in first)) return first;
    await this.pool.destroy();
    if (this.closed === undefined) this.pool = newThread();
    const spec = { ...this.spec, intraOpThreads: first.threads, threadsWanted: null };
    return this.run<OpenAnswer>({ ...asked, spec });
  }

  async describe(): Promise<ModelDescription> {
    return (await this.open()).description;
  }

  async numerics(): Promise<NumericsClass> {
    return (await this.open()).numerics;
  }

  async compute(assignment: ShardAssignment): Promise<ShardResult> {
    const { description } = await this.open();
    const { id, parameters, resident } = assignment;
    const shard = taskOf(assignment);
    const common = { id, version: parameters.version, examples: assignment.rows.length };
    if (id.kind === 'evaluate') return { ...common, ...(await this.run<ShardAnswer>({ type: 'evaluate', shard })) };
    if (resident !== undefined) {
      const { lent, ...answer } = await this.computeResident(assignment, resident);
      return { ...common, ...answer, ...(lent !== undefined && { gradient: deviceGradient(lent) }) };
    }
    const buffer = this.gradients.take(() => sharedFloats(description.layout.trainedSize));
    try {
      const answer = await this.run<ShardAnswer>({ type: 'train', shard, gradient: buffer });
      const release = this.gradients.lend(buffer);
      return { ...common, ...answer, gradient: hostGradient({ kind: 'host', values: buffer, release }) };
    } catch (error) {
      this.gradients.giveBack(buffer);
      throw error;
    }
  }

  /** The thread has the next one at hand as it answers, so that it waits for nobody. */
  private async computeResident(assignment: ShardAssignment, work: ResidentStep): Promise<ShardAnswer> {
    const early = this.early?.key === work.key ? this.early : null;
    this.early = null;
    if (early !== null) {
      this.beginEarly(assignment.next);
      const answer = await early.answer;
      if (answer !== null) return answer;
    }
    const asked = this.run<ShardAnswer>({ type: 'train_resident', shard: taskOf(assignment), work, early: false });
    this.beginEarly(assignment.next);
    return asked;
  }

  private beginEarly(next: ShardAssignment | undefined): void {
    if (next?.resident === undefined) return;
    const task = { type: 'train_resident', shard: taskOf(next), work: next.resident, early: true } as const;
    const answer = this.run<ShardAnswer | null>(task).catch(() => null);
    this.early = { key: next.resident.key, answer };
  }

  async reside(residence: Residence): Promise<void> {
    await this.open();
    await this.run<null>({ type: 'reside', residence });
  }

  gather(work: GatheredStep, next: ShardAssignment | null): Promise<ResidentOutcome> {
    const outcome = this.run<ResidentOutcome>({ type: 'gather', work });
    this.beginEarly(next ?? undefined);
    return outcome;
  }

  async dropAfter(version: number): Promise<void> {
    await this.run<null>({ type: 'drop_after', version });
  }

  async writeValues(version: number, into: HostValues): Promise<void> {
    await this.run<null>({ type: 'write_values', version, into });
  }

  /** Trains and evaluates on this data from now on; what it was bound to before is kept under its key. @throws as `open` */
  bind(key: string, spec: BoundSpec): Promise<ModelDescription> {
    return this.run<ModelDescription>({ type: 'bind', key, spec });
  }

  /** Trains and evaluates on other rows of the fields that `key` was bound to; `changed`: those of one split, or of both. @throws DataError DATA_LABELS */
  async takeData(key: string, dataset: Dataset, changed: SplitName | null): Promise<void> {
    await this.run<null>({ type: 'take_data', key, dataset, changed });
  }

  /** The model's outputs for these rows. @throws DataError TOKEN_OUT_OF_RANGE, UsageError MODEL_FAILS */
  predict(batch: PredictTask): Promise<PredictAnswer> {
    return this.run<PredictAnswer>({ type: 'predict', batch });
  }

  /** What it computes in a training step, as TensorFlow's GraphDef; null before the first one, and where steps are not compiled. */
  stepGraph(): Promise<Uint8Array | null> {
    return this.run<Uint8Array | null>({ type: 'step_graph' });
  }

  /** Live tensors and native handles in the thread. */
  memory(): Promise<MemoryAnswer> {
    return this.run<MemoryAnswer>({ type: 'memory' });
  }

  /** Resolves also where the thread does not answer. */
  close(): Promise<void> {
    Atomics.store(this.closing, 0, 1);
    this.closed ??= this.end();
    return this.closed;
  }

  /** Ends its thread whatever it does, where nobody waits for it any more. */
  abandon(): Promise<void> {
    Atomics.store(this.closing, 0, 1);
    this.closed ??= this.pool.destroy();
    return this.closed;
  }

  /** A thread that hangs is left behind: what is to be freed goes with the process. */
  private async end(): Promise<void> {
    if (this.opened) {
      const answered = this.opened.catch(() => undefined).then(() => this.run({ type: 'close' }));
      await within(answered, this.closeMs);
    }
    const { late } = await within(this.pool.destroy(), this.closeMs);
    if (late) noteStuckThread();
  }

  private async run<T>(task: ReplicaTask): Promise<T> {
    if (!KEEPS_EARLY.has(task.type)) this.early = null;
    const answer = (await this.pool.run(task).catch((error: unknown) => {
      throw this.threadEnded(error) ?? error;
    })) as ThreadAnswer<T>;
    if ('value' in answer) return answer.value;
    throw toldError(answer.failure);
  }

  /** piscina's words for a thread that ended itself: no code of ours does. */
  private threadEnded(error: unknown): EnvironmentError | null {
    const [, exitCode] = /^worker exited with code: (\d+)/.exec(errorMessage(error)) ?? [];
    if (exitCode === undefined) return null;
    return new EnvironmentError({
      code: 'REPLICA_ENDED',
      message: `${this.spec.model.name}: ended the thread of ${this.name} by process.exit(${exitCode})`,
      next: 'Take process.exit out of the model module and what it imports, and throw an error instead.',
      cause: error,
    });
  }
}

function taskOf(assignment: ShardAssignment): ShardTask {
  const { id, rows, batchRows = rows, ahead, classify, firstExample, epoch = 0, regularizationWeight, parameters } = assignment;
  return {
    step: id.step,
    shard: id.shard,
    rows,
    batchRows,
    ...(ahead && { ahead }),
    ...(classify && { classify }),
    firstExample,
    epoch,
    regularizationWeight,
    version: parameters.version,
    parameters: parameters.values,
  };
}
