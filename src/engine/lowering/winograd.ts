/**
 * Owns: which convolutions of a function are computed by Winograd's minimal filtering, how their maps are cut, and which have to keep zeros. Does not: say by
 * what ops (winograd_ops.ts).
 *
 * F(4 × 4, 3 × 3): 36 products give 16 places of a map, where a convolution takes 144 for each pair of channels. What is left are transforms of
 * what goes in and out, which a processor does as fast only while they are in its cache: so few examples at a time.
 *
 * Source: Lavin and Gray, "Fast algorithms for convolutional neural networks" (2015).
 */
import { sizeOf } from '../../common/shape_size.js';
import { isPlain, shapesOf, stridesOf, type ConvolutionShapes } from './convolution_products.js';
import type { Uses } from './loop_plan.js';
import type { OneDnnUse } from '../tensorflow/one_dnn.js';
import type { RecordedNode, RecordedValue } from '../compile/recorded.js';

/** Places of a map along a side that are computed together, pixels of a filter's side, and what both reach. */
export const TILE = 4;
export const PIXELS = 3;
export const REACH = TILE + PIXELS - 1;

/** Products of a convolution from which on the calls of the transforms are worth it, and channels on either side. */
const MANY_PRODUCTS = { fp32: 2 ** 27, bf16: 2 ** 29 };
const FEWEST_CHANNELS = { fp32: 32, bf16: 64 };
/** Products by minimal filtering for one of the convolution's: more are left of maps that tiles cover badly. */
const MOST_PRODUCTS = { fp32: 0.45, bf16: 0.3 };
/** Transformed numbers of both sides that are computed at a time: bytes that stay in a cache. */
const BYTES_TOGETHER = 7 * 2 ** 20;
/** Parts of a batch at most: each is some ops of the graph. */
const MOST_PARTS = 64;
/** Bytes of one example, above which they would take more memory than what is gained is worth, and of all that are computed side by side. */
const MOST_BYTES_OF_ONE = 2 ** 26;
const MOST_BYTES_BESIDE = 2 ** 28;

/** Of a convolution: how many tiles cover its maps, and the zeros before the first row and column. */
export interface Tiling extends ConvolutionShapes {
  readonly tiles: readonly [number, number];
  readonly before: readonly [number, number];
}

export function tilingOf(node: RecordedNode): Tiling {
  const shapes = shapesOf(node);
  const { x, y } = shapes;
  const before = [1, 2].map((axis) => Math.floor((y[axis] + PIXELS - 1 - x[axis]) / 2));
  const tiles = [1, 2].map((axis) => Math.ceil(y[axis] / TILE));
  return { ...shapes, tiles: [tiles[0], tiles[1]], before: [before[0], before[1]] };
}

/**
 * `winogradFrom` of a context: on processors for which oneDNN multiplies. In bfloat16, of which the transforms would take digits, gradients of filters alone,
 * in float32, where oneDNN's take as long as that: without AMX.
 */
export function winogradFrom(given: { precision: 'fp32' | 'bf16'; oneDnn: OneDnnUse; convolvesByProducts: boolean }): number {
  const { precision, oneDnn, convolvesByProducts } = given;
  return oneDnn === 'on' && (precision === 'fp32' || convolvesByProducts) ? MANY_PRODUCTS[precision] : Infinity;
}

/**
 * Groups of nodes, by the first of each: a forward pass, or what is computed of one gradient, which is transformed once for the gradients of pictures and
 * of filters. `from`: products of a convolution from which on it is one of these.
 */
export function planWinograd(
  nodes: readonly RecordedNode[],
  { uses, from, precision }: { readonly uses: Uses; readonly from: number; readonly precision: 'fp32' | 'bf16' },
): ReadonlyMap<RecordedNode, readonly RecordedNode[]> {
  const groups = new Map<RecordedNode, RecordedNode[]>();
  if (from === Infinity) return groups;
  const places = new Map(nodes.flatMap((node, at) => node.outputs.map((output) => [output, at] as const)));
  nodes.forEach((node) => {
    // tfjs records the gradient of a layer's pictures where nothing uses it.
    if (uses.of(node.outputs[0]).size === 0 || !isChosen(node, from, precision)) return;
    const joined = [...groups].find(([first, group]) => {
      const isThere = (input: RecordedValue): boolean => (places.get(input) ?? -1) < places.get(first.outputs[0])!;
      return group.length === 1 && isOtherGradient(first, node) && node.inputs.every(isThere);
    });
    if (joined === undefined) groups.set(node, [node]);
    else joined[1].push(node);
  });
  return groups;
}

/** Of the same convolution's pictures and filters. */
function isOtherGradient(a: RecordedNode, b: RecordedNode): boolean {
  const areGradients = a.op !== 'Conv2D' && b.op !== 'Conv2D' && a.op !== b.op;
  return areGradients && a.inputs[2] === b.inputs[2] && JSON.stringify(shapesOf(a)) === JSON.stringify(shapesOf(b));
}

function isChosen(node: RecordedNode, from: number, precision: 'fp32' | 'bf16'): boolean {
  if (!isPlain(node) || (precision === 'bf16' && node.op !== 'Conv2DBackpropFilter')) return false;
  const tiling = tilingOf(node);
  const { x, filter, y, tiles } = tiling;
  const [height, width, channels, filters] = filter;
  if (height !== PIXELS || width !== PIXELS || stridesOf(node).some((stride) => stride !== 1)) return false;
  const [own, direct] = [REACH ** 2 * sizeOf(tiles), PIXELS ** 2 * y[1] * y[2]];
  const isWide = Math.min(channels, filters) >= FEWEST_CHANNELS[precision];
  const isSaved = own <= MOST_PRODUCTS[precision] * direct && x[0] * direct * channels * filters >= from;
  return isWide && isSaved && bytesOfOne(tiling) <= MOST_BYTES_OF_ONE;
}

/** Gives nearly the same for what is nearly 0 as for 0, and passes nearly the same gradient on; and what it gives for 0 is no 0 for something behind it. */
const SMOOTH: ReadonlySet<string> = new Set([
  ...['FusedBatchNormV3', 'FusedBatchNormGradV3', 'Sigmoid', 'Softplus'],
  ...['TanhGrad', 'EluGrad', 'Conv2DBackpropFilter'],
]);
/** As smooth, but 0 for 0: what is behind it decides. */
const PASSES_ZEROS: ReadonlySet<string> = new Set([
  ...['BiasAdd', 'Reshape', 'Mul', 'Tanh', 'Elu', 'AvgPool', 'Conv2D', 'BatchMatMulV2'],
]);

/**
 * Whether maps have to be 0 where a convolution's are, as over the black of a picture. Minimal filtering comes within a rounding of it, on either side, and a
 * relu passes half of the gradients on there that it holds back at 0. Not so where only what is smooth follows.
 */
export function keepsZeros({ op, outputs: [map] }: RecordedNode, uses: Uses): boolean {
  const seen = new Set<RecordedValue>();
  const isSmooth = (value: RecordedValue): boolean => {
    if (seen.has(value)) return true;
    seen.add(value);
    return [...uses.of(value)].every(
      (user) => user !== null && (SMOOTH.has(user.op) || (PASSES_ZEROS.has(user.op) && isSmooth(user.outputs[0]))),
    );
  };
  return op === 'Conv2D' && !isSmooth(map);
}

/** How a batch is computed: numbers of examples one after the other, and how many of these parts side by side. */
export interface Parts {
  readonly examples: readonly number[];
  readonly beside: number;
}

/**
 * Parts are as equal as they can be, for each number of examples takes transforms of its own; no smaller than what they are multiplied with or add up to; and the
 * same for every number of threads, as the order in which gradients of filters are added depends on them.
 */
export function partsOf(tiling: Tiling, threads: number): Parts {
  const [examples] = tiling.x;
  const ofOne = bytesOfOne(tiling);
  const ofFilter = REACH ** 2 * tiling.filter[2] * tiling.filter[3] * Float32Array.BYTES_PER_ELEMENT;
  const together = Math.max(BYTES_TOGETHER, ofFilter, (ofOne * examples) / MOST_PARTS);
  const fewest = Math.ceil(examples / Math.max(1, Math.floor(together / ofOne)));
  const counts = Array.from({ length: Math.ceil(fewest / 4) }, (_, more) => fewest + more);
  const count = counts.find((equal) => examples % equal === 0) ?? fewest;
  const largest = Math.ceil(examples / count);
  return {
    examples: Array.from({ length: count }, (_, at) => Math.floor(examples / count) + (at < examples % count ? 1 : 0)),
    beside: Math.max(1, Math.min(threads, Math.floor(MOST_BYTES_BESIDE / (largest * ofOne)))),
  };
}

function bytesOfOne({ filter: [, , channels, filters], tiles }: Tiling): number {
  return REACH ** 2 * sizeOf(tiles) * (channels + filters) * Float32Array.BYTES_PER_ELEMENT;
}
