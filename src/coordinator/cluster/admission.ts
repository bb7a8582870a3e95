/**
 * Owns: whether a worker may take part: software, data, model, initial weights, numerics and golden shards against the run's.
 * Does not: talk to it (session.ts does), or know whose word the reference is (agreement.ts). Refusals happen before any parameter is sent.
 */
import { numericsDifference } from '../../common/numerics_class.js';
import type { NumericsClass } from '../../common/replica.js';
import type { MessageOf } from '../../common/protocol/messages.js';

/** What every worker of the run must equal; from the saved state of a resumed run, and from the workers themselves. Null: not known yet. */
export interface Reference {
  /** For people: who it was taken from. */
  readonly from: string;
  readonly numerics: NumericsClass;
  readonly layoutSha256: string | null;
  readonly initialSha256: string | null;
  readonly golden: readonly string[] | null;
}

/** What a worker says of itself. */
export type Claim = { readonly [K in keyof Reference]: NonNullable<Reference[K]> };

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
  readonly datasetSha256: string;
  readonly dataName: string;
  /** Examples of each golden shard, in order. */
  readonly shardSizes: readonly number[];
}

/** What the coordinator knows by itself. Null for an offer that fits. */
export function judgeOffer({ prepared, datasetSha256, dataName, shardSizes }: Offer): Refusal | null {
  if (prepared.datasetSha256 !== datasetSha256) {
    return {
      code: 'DATA_DIFFERS',
      message: `the worker's data are not the coordinator's ${dataName}: sha256 ${short(prepared.datasetSha256)}, wanted ${short(datasetSha256)}`,
      next: 'Give the worker the same files with --data-dir, or the same module, table or folder with --data.',
    };
  }
  if (prepared.golden.length === shardSizes.length) return null;
  return {
    code: 'GOLDEN_MISSING',
    message: `${prepared.golden.length} golden shards, wanted ${shardSizes.length}`,
    next: 'Install the same version on both sides.',
  };
}

export interface Rules {
  readonly numericsCheck: 'strict' | 'relaxed';
  /** False where the run does not begin with the weights that a worker built: it is resumed, or takes them from a file. */
  readonly initialCounts: boolean;
  readonly shardSizes: readonly number[];
}

/** What a worker shows otherwise than the reference; null for nothing. Under `relaxed`, arithmetic may differ; the model never. */
export function differenceFrom(reference: Reference, claim: Claim, rules: Rules): Refusal | null {
  const { layoutSha256, initialSha256, golden, from } = reference;
  if (layoutSha256 !== null && claim.layoutSha256 !== layoutSha256) {
    return {
      code: 'MODEL_DIFFERS',
      message: `the worker built another model than ${from}: its weights have other names, shapes or order, or it is judged by another loss or metric`,
      next: 'Start it with the same --model file as the coordinator.',
    };
  }
  const difference = numericsDifference(reference.numerics, claim.numerics);
  const relaxed = rules.numericsCheck === 'relaxed';
  // What draws them may compute in other arithmetic too.
  const sameArithmetic = !relaxed || difference === null;
  if (rules.initialCounts && sameArithmetic && initialSha256 !== null && claim.initialSha256 !== initialSha256) {
    return {
      code: 'INITIAL_DIFFERS',
      message: `the worker built other initial weights than ${from}: sha256 ${short(claim.initialSha256)}, wanted ${short(initialSha256)}`,
      next: 'Seed your initializers: what the model draws by itself must depend on nothing but the seed. If it does, one of the two is broken.',
    };
  }
  if (relaxed) return null;
  if (difference !== null) {
    const { item, wanted, got, remedy } = difference;
    return {
      code: 'NUMERICS_DIFFER',
      message: `the worker computes differently from ${from}: ${item} is ${got || 'none'}, wanted ${wanted || 'none'}`,
      next: `For this worker, ${remedy}; or start the coordinator with --numerics relaxed and accept rounding differences.`,
    };
  }
  const differs = golden === null ? -1 : golden.findIndex((hash, index) => hash !== claim.golden[index]);
  if (differs === -1) return null;
  return {
    code: 'GOLDEN_DIFFERS',
    message: `the worker's golden shard of ${rules.shardSizes[differs]} examples has other bits than that of ${from}`,
    next: 'Its hardware or libraries round differently: leave it out, or start the coordinator with --numerics relaxed.',
  };
}

function short(sha256: string): string {
  return `${sha256.slice(0, 12)}…`;
}
