/**
 * Owns: what stays in float32 when a function is compiled for bf16, and how TensorFlow is told.
 *
 * TensorFlow's automatic mixed precision paints ops by name: products are bfloat16 ("allow"), element-wise ops are where they lie between products or
 * follow one ("infer"), ops that move values are beside either ("clear"). Left to itself it adds sums over examples in bfloat16, which stop growing
 * at 256 equal terms, and updates weights in it. Here products alone, and what lies between them, are bfloat16; every sum is accumulated and leaves
 * in float32, and so does everything that no product comes after: losses, metrics, gradients added up over time, a user's optimizer.
 * (tensorflow/core/grappler/optimizers/auto_mixed_precision.cc and auto_mixed_precision_lists.h, class AutoMixedPrecisionListsMkl)
 */
import type { RecordedNode, RecordedValue } from './recording.js';
import { TF_FLOAT } from './data_types.js';

/** TensorFlow's bfloat16 kernels of these take two to five times as long as its float32 ones (measured on AVX512-BF16), more than the casts. */
const SLOW = ['Tanh', 'TanhGrad'];
/** Sums: BiasAddGrad and Prod even accumulate in bfloat16. A clear op that adds is ScatterNd. */
const SUMS = ['Sum', 'Mean', 'Prod', 'BiasAddGrad'];
/**
 * Where oneDNN has no bfloat16 TensorFlow falls back to Eigen, whose bfloat16 kernels of these accumulate in it (the gradient of a convolution's kernel
 * over 2,000 equal rows of 6 × 6 is 8 % off) or divide wrongly (AvgPool3D of 4,096 ones is 1/16). Its matrix products are right.
 */
const WRONG_WITHOUT_ONEDNN = {
  allow: [
    ...['Conv2D', 'Conv2DBackpropFilter', 'Conv2DBackpropInput', 'Conv3D', 'Conv3DBackpropFilterV2', 'Conv3DBackpropInputV2'],
    ...['DepthwiseConv2dNative', 'DepthwiseConv2dNativeBackpropFilter', 'DepthwiseConv2dNativeBackpropInput', 'FusedPadConv2D'],
  ],
  infer: ['AvgPool', 'AvgPoolGrad', 'AvgPool3D', 'AvgPool3DGrad'],
};
/** Painted by no rule once it is off the clear list: what follows it does not follow a product. Copies nothing where it is a value's only user. */
export const FLOAT32_BARRIER = 'Snapshot';

const PREFIX = 'TF_AUTO_MIXED_PRECISION_GRAPH_REWRITE_';

/** Variables that TensorFlow reads at each graph optimization. `oneDnnHasBfloat16`: see instruction_set.ts. */
export function mixedPrecisionLists(oneDnnHasBfloat16: boolean): Record<string, string> {
  const { allow, infer } = WRONG_WITHOUT_ONEDNN;
  return {
    [`${PREFIX}ALLOWLIST_REMOVE`]: (oneDnnHasBfloat16 ? [] : allow).join(),
    [`${PREFIX}INFERLIST_REMOVE`]: [...SLOW, ...SUMS, ...(oneDnnHasBfloat16 ? [] : infer)].join(),
    [`${PREFIX}DENYLIST_ADD`]: SLOW.join(),
    [`${PREFIX}CLEARLIST_REMOVE`]: [FLOAT32_BARRIER, 'ScatterNd'].join(),
  };
}

/** Values of a window from which on oneDNN counts them in four bytes, which TensorFlow reads as one: the gradient of their maximum is lost in bfloat16. */
const WIDE_WINDOW = 256;

/** Whether a node and all that it takes and gives must be float32. */
export function needsFloat32Throughout({ op, attributes }: RecordedNode): boolean {
  if (op !== 'MaxPool' && op !== 'MaxPoolGrad') return false;
  const window = attributes.find(({ name }) => name === 'ksize')?.value as readonly number[];
  return window.reduce((size, extent) => size * extent, 1) >= WIDE_WINDOW;
}

const PRODUCTS = new Set(['MatMul', 'BatchMatMul', 'BatchMatMulV2', 'Einsum', ...WRONG_WITHOUT_ONEDNN.allow]);

const UNPAINTED = new Set([FLOAT32_BARRIER, ...SLOW, ...SUMS]);

/** Ops that would be bfloat16 because they follow a product. */
const FOLLOWERS = new Set([
  ...['Add', 'AddN', 'AddV2', 'BiasAdd', 'Sub', 'Mul', 'RealDiv', 'FloorDiv', 'Reciprocal', 'Inv', 'Square', 'SquaredDifference'],
  ...['Sqrt', 'Rsqrt', 'Log', 'Log1p', 'Erf', 'Erfc', 'Softmax', 'LogSoftmax', 'Elu', 'EluGrad', 'Selu', 'SeluGrad'],
  ...['LeakyRelu', 'LeakyReluGrad', 'Sigmoid', 'SigmoidGrad', 'Softplus', 'SoftplusGrad', 'Softsign', 'SoftsignGrad'],
  ...['AvgPool', 'AvgPoolGrad', 'AvgPool3D', 'AvgPool3DGrad', 'FusedBatchNormV3', 'FusedBatchNormGradV3'],
]);

/**
 * Whether a node's input must be barred from being bfloat16: no product comes after the node, neither in the whole function nor (for its first
 * `forwardEnd` nodes) in the forward pass; so a model's last bias and activation, its loss and what is done with gradients are float32.
 */
export function float32Inputs(
  nodes: readonly RecordedNode[],
  forwardEnd: number,
): (node: RecordedNode, input: RecordedValue) => boolean {
  const tail = new Set([...followersWithoutProductAfter(nodes), ...followersWithoutProductAfter(nodes.slice(0, forwardEnd))]);
  const float32 = new Set<RecordedValue>();
  for (const node of nodes) {
    const paintable = PRODUCTS.has(node.op) || (FOLLOWERS.has(node.op) && !tail.has(node));
    const safe =
      !paintable &&
      (tail.has(node) || UNPAINTED.has(node.op) || node.inputs.every((input) => isOutside(input) || float32.has(input)));
    if (safe) for (const output of node.outputs) float32.add(output);
  }
  return (node, input) => tail.has(node) && input.dtype === TF_FLOAT && !isOutside(input) && !float32.has(input);
}

/** Arguments, captures and constants. */
function isOutside(value: RecordedValue): boolean {
  return value.op === undefined;
}

function followersWithoutProductAfter(nodes: readonly RecordedNode[]): RecordedNode[] {
  const leads = new Set<RecordedValue>();
  const found: RecordedNode[] = [];
  for (const node of [...nodes].reverse()) {
    const product = PRODUCTS.has(node.op) || node.outputs.some((output) => leads.has(output));
    // What leads on through a barrier may be float32 before it.
    if (product && node.op !== FLOAT32_BARRIER) for (const input of node.inputs) leads.add(input);
    if (!product && FOLLOWERS.has(node.op)) found.push(node);
  }
  return found;
}
