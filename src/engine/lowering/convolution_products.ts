/**
 * Owns: which convolutions of a function are computed as products of matrices. Does not: say by what ops (product_ops.ts).
 *
 * A window of one pixel is such a product, for which oneDNN's convolutions take up to three times as long where maps are small or strides skip pixels, and
 * never much less. So do its gradients of filters of a few pixels where maps are of few, though the numbers under each filter are copied for it
 * (docs/benchmarks.md).
 */
import { TF_FLOAT } from '../capi/data_types.js';
import { instructionSet } from '../tensorflow/instruction_set.js';
import type { Uses } from './loop_plan.js';
import { JOINED } from './mixed_precision.js';
import { multipliesByAvx512, type OneDnnUse } from '../tensorflow/one_dnn.js';
import { attributeOf, type RecordedNode } from '../compile/recorded.js';

/** What TensorFlow's remapper joins with a convolution, so that it would be a pass of its own behind a product; activations besides. */
const JOINED_WITH = new Set(['BiasAdd', 'FusedBatchNorm']);

/** Of gradients of filters: pixels of a side up to which maps are small, those of a filter, and its numbers for one of them from which on copying pays. */
const SMALL_SIDE = { fp32: 2, bf16: 4 };
const MOST_PIXELS = 9;
const MANY_CHANNELS = 2 ** 15;

/**
 * Whether a processor computes any so, by what was measured: x64 with oneDNN and AVX-512, in bf16 where there is no AMX. Held to AVX2 oneDNN's products of
 * few rows are slow. `ceiling`: the level that oneDNN is held to (one_dnn.ts).
 */
export function computesProducts(
  { precision, oneDnn, ceiling }: { precision: 'fp32' | 'bf16'; oneDnn: OneDnnUse; ceiling: string },
  instructions = instructionSet(),
): boolean {
  return (
    oneDnn === 'on' && multipliesByAvx512(instructions, ceiling) && !(precision === 'bf16' && instructions.includes('amx_bf16'))
  );
}

/** Nodes of a function that become products. */
export function planProducts(
  nodes: readonly RecordedNode[],
  { uses, precision }: { uses: Uses; precision: 'fp32' | 'bf16' },
): ReadonlySet<RecordedNode> {
  const isJoined = ({ outputs: [output] }: RecordedNode): boolean => {
    const user = uses.onlyUser(output);
    return user !== undefined && (JOINED_WITH.has(user.op) || JOINED.has(user.op));
  };
  const isChosen = (node: RecordedNode): boolean => {
    const { filter, y } = shapesOf(node);
    if (filter[0] === 1 && filter[1] === 1) return node.op !== 'Conv2D' || !isJoined(node);
    const isSmall = Math.max(y[1], y[2]) <= SMALL_SIDE[precision] && filter[0] * filter[1] <= MOST_PIXELS;
    return node.op === 'Conv2DBackpropFilter' && isSmall && filter[2] * filter[3] >= MANY_CHANNELS;
  };
  return new Set(nodes.filter((node) => isPlain(node) && isChosen(node)));
}

const CONVOLUTIONS: ReadonlySet<string> = new Set(['Conv2D', 'Conv2DBackpropInput', 'Conv2DBackpropFilter']);

/** Of pictures `x` `[n, height, width, channels]`, filters `[height, width, channels, filters]` and what they make, `y`. */
export interface ConvolutionShapes {
  readonly x: readonly number[];
  readonly filter: readonly number[];
  readonly y: readonly number[];
}

export function shapesOf({ op, inputs, outputs: [output] }: RecordedNode): ConvolutionShapes {
  const [first, second, third] = inputs;
  if (op === 'Conv2D') return { x: first.shape, filter: second.shape, y: output.shape };
  if (op === 'Conv2DBackpropInput') return { x: output.shape, filter: second.shape, y: third.shape };
  return { x: first.shape, filter: output.shape, y: third.shape };
}

/** Of the axes of pictures. */
export function stridesOf(node: RecordedNode): readonly number[] {
  return attributeOf(node, 'strides') as readonly number[];
}

/**
 * A convolution or one of its gradients, neither dilated nor in groups, without paddings of one's own, and of shapes that belong together: tfjs lets a
 * transposed convolution ask for any.
 */
export function isPlain(node: RecordedNode): boolean {
  if (!CONVOLUTIONS.has(node.op)) return false;
  const { x, filter, y } = shapesOf(node);
  const strides = stridesOf(node);
  const padding = attributeOf(node, 'padding');
  const covered = (axis: number): number => x[axis] - (padding === 'SAME' ? 0 : filter[axis - 1] - 1);
  const belongs = y[0] === x[0] && [1, 2].every((axis) => y[axis] === Math.ceil(covered(axis) / strides[axis]));
  return (
    node.outputs[0].dtype === TF_FLOAT &&
    belongs &&
    filter[2] === x[3] &&
    filter[3] === y[3] &&
    attributeOf(node, 'data_format') === 'NHWC' &&
    padding !== 'EXPLICIT' &&
    (attributeOf(node, 'dilations') as readonly number[]).every((dilation) => dilation === 1) &&
    [...x, ...y].every((extent) => extent > 0)
  );
}
