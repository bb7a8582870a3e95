/**
 * Owns: which values of a function that is compiled for bf16 are bfloat16, and which element-wise ops are computed together, as one loop.
 * Does not: change the function (typed_lowering.ts) or make the loops (fused_loops.ts).
 *
 * Products take and give bfloat16, and so does what lies between them: element-wise ops that follow a product and have one after them, and what moves
 * values. Every sum is accumulated and leaves in float32, and so does everything that no product comes after: a model's last bias and activation, losses,
 * metrics, gradients added up over time, the update. Ops that stand in no list are float32.
 */
import { sizeOf } from '../../common/shape_size.js';
import { TF_FLOAT } from '../capi/data_types.js';
import { isLarge, madeOfNarrower, loopsOf, type Loops, type Uses } from './loop_plan.js';
import { attributeOf, type RecordedNode, type RecordedValue } from '../compile/recorded.js';

/** Rounded nowhere: an op of this kind and what it gives are float32. Copies nothing where it is a value's only user. */
export const FLOAT32_BARRIER = 'Snapshot';

const CONVOLUTIONS = [
  ...['Conv2D', 'Conv2DBackpropFilter', 'Conv2DBackpropInput', 'Conv3D', 'Conv3DBackpropFilterV2', 'Conv3DBackpropInputV2'],
  ...['DepthwiseConv2dNative', 'DepthwiseConv2dNativeBackpropFilter', 'DepthwiseConv2dNativeBackpropInput', 'FusedPadConv2D'],
];
const AVERAGES = ['AvgPool', 'AvgPoolGrad', 'AvgPool3D', 'AvgPool3DGrad'];
const PRODUCTS = new Set(['MatMul', 'BatchMatMul', 'BatchMatMulV2', 'Einsum', ...CONVOLUTIONS]);

/**
 * Where oneDNN has no bfloat16 TensorFlow falls back to Eigen, whose bfloat16 kernels of these accumulate in it (the gradient of a convolution's kernel
 * over 2,000 equal rows of 6 × 6 is 8 % off) or divide wrongly (AvgPool3D of 4,096 ones is 1/16). Its matrix products are right.
 */
const WRONG_WITHOUT_ONEDNN = new Set([...CONVOLUTIONS, ...AVERAGES]);

const NORMALIZATIONS = ['FusedBatchNormV3', 'FusedBatchNormGradV3'];

/** Ops with bfloat16 kernels that round what they give: bfloat16 where they follow a product and have one after them. */
const FOLLOWERS = new Set([
  ...['Add', 'AddN', 'AddV2', 'BiasAdd', 'Sub', 'Mul', 'RealDiv', 'FloorDiv', 'Reciprocal', 'Inv', 'Square', 'SquaredDifference'],
  ...['Sqrt', 'Rsqrt', 'Log', 'Log1p', 'Erf', 'Erfc', 'Softmax', 'LogSoftmax', 'Elu', 'EluGrad', 'Selu', 'SeluGrad'],
  ...['LeakyRelu', 'LeakyReluGrad', 'Sigmoid', 'SigmoidGrad', 'Softplus', 'SoftplusGrad', 'Softsign', 'SoftsignGrad'],
  ...AVERAGES,
  ...NORMALIZATIONS,
]);

/** Ops that give some of the numbers that they take: bfloat16 where these are. */
const MOVES = new Set([
  ...['Reshape', 'Transpose', 'ExpandDims', 'Squeeze', 'Identity', 'EnsureShape', 'Slice', 'StridedSlice', 'Pad', 'MirrorPad'],
  ...['ConcatV2', 'Pack', 'Unpack', 'Split', 'SplitV', 'Tile', 'BroadcastTo', 'ReverseV2', 'GatherV2', 'Select', 'SelectV2'],
  ...['Relu', 'ReluGrad', 'Relu6', 'Relu6Grad', 'MaxPool', 'MaxPoolGrad', 'MaxPool3D', 'MaxPool3DGrad'],
]);

/**
 * What may stand in a loop: XLA computes it in float32, to rounding as TensorFlow does. It is not told constants, of which it would make others
 * (xla.ts); sums, roots and divisions are not among them, nor is the gradient of selu, which is another at 0 by XLA.
 */
const ELEMENT_WISE = new Set([
  ...['Add', 'AddV2', 'Sub', 'Mul', 'Neg', 'Square', 'BiasAdd', 'Select', 'SelectV2', 'Relu', 'ReluGrad', 'Relu6', 'Relu6Grad'],
  ...['Tanh', 'TanhGrad', 'Sigmoid', 'SigmoidGrad', 'Elu', 'EluGrad', 'Selu', 'LeakyRelu', 'LeakyReluGrad'],
  ...['Softplus', 'SoftplusGrad'],
]);
/** Activations that TensorFlow's remapper joins with what comes before, so that oneDNN computes both in one op. */
export const JOINED = new Set(['Relu', 'Relu6', 'Elu', 'LeakyRelu']);

/** Values of a window from which on oneDNN counts them in four bytes, which TensorFlow reads as one: the gradient of their maximum is lost in bfloat16. */
const WIDE_WINDOW = 256;

export interface Bfloat16Plan {
  /** Takes and gives bfloat16. */
  readonly rounded: ReadonlySet<RecordedNode>;
  /** Loops that take bfloat16 values, and give such. */
  readonly loops: Loops;
  readonly bfloat16: ReadonlySet<RecordedValue>;
}

export interface PlanOptions {
  /** Number of nodes of the forward pass; 0 where its end was not marked. */
  readonly forwardEnd: number;
  readonly uses: Uses;
  readonly oneDnnHasBfloat16: boolean;
  /** Whether there are loops at all. */
  readonly loops: boolean;
  /** Products that take and give float32. */
  readonly inFloat32: ReadonlySet<RecordedNode>;
}

export function planBfloat16(nodes: readonly RecordedNode[], options: PlanOptions): Bfloat16Plan {
  const { uses } = options;
  const leading = leadingToProducts(nodes);
  const leadingForward = leadingToProducts(nodes.slice(0, options.forwardEnd));
  const rounded = new Set<RecordedNode>();
  const looped = new Set<RecordedNode>();
  const bfloat16 = new Set<RecordedValue>();
  nodes.forEach((node, at) => {
    const floats = node.inputs.filter(({ dtype }) => dtype === TF_FLOAT);
    const mayRound = leading.has(node) && (at >= options.forwardEnd || leadingForward.has(node));
    const follows = floats.some((input) => bfloat16.has(input));
    const hasKernel = options.oneDnnHasBfloat16 || !WRONG_WITHOUT_ONEDNN.has(node.op);
    if (PRODUCTS.has(node.op)) {
      if (hasKernel && floats.length > 0 && !options.inFloat32.has(node) && !isWiderThanMap(node)) rounded.add(node);
    } else if (
      options.loops &&
      mayRound &&
      follows &&
      isLarge(node.outputs[0]) &&
      ELEMENT_WISE.has(node.op) &&
      !isJoined(node, uses)
    )
      looped.add(node);
    else if (FOLLOWERS.has(node.op)) {
      if (hasKernel && mayRound && follows) rounded.add(node);
    } else if (MOVES.has(node.op) && !hasWideWindow(node)) {
      if (follows && (mayRound || floats.every((input) => bfloat16.has(input)))) rounded.add(node);
    }
    if (looped.has(node) || rounded.has(node))
      for (const output of NORMALIZATIONS.includes(node.op) ? [node.outputs[0]] : node.outputs)
        if (output.dtype === TF_FLOAT) bfloat16.add(output);
  });
  const narrower = madeOfNarrower(nodes, uses);
  return { rounded, bfloat16, loops: loopsOf(nodes, looped, { uses, repeats: (node) => narrower.has(node) }) };
}

/** Nodes that a product comes after. What leads on through a barrier may be float32 before it. */
export function leadingToProducts(nodes: readonly RecordedNode[]): Set<RecordedNode> {
  const values = new Set<RecordedValue>();
  const leading = new Set<RecordedNode>();
  for (const node of [...nodes].reverse()) {
    if (node.outputs.some((output) => values.has(output))) leading.add(node);
    if (node.op !== FLOAT32_BARRIER && (PRODUCTS.has(node.op) || leading.has(node)))
      for (const input of node.inputs) values.add(input);
  }
  return leading;
}

function isJoined({ op, inputs: [input] }: RecordedNode, uses: Uses): boolean {
  const maker = uses.maker(input);
  if (op === 'BiasAdd') return maker !== undefined && CONVOLUTIONS.includes(maker.op);
  if (!JOINED.has(op) || maker === undefined || uses.onlyUser(input) === undefined) return false;
  return maker.op === 'FusedBatchNormV3' || CONVOLUTIONS.includes(maker.op) || (maker.op === 'BiasAdd' && isJoined(maker, uses));
}

const FILTER_GRADIENTS = new Set(['Conv2DBackpropFilter', 'DepthwiseConv2dNativeBackpropFilter', 'Conv3DBackpropFilterV2']);

/**
 * The gradient of a filter that is wider than the map it goes over: in bfloat16 oneDNN leaves the places of it unwritten that meet nothing but padding, and
 * those of volumes wrong besides (findings/tensorflow_bfloat16_filter_gradient.sh).
 */
function isWiderThanMap({ op, inputs: [map], outputs: [gradient] }: RecordedNode): boolean {
  if (!FILTER_GRADIENTS.has(op)) return false;
  // [batch, …spatial, channels] and […spatial, in, out].
  return map.shape.slice(1, -1).some((extent, axis) => gradient.shape[axis] > extent);
}

/** Whether a node and all that it takes and gives must be float32. */
function hasWideWindow(node: RecordedNode): boolean {
  if (node.op !== 'MaxPool' && node.op !== 'MaxPoolGrad') return false;
  return sizeOf(attributeOf(node, 'ksize') as readonly number[]) >= WIDE_WINDOW;
}
