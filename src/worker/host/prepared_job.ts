/**
 * Owns: what a worker keeps for a session: the replicas of one job, and the parameters it was sent.
 * Does not: speak to the coordinator (session.ts does) or make replicas (src/api/work.ts does).
 */
import type { Job } from '../../common/protocol/messages.js';
import { wireError } from '../../common/protocol/frame.js';
import type { ModelDescription, NumericsClass, ParameterSnapshot, Replica, ShardResult } from '../../common/replica.js';
import { sharedFloats } from '../../common/shared_floats.js';
import { GOLDEN_VERSION, goldenParameters, goldenShard, resultSha256 } from '../../transport/identity.js';
import { ClusterError, type ExpectedError } from '../../common/errors.js';

/** A job made ready: data loaded, model built in every replica. */
export interface PreparedJob {
  readonly job: Job;
  readonly replicas: readonly Replica[];
  readonly model: ModelDescription;
  readonly numerics: NumericsClass;
  readonly versions: { readonly tensorflow: string; readonly tfjs: string };
  readonly datasetSha256: string;
  readonly examples: { readonly train: number; readonly validation: number };
  readonly layoutSha256: string;
  readonly initialSha256: string;
  /** Of each of the job's shard sizes. */
  readonly golden: readonly string[];
  close(): Promise<void>;
}

/** The run's own data or model failed here, and would in any worker: `cause` says how. */
export class RunFault extends Error {
  constructor(override readonly cause: ExpectedError) {
    super(cause.message);
  }
}

/**
 * Computes one golden shard of each size on every replica, which also records its steps, so that the first real shard is not slow.
 * @throws ClusterError GOLDEN_UNEQUAL where the replicas of this worker do not agree.
 */
export async function computeGolden(
  replicas: readonly Replica[],
  model: ModelDescription,
  sizes: readonly number[],
): Promise<string[]> {
  const parameters = goldenParameters(model.layout);
  const all = await Promise.all(replicas.map((replica) => goldenOf(replica, parameters, sizes)));
  all.forEach((hashes, index) => {
    const differs = hashes.findIndex((hash, i) => hash !== all[0][i]);
    if (differs === -1) return;
    throw new ClusterError({
      code: 'GOLDEN_UNEQUAL',
      message: `${replicas[0].name} and ${replicas[index].name} of this worker compute other bits for ${sizes[differs]} examples`,
      next: 'Use devices of one kind in one worker.',
    });
  });
  return all[0];
}

async function goldenOf(replica: Replica, parameters: ParameterSnapshot, sizes: readonly number[]): Promise<string[]> {
  const hashes: string[] = [];
  for (const size of sizes) {
    const result: ShardResult = await replica.compute(goldenShard(size, parameters));
    hashes.push(resultSha256(result));
    result.gradient?.release();
  }
  return hashes;
}

interface Slot {
  readonly memory: Float32Array;
  users: number;
}

/**
 * The parameters of one session: the newest version, and older ones while a replica still computes with them. Local version numbers
 * are never used twice, because replicas keep their weights by number and another run may count from 0 again.
 */
export class ReceivedParameters {
  static #nextLocal = GOLDEN_VERSION + 1;
  #incoming: Slot | null = null;
  #newest: {
    readonly slot: Slot;
    readonly version: number;
    readonly checksum: number;
    readonly snapshot: ParameterSnapshot;
  } | null = null;
  readonly #free: Float32Array[] = [];

  constructor(private readonly elements: number) {}

  /** Memory for the next version. */
  place(totalBytes: number): Uint8Array {
    if (totalBytes !== this.elements * 4) throw wireError(`parameters of ${totalBytes} bytes, wanted ${this.elements * 4}`);
    const memory = this.#free.pop() ?? sharedFloats(this.elements);
    this.#incoming = { memory, users: 1 };
    return new Uint8Array(memory.buffer, 0, totalBytes);
  }

  /** The version placed last has arrived; `checksum` is told with every result that is computed from it. */
  publish(version: number, checksum: number): void {
    const slot = this.#incoming;
    if (slot === null) throw wireError('parameters that were not announced');
    this.#incoming = null;
    if (this.#newest !== null) this.#drop(this.#newest.slot);
    this.#newest = { slot, version, checksum, snapshot: { version: ReceivedParameters.#nextLocal++, values: slot.memory } };
  }

  /** For one computation; call `release` after it. */
  use(version: number): { snapshot: ParameterSnapshot; checksum: number; release: () => void } {
    const newest = this.#newest;
    if (newest === null || newest.version !== version)
      throw wireError(`a shard of version ${version}, here is ${newest?.version ?? 'none'}`);
    newest.slot.users += 1;
    return { snapshot: newest.snapshot, checksum: newest.checksum, release: () => this.#drop(newest.slot) };
  }

  #drop(slot: Slot): void {
    slot.users -= 1;
    if (slot.users === 0) this.#free.push(slot.memory);
  }
}
