/**
 * Owns: which values of a function that is compiled for bf16 are bfloat16, and which element-wise ops are computed together, as one loop.
 * Does not: change the function (bfloat16_lowering.ts) or make the loops (fused_loops.ts).
 *
 * Products take and give bfloat16, and so does what lies between them: element-wise ops that follow a product and have one after them, and what moves
 * values. Every sum is accumulated and leaves in float32, and so does everything that no product comes after: a model's last bias and activation, losses,
 * metrics, gradients added up over time, the update. Ops that stand in no list are float32.
 */
import { TF_FLOAT } from './data_types.js';
import type { RecordedNode, RecordedValue } from './recording.js';

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
 * (xla.ts); sums, roots and divisions are not among them.
 */
const ELEMENT_WISE = new Set([
  ...['Add', 'AddV2', 'Sub', 'Mul', 'Neg', 'Square', 'BiasAdd', 'Select', 'SelectV2', 'Relu', 'ReluGrad', 'Relu6', 'Relu6Grad'],
  ...['Tanh', 'TanhGrad', 'Sigmoid', 'SigmoidGrad', 'Elu', 'EluGrad', 'Selu', 'SeluGrad', 'LeakyRelu', 'LeakyReluGrad'],
  ...['Softplus', 'SoftplusGrad'],
]);
/** What a loop computes again in the place of reading it: factors made from narrower numbers, as dropout's are from its draws. */
const REPEATED = new Set(['Cast', 'Mul', 'GreaterEqual']);

/** Activations that oneDNN computes in the op before, where nothing else needs what lies between. */
const JOINED = new Set(['Relu', 'Relu6', 'Elu', 'LeakyRelu']);

/** Numbers from which on a loop takes less time than calling it costs. */
export const LOOP_ELEMENTS = 2 ** 17;

/** Values of a window from which on oneDNN counts them in four bytes, which TensorFlow reads as one: the gradient of their maximum is lost in bfloat16. */
const WIDE_WINDOW = 256;

export interface Bfloat16Plan {
  /** Takes and gives bfloat16. */
  readonly rounded: ReadonlySet<RecordedNode>;
  /** Of a loop's last node, which alone is used elsewhere: all of its nodes, in the order of the recording. */
  readonly loops: ReadonlyMap<RecordedNode, readonly RecordedNode[]>;
  /** What loops alone compute, but for their last nodes. */
  readonly inside: ReadonlySet<RecordedNode>;
}

export interface PlanOptions {
  /** Number of nodes of the forward pass; 0 where its end was not marked. */
  readonly forwardEnd: number;
  /** Of the function. */
  readonly outputs: readonly RecordedValue[];
  readonly oneDnnHasBfloat16: boolean;
  /** Whether there are loops at all. */
  readonly loops: boolean;
}

export function planBfloat16(nodes: readonly RecordedNode[], options: PlanOptions): Bfloat16Plan {
  const uses = new Uses(nodes, options.outputs);
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
      if (hasKernel && floats.length > 0) rounded.add(node);
    } else if (options.loops && mayRound && follows && isLarge(node) && ELEMENT_WISE.has(node.op) && !isJoined(node, uses))
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
  const loops = loopsOf(nodes, looped, uses);
  return { rounded, loops, inside: new Set([...looped].filter((node) => !loops.has(node))) };
}

/** Nodes that a product comes after. What leads on through a barrier may be float32 before it. */
function leadingToProducts(nodes: readonly RecordedNode[]): Set<RecordedNode> {
  const values = new Set<RecordedValue>();
  const leading = new Set<RecordedNode>();
  for (const node of [...nodes].reverse()) {
    if (node.outputs.some((output) => values.has(output))) leading.add(node);
    if (node.op !== FLOAT32_BARRIER && (PRODUCTS.has(node.op) || leading.has(node)))
      for (const input of node.inputs) values.add(input);
  }
  return leading;
}

/** A loop ends where something else needs what it gives, or what it gives has another shape: it is a tree, and gives one value. */
function loopsOf(
  nodes: readonly RecordedNode[],
  looped: ReadonlySet<RecordedNode>,
  uses: Uses,
): Map<RecordedNode, readonly RecordedNode[]> {
  const ends = new Map<RecordedNode, RecordedNode>();
  for (const node of [...nodes].reverse()) {
    if (!looped.has(node)) continue;
    const [output] = node.outputs;
    const user = uses.onlyUser(output);
    const goesOn = user !== undefined && looped.has(user) && sameShape(user.outputs[0], output);
    ends.set(node, goesOn ? (ends.get(user) ?? user) : node);
  }
  const members = new Map<RecordedNode, Set<RecordedNode>>();
  const addTo = (all: Set<RecordedNode>, node: RecordedNode): void => {
    for (const input of node.inputs) {
      const maker = uses.maker(input);
      if (maker !== undefined && isLarge(maker) && isRepeated(maker, uses)) addTo(all, maker);
    }
    all.add(node);
  };
  for (const node of nodes) {
    const end = ends.get(node);
    if (end === undefined) continue;
    const all = members.get(end) ?? new Set();
    members.set(end, all);
    addTo(all, node);
  }
  return new Map([...members].map(([end, all]) => [end, [...all]]));
}

/** Whether a value is made, in a few cheap steps, from numbers of less than four bytes and single numbers. */
function isRepeated({ op, inputs }: RecordedNode, uses: Uses): boolean {
  if (!REPEATED.has(op)) return false;
  return inputs.every((input) => {
    if (input.dtype !== TF_FLOAT || input.shape.length === 0) return true;
    const maker = uses.maker(input);
    return maker !== undefined && isRepeated(maker, uses);
  });
}

function isJoined({ op, inputs: [input] }: RecordedNode, uses: Uses): boolean {
  const maker = uses.maker(input);
  if (op === 'BiasAdd') return maker !== undefined && CONVOLUTIONS.includes(maker.op);
  if (!JOINED.has(op) || maker === undefined || uses.onlyUser(input) === undefined) return false;
  return maker.op === 'FusedBatchNormV3' || CONVOLUTIONS.includes(maker.op) || (maker.op === 'BiasAdd' && isJoined(maker, uses));
}

/** Whether a node and all that it takes and gives must be float32. */
function hasWideWindow({ op, attributes }: RecordedNode): boolean {
  if (op !== 'MaxPool' && op !== 'MaxPoolGrad') return false;
  const window = attributes.find(({ name }) => name === 'ksize')?.value as readonly number[];
  return window.reduce((size, extent) => size * extent, 1) >= WIDE_WINDOW;
}

function isLarge({ outputs: [{ shape }] }: RecordedNode): boolean {
  return shape.reduce((size, extent) => size * extent, 1) >= LOOP_ELEMENTS;
}

function sameShape(a: RecordedValue, b: RecordedValue): boolean {
  return a.shape.length === b.shape.length && a.shape.every((extent, axis) => extent === b.shape[axis]);
}

/** Who makes the values of a recording, and who uses them. */
class Uses {
  readonly #makers = new Map<RecordedValue, RecordedNode>();
  readonly #users = new Map<RecordedValue, Set<RecordedNode | null>>();

  constructor(nodes: readonly RecordedNode[], outputs: readonly RecordedValue[]) {
    const use = (value: RecordedValue, user: RecordedNode | null): void => {
      const users = this.#users.get(value) ?? new Set();
      this.#users.set(value, users.add(user));
    };
    for (const node of nodes) {
      for (const output of node.outputs) this.#makers.set(output, node);
      for (const input of node.inputs) use(input, node);
    }
    for (const output of outputs) use(output, null);
  }

  /** Undefined for arguments, captures and constants. */
  maker(value: RecordedValue): RecordedNode | undefined {
    return this.#makers.get(value);
  }

  /** Undefined where there are several, or the value is one that the function gives. */
  onlyUser(value: RecordedValue): RecordedNode | undefined {
    const [user, ...others] = this.#users.get(value) ?? [];
    return others.length === 0 ? (user ?? undefined) : undefined;
  }
}
