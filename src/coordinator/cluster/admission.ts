/**
 * Owns: whether a worker may take part: software, data, model, numerics and golden shards against the run's.
 * Does not: talk to it (session.ts does). Refusals happen before any parameter is sent.
 */
import { numericsDifference } from '../../common/numerics_class.js';
import type { NumericsClass } from '../../common/replica.js';
import type { MessageOf } from '../../common/protocol/messages.js';

/** What every worker of the run must equal; taken from the first one, and from the saved state of a resumed run. */
export interface Reference {
  /** For people: who it was taken from. */
  readonly from: string;
  readonly numerics: NumericsClass;
  /** Null until a first worker has shown them. */
  readonly layoutSha256: string | null;
  readonly golden: readonly string[] | null;
}

export interface Refusal {
  readonly code: string;
  readonly message: string;
  readonly next: string;
}

export function judgeSoftware(worker: string, wanted: string): Refusal | null {
  if (worker === wanted) return null;
  return {
    code: 'VERSION_DIFFERS',
    message: `the worker runs tfjs-parallel ${worker}, the coordinator ${wanted}`,
    next: `Install the same version on both: npm install tfjs-parallel@${wanted}`,
  };
}

export interface Offer {
  readonly prepared: MessageOf<'prepared'>;
  readonly reference: Reference | null;
  readonly datasetSha256: string;
  readonly dataName: string;
  /** Examples of each golden shard, in order. */
  readonly shardSizes: readonly number[];
  readonly numericsCheck: 'strict' | 'relaxed';
}

/** Null to admit. Under `relaxed`, arithmetic may differ; data and model never. */
export function judgeWorker({ prepared, reference, datasetSha256, dataName, shardSizes, numericsCheck }: Offer): Refusal | null {
  if (prepared.datasetSha256 !== datasetSha256) {
    return {
      code: 'DATA_DIFFERS',
      message: `the worker's data are not the coordinator's ${dataName}: sha256 ${short(prepared.datasetSha256)}, wanted ${short(datasetSha256)}`,
      next: 'Give the worker the same files with --data-dir, or the same module with --data.',
    };
  }
  if (prepared.golden.length !== shardSizes.length) {
    return {
      code: 'GOLDEN_MISSING',
      message: `${prepared.golden.length} golden shards, wanted ${shardSizes.length}`,
      next: SAME_VERSION,
    };
  }
  if (reference === null) return null;
  const { layoutSha256, golden, from } = reference;
  if (layoutSha256 !== null && prepared.layoutSha256 !== layoutSha256) {
    return {
      code: 'MODEL_DIFFERS',
      message: `the worker built another model than ${from}: its weights have other names, shapes or order, or it is judged by another loss or metric`,
      next: 'Start it with the same --model file as the coordinator.',
    };
  }
  if (numericsCheck === 'relaxed') return null;
  const difference = numericsDifference(reference.numerics, prepared.numerics);
  if (difference !== null) {
    const { item, wanted, got, remedy } = difference;
    return {
      code: 'NUMERICS_DIFFER',
      message: `the worker computes differently from ${from}: ${item} is ${got || 'none'}, wanted ${wanted || 'none'}`,
      next: `For this worker, ${remedy}; or start the coordinator with --numerics relaxed and accept rounding differences.`,
    };
  }
  const differs = golden === null ? -1 : golden.findIndex((hash, index) => hash !== prepared.golden[index]);
  if (differs === -1) return null;
  return {
    code: 'GOLDEN_DIFFERS',
    message: `the worker's golden shard of ${shardSizes[differs]} examples has other bits than that of ${from}`,
    next: 'Its hardware or libraries round differently: leave it out, or start the coordinator with --numerics relaxed.',
  };
}

const SAME_VERSION = 'Install the same version on both sides.';

function short(sha256: string): string {
  return `${sha256.slice(0, 12)}…`;
}
