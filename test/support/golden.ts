/**
 * Owns: reading test/golden/: the reference CNN's first five steps (no dropout) as PyTorch computes them in float64, and the
 * norm-wise measure against them. Does not: compute a step. test/golden/README.md says how the numbers were made and checked.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { invariant } from '../../src/common/errors.js';
import { goldenImages, goldenInitialWeights, goldenLabels, goldenProjections, goldenTensors, sizeOf } from './golden_formula.js';
import type { GoldenTensorShape } from './golden_formula.js';

/** `gluon_cnn_eighth` (width 1/8) is stored whole; `gluon_cnn` by norm, projections and samples where a tensor is large. */
export type GoldenName = 'gluon_cnn' | 'gluon_cnn_eighth';

export interface GoldenTensor {
  /** tfjs weight name, e.g. `conv1/kernel`. */
  readonly name: string;
  readonly shape: readonly number[];
  /** Position in its group; keys the projections. */
  readonly index: number;
  readonly norm: number;
  /** Norm of the way from the initial values; weights only. */
  readonly moved?: number;
  readonly projections: readonly number[];
  /** The whole tensor, flat in tfjs layout; absent for the large ones of `gluon_cnn`. */
  readonly values?: Float32Array;
  /** Where `values` is absent: 64 elements spread evenly. */
  readonly samples?: { readonly at: readonly number[]; readonly values: readonly number[] };
}

export interface GoldenStep {
  readonly width: number;
  readonly seed: number;
  readonly batch: number;
  readonly steps: number;
  readonly learningRate: number;
  /** `[batch, 28, 28, 1]` pixels; the network's input is pixel / 255 in float32. */
  readonly images: Uint8Array;
  readonly labels: Int32Array;
  /** Trained weights, then moving means and variances, in `model.weights` order. */
  readonly tensors: readonly GoldenTensorShape[];
  readonly trainedTensors: number;
  readonly initial: Float32Array;
  /** Loss summed over the batch, before each of the five updates. */
  readonly lossSums: readonly number[];
  /** First step. */
  readonly correct: number;
  readonly logits: GoldenTensor;
  /** First step, summed over the batch, trained weights in order. */
  readonly gradients: readonly GoldenTensor[];
  /** First step: mean and biased variance of each batch norm, in `BucketLayout.statistics` order. */
  readonly statistics: readonly GoldenTensor[];
  /** Trained weights after `steps` steps of w −= learningRate · gradient / batch. */
  readonly weights: readonly GoldenTensor[];
  /** Moving statistics after `steps` steps: running = 0.9 · running + 0.1 · batch, variance biased. */
  readonly moving: readonly GoldenTensor[];
}

interface TensorRecord {
  name: string;
  shape: number[];
  norm: number;
  moved?: number;
  projections: number[];
  offset?: number;
  samples?: { at: number[]; values: number[] };
}

interface GoldenFile {
  width: number;
  seed: number;
  batch: number;
  steps: number;
  learning_rate: number;
  initial_sha256: string;
  images_sha256: string;
  bin_sha256: string;
  labels: number[];
  loss_sums: number[];
  correct: number;
  logits: TensorRecord;
  gradients: TensorRecord[];
  statistics: TensorRecord[];
  weights: TensorRecord[];
  moving: TensorRecord[];
}

/** Reads one golden file; throws when the problem it was made for is not, bit for bit, the one this program makes. */
export function loadGolden(name: GoldenName): GoldenStep {
  const folder = new URL('../golden/', import.meta.url);
  const file = JSON.parse(readFileSync(new URL(`${name}.json`, folder), 'utf8')) as GoldenFile;
  const bytes = readFileSync(new URL(`${name}.bin`, folder));
  const stored = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
  const read = ({ offset, ...record }: TensorRecord, index: number): GoldenTensor => ({
    ...record,
    index,
    ...(offset !== undefined && { values: stored.subarray(offset, offset + sizeOf(record.shape)) }),
  });
  const { trained, moving } = goldenTensors(file.width);
  const initial = goldenInitialWeights(file.width, file.seed);
  const images = goldenImages(file.seed, file.batch);
  const labels = goldenLabels(file.seed, file.batch);
  invariant(sha256(bytes) === file.bin_sha256, `${name}.bin belongs to ${name}.json`);
  invariant(sha256(initial) === file.initial_sha256, 'both languages make the same initial weights');
  invariant(sha256(images) === file.images_sha256, 'both languages make the same images');
  invariant(labels.join() === file.labels.join(), 'both languages make the same labels');
  return {
    width: file.width,
    seed: file.seed,
    batch: file.batch,
    steps: file.steps,
    learningRate: file.learning_rate,
    images,
    labels,
    tensors: [...trained, ...moving],
    trainedTensors: trained.length,
    initial,
    lossSums: file.loss_sums,
    correct: file.correct,
    logits: read(file.logits, 0),
    gradients: file.gradients.map(read),
    statistics: file.statistics.map(read),
    weights: file.weights.map(read),
    moving: file.moving.map(read),
  };
}

/**
 * Norm of (actual − golden) over the golden norm: exact where the golden tensor is whole; else estimated from its projections
 * (within ±35 % of the truth in 95 % of cases) or, if larger, from its samples, which see a single wrong element better.
 */
export function normwiseDifference(golden: GoldenStep, tensor: GoldenTensor, actual: ArrayLike<number>): number {
  invariant(actual.length === sizeOf(tensor.shape), `${tensor.name} has the golden tensor's size`);
  if (tensor.values) return norm(Float64Array.from(tensor.values, (value, index) => actual[index] - value)) / tensor.norm;
  const projections = goldenProjections(golden.seed, tensor.index, actual);
  const projected = norm(projections.map((value, k) => value - tensor.projections[k])) / Math.sqrt(projections.length);
  invariant(tensor.samples !== undefined, `${tensor.name} is stored whole or has samples`);
  const { at, values } = tensor.samples;
  const sampled = norm(values.map((value, k) => actual[at[k]] - value));
  return Math.max(projected, sampled) / tensor.norm;
}

/** Largest norm-wise difference of a group laid out flat, e.g. a packed gradient, and the tensor it is in. */
export function furthestTensor(
  golden: GoldenStep,
  group: readonly GoldenTensor[],
  flat: Float32Array,
): { name: string; difference: number } {
  let offset = 0;
  let furthest = { name: 'none', difference: 0 };
  for (const tensor of group) {
    const size = sizeOf(tensor.shape);
    const difference = normwiseDifference(golden, tensor, flat.subarray(offset, offset + size));
    // Not `difference > …`: a NaN must come out on top.
    if (!(difference <= furthest.difference)) furthest = { name: tensor.name, difference };
    if (Number.isNaN(difference)) return furthest;
    offset += size;
  }
  invariant(offset === flat.length, 'the flat array holds the whole group and nothing else');
  return furthest;
}

function norm(values: ArrayLike<number>): number {
  let sum = 0;
  for (let index = 0; index < values.length; index++) sum += values[index] * values[index];
  return Math.sqrt(sum);
}

function sha256(values: Uint8Array | Float32Array): string {
  return createHash('sha256')
    .update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
    .digest('hex');
}
