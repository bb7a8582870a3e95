/**
 * Owns: the check that N workers' gradients match one worker's, on this machine, with this model and data.
 * Does not: print (cli/verify.ts does), or train.
 *
 * P2: one shard against N shards, batch norm on its moving statistics, dropout on: equal to rounding.
 * P1: N shards on one replica against N shards on N replicas, exactly as in training: equal to the bit.
 */
import { createHash } from 'node:crypto';
import { mixesExamples } from '../common/augmentation.js';
import { requireBatchCoversShards } from '../common/config_checks.js';
import type { Dataset } from '../common/dataset.js';
import { trainedWeights, type BucketLayout } from '../common/bucket_layout.js';
import { invariant } from '../common/errors.js';
import { permutation } from '../common/random.js';
import type { ParameterSnapshot, ShardResult } from '../common/replica.js';
import { largestShard } from '../common/shard.js';
import type { TrainConfig } from '../common/train_config.js';
import { shardBatch } from '../coordinator/planes/exact/batches.js';
import { Fleet } from '../coordinator/planes/exact/fleet/fleet.js';
import { gradientsByShard, sumGradients } from '../coordinator/planes/exact/update/reducer.js';
import { loadDatasetAside } from '../data/load_aside.js';
import { mostCpuReplicas, placeRun, type Placement } from './devices.js';
import { resolveModelSource } from '../models/load.js';
import type { ModelSource } from '../models/model_source.js';
import { openReplicas } from './replicas.js';

/** Norm-wise, per tensor: float32 sums over a few hundred examples in another order stay well below this. */
const FLOAT32_TOLERANCE = 1e-5;
/** Parts of a batch whose gradients say what a difference is measured by, and numbers that they hold together: 512 MB. */
const MOST_PARTS = 32;
const MOST_NUMBERS = 2 ** 27;
/** One rounding to bfloat16, of 8 significant bits. */
const BFLOAT16_ROUNDING = 2 ** -8;

/**
 * Norm-wise, per tensor. In bf16 a product rounds what it gives to bfloat16, forward and backward, so that a gradient through p products is off by up
 * to 2p roundings; two gradients that were cut otherwise are off by as much each, in either direction.
 */
export function toleranceOf(precision: 'fp32' | 'bf16', layout: BucketLayout): number {
  if (precision === 'fp32') return FLOAT32_TOLERANCE;
  const products = trainedWeights(layout).filter(({ shape }) => shape.length > 1).length;
  return 2 * 2 * Math.max(products, 1) * BFLOAT16_ROUNDING;
}

export interface TensorDifference {
  readonly name: string;
  readonly shape: readonly number[];
  /**
   * ‖a − b‖ ÷ the sum of the norms of 32 parts' gradients, or fewer of few examples or many weights; 0 where both are equal. Where parts cancel each other,
   * what is left of them is as far off as they are.
   */
  readonly relative: number;
  /** Largest |a − b|. */
  readonly largest: number;
}

export interface VerifyReport {
  readonly shards: number;
  readonly batch: number;
  /** One shard against N, per trained tensor. */
  readonly tensors: readonly TensorDifference[];
  /** SHA-256 of the summed gradient: N shards on one replica, and on N. */
  readonly oneReplica: { readonly gradientSha256: string; readonly lossSum: number };
  readonly manyReplicas: { readonly replicas: number; readonly gradientSha256: string; readonly lossSum: number };
  /** Largest |difference| between those two; 0 when the hashes are equal. */
  readonly largestBitDifference: number;
  /** What `relative` may be at most. */
  readonly tolerance: number;
  readonly passed: boolean;
}

export interface VerifyRequest {
  readonly config: TrainConfig;
  readonly shards: number;
  readonly say: (line: string) => void;
  /** The library's callers bring their own. */
  readonly source?: ModelSource;
  readonly dataset?: Dataset;
  /** TensorFlow's names; overrides `config.gpus` and `config.workers`. */
  readonly devices?: readonly string[];
}

/** Computes one step's gradient three ways. Errors: those of opening replicas and data. */
export async function verify({ config, shards, say, devices, ...own }: VerifyRequest): Promise<VerifyReport> {
  const workers = config.workers ?? (config.gpus === null ? Math.min(shards, mostCpuReplicas()) : null);
  const placement = placeRun(devices, { ...config, workers });
  requireBatchCoversShards({ batch: config.batch, shards });
  const source = own.source ?? (await resolveModelSource(config.model));
  const dataset = own.dataset ?? (await loadDatasetAside(config, {}));
  const rows = largestShard({ batch: config.batch, shards, examples: dataset.train.count });
  const parts = { config, source, dataset, rows, say };
  const onFixed = { ...config, batchNorm: 'fixed' } as const;
  const single = { ...placement, replicas: placement.replicas.slice(0, 1) };

  const mostParts = Math.min(MOST_PARTS, config.batch, dataset.train.count);
  const partsOf = ({ trainedSize }: BucketLayout): number => Math.min(mostParts, Math.floor(MOST_NUMBERS / trainedSize));
  const shardCounts = (layout: BucketLayout): number[] => [1, shards, Math.max(shards, partsOf(layout))];
  const fixed = await gradientsOf({ ...parts, config: onFixed, placement: single, shardCounts });
  const one = await gradientsOf({ ...parts, placement: single, shardCounts: () => [shards] });
  const many = await gradientsOf({ ...parts, placement, shardCounts: () => [shards] });

  const tolerance = toleranceOf(config.precision, fixed.layout);
  const [whole, cut, fine] = fixed.sums;
  const tensors = differences(fixed.layout, whole.gradient, cut.gradient, fine.norms);
  const [a] = one.sums;
  const [b] = many.sums;
  const oneReplica = { gradientSha256: sha256(a.gradient), lossSum: a.lossSum };
  const manyReplicas = { replicas: placement.replicas.length, gradientSha256: sha256(b.gradient), lossSum: b.lossSum };
  const bitEqual = oneReplica.gradientSha256 === manyReplicas.gradientSha256 && a.lossSum === b.lossSum;
  return {
    shards,
    batch: Math.min(config.batch, dataset.train.count),
    tensors,
    oneReplica,
    manyReplicas,
    largestBitDifference: largestDifference(a.gradient, b.gradient),
    tolerance,
    passed: bitEqual && tensors.every(({ relative }) => relative <= tolerance),
  };
}

interface GradientSum {
  readonly gradient: Float32Array;
  /** Of each trained tensor, the norms of the shards' gradients added. */
  readonly norms: readonly number[];
  readonly lossSum: number;
}

/** Gradient sums of the first training batch, cut into each of `shardCounts` shards, on replicas opened for it. */
async function gradientsOf(request: {
  config: TrainConfig;
  source: ModelSource;
  dataset: Dataset;
  say: (line: string) => void;
  placement: Placement;
  rows: number;
  shardCounts: (layout: BucketLayout) => readonly number[];
}): Promise<{ layout: BucketLayout; sums: GradientSum[] }> {
  const { config, dataset } = request;
  const opened = await openReplicas(request);
  try {
    const { layout, initial } = opened.model;
    const wholeBatch = opened.model.objective.masked === true || mixesExamples(config.augment);
    const fleet = new Fleet();
    for (const replica of opened.replicas) fleet.add(replica);
    const values = new Float32Array(new SharedArrayBuffer(initial.byteLength));
    values.set(initial);
    const parameters: ParameterSnapshot = { version: 0, values };
    const rows = permutation({ seed: config.seed, epoch: 1, count: dataset.train.count }).subarray(0, config.batch);
    const sums: GradientSum[] = [];
    for (const shards of request.shardCounts(layout)) {
      const results = await fleet.computeRound(
        shardBatch({ kind: 'train', rows, shards, step: 0, epoch: 1, parameters, wholeBatch }),
      );
      sums.push(sumOf(results, shards, layout));
    }
    return { layout, sums };
  } finally {
    await opened.close();
  }
}

function sumOf(results: readonly ShardResult[], shards: number, layout: BucketLayout): GradientSum {
  const each = gradientsByShard({ results, shards, layout });
  const norms = trainedWeights(layout).map(({ offset, size }) =>
    each.reduce((sum, gradient) => sum + (gradient === undefined ? 0 : norm(gradient.subarray(offset, offset + size))), 0),
  );
  const gradient = sumGradients({ results, shards, layout });
  for (const result of results) result.gradient?.release();
  return { gradient, norms, lossSum: results.reduce((sum, { lossSum }) => sum + lossSum, 0) };
}

/** `norms`: of each tensor what its difference is measured by. */
function differences(layout: BucketLayout, a: Float32Array, b: Float32Array, norms: readonly number[]): TensorDifference[] {
  invariant(a.length === b.length, 'both gradients are of the same model');
  return trainedWeights(layout).map(({ name, shape, offset, size }, at) => {
    const difference = a.subarray(offset, offset + size).map((value, i) => value - b[offset + i]);
    const far = norm(difference);
    return { name, shape, relative: far === 0 ? 0 : far / norms[at], largest: largestOf(difference) };
  });
}

function norm(values: Float32Array): number {
  return Math.sqrt(values.reduce((sum, value) => sum + value ** 2, 0));
}

function largestOf(values: Float32Array): number {
  return values.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
}

function largestDifference(a: Float32Array, b: Float32Array): number {
  return largestOf(a.map((value, at) => value - b[at]));
}

function sha256(values: Float32Array): string {
  return createHash('sha256')
    .update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
    .digest('hex');
}
