/**
 * Owns: which recorded functions XLA may compile, and what keeps each rounding of an update its own where it does.
 * Does not: compile (compile.ts asks, graph_function.ts tells TensorFlow).
 *
 * XLA rewrites as if numbers were real: log((1 − d) + 1e-8) as log((1 + 1e-8) − d), x · 1e30 · 1e-30 as x, x / √y as x · rsqrt(y), and products join the
 * sums that follow. So a function is XLA's only where no rewrite of it changes more than a rounding: products of matrices, layers' activations
 * and losses that are one op. Convolutions are not among them: XLA's take longer than oneDNN's.
 */
import type * as tfjs from '@tensorflow/tfjs';
import { UsageError } from '../../common/errors.js';
import { TF_FLOAT, TF_INT32 } from '../capi/data_types.js';
import { kernelBackend } from '../backend/kernel_backend.js';
import type { TensorMetadata } from '../backend/op_executor.js';
import { bitcast, typeAttr, withRawOps, type RawInput, type RawOps } from '../backend/raw_ops.js';
import type { RecordedNode, RecordedValue } from '../compile/recorded.js';
import type { Recording } from '../compile/recording.js';

/** `required`: a function that XLA would change is an error. `where_safe`: such a one stays a graph. */
export type XlaUse = 'required' | 'where_safe';

/** A function that was to be compiled by XLA alone. */
export class XlaRefused extends UsageError {
  constructor(
    name: string,
    readonly reason: string,
  ) {
    super({
      code: 'XLA_REFUSED',
      message: `${name} is not for XLA: ${reason}`,
      next: 'Begin anew with execution graph, or auto, which leaves such a step to it.',
    });
  }
}

const MOVES = [
  ...['Reshape', 'Transpose', 'ExpandDims', 'Squeeze', 'BroadcastTo', 'ConcatV2', 'Pack'],
  ...['Slice', 'Split', 'SplitV', 'Pad', 'Cast'],
];
/** Through these XLA sees a sum or a product behind them. */
const PASSED = [...MOVES, 'Neg'];
const SUMS = ['Add', 'AddV2', 'AddN', 'Sub'];
const FACTORS = ['Mul', 'RealDiv'];
const SAFE: ReadonlySet<string> = new Set([
  ...MOVES,
  ...SUMS,
  ...FACTORS,
  ...['MatMul', 'BatchMatMul', 'BatchMatMulV2', 'BiasAdd', 'BiasAddGrad', 'Sum', 'Mean', 'Neg', 'Abs', 'Sign', 'Square'],
  ...['Maximum', 'Minimum', 'ArgMax', 'Equal', 'NotEqual', 'Greater', 'GreaterEqual', 'Less', 'LessEqual', 'Select', 'SelectV2'],
  ...['LogicalAnd', 'LogicalNot', 'ZerosLike', 'OnesLike', 'SquaredDifference', 'IsNan'],
  ...['Relu', 'ReluGrad', 'Relu6', 'Relu6Grad', 'LeakyRelu', 'LeakyReluGrad', 'Elu', 'EluGrad', 'Selu', 'SeluGrad'],
  ...['Tanh', 'TanhGrad', 'Sigmoid', 'SigmoidGrad', 'Softplus', 'SoftplusGrad'],
  ...['Softmax', 'SparseSoftmaxCrossEntropyWithLogits', 'SoftmaxCrossEntropyWithLogits', 'Log1p'],
  ...['StatelessRandomUniformFullIntV2', 'Bitcast'],
]);

/** Powers of two by which the constants of products in a row, joined, may move a number: what they could do to it is a rounding. */
const JOINED_BITS = 60;

/** What a value has behind it since the last operation that parts constants: sums and products with some, and how far these move a number. */
interface Behind {
  readonly sums: boolean;
  readonly products: boolean;
  readonly bits: number;
}
const NOTHING: Behind = { sums: false, products: false, bits: 0 };

/** What of a recorded function XLA might change by more than a rounding, as the start of a sentence; null where nothing. */
export function againstXla({ nodes, constants, freeEnd }: Pick<Recording, 'nodes' | 'constants' | 'freeEnd'>): string | null {
  const free = nodes.slice(0, freeEnd);
  const known = new Constants(constants);
  const behind = new Map<RecordedValue, Behind>();
  for (const node of free) {
    if (known.take(node)) continue;
    const isExponent = node.op === 'Exp' && usersOf(free, node).every(({ op }) => op === 'Log1p');
    if (!SAFE.has(node.op) && !isExponent && !isOfClipped(node, free, known))
      return `${node.op} is not among the operations that it leaves as they are and makes faster`;
    const [before = NOTHING] = node.inputs.flatMap((input) => behind.get(input) ?? []);
    const constant = node.inputs.find((input) => known.has(input));
    const [output] = node.outputs;
    if (PASSED.includes(node.op)) behind.set(output, before);
    else if (constant !== undefined && SUMS.includes(node.op)) {
      if (before.sums) return `it would join the constants of two sums in a row (${node.op})`;
      behind.set(output, { ...before, sums: true });
    } else if (constant !== undefined && FACTORS.includes(node.op)) {
      const bits = before.bits + known.bitsOf(constant);
      if (before.products && bits > JOINED_BITS) return `it would join the constants of products in a row (${node.op})`;
      behind.set(output, { ...before, products: true, bits });
    }
  }
  return null;
}

/**
 * A logarithm of numbers that are held above a positive constant, or of what is left of a constant by numbers that are held between two: as of a
 * classifier's probabilities. XLA does not see what is behind such bounds.
 */
function isOfClipped({ op, inputs: [input] }: RecordedNode, nodes: readonly RecordedNode[], known: Constants): boolean {
  const made = (value: RecordedValue): RecordedNode | undefined => nodes.find(({ outputs }) => outputs.includes(value));
  const isAbove = (of: RecordedNode | undefined): boolean =>
    of?.op === 'Maximum' && of.inputs.some((bound) => known.isPositive(bound));
  const isBelow = (of: RecordedNode | undefined): boolean => of?.op === 'Minimum' && of.inputs.some((bound) => known.has(bound));
  if (op !== 'Log') return false;
  const from = made(input);
  if (isAbove(from)) return true;
  const [whole, part] = from?.op === 'Sub' ? from.inputs : [];
  if (whole === undefined || !known.has(whole)) return false;
  const clipped = made(part);
  return isAbove(clipped) && clipped?.inputs.some((bounded) => isBelow(made(bounded))) === true;
}

/** Values that are the same in every call, and how many powers of two a product with them moves a number. */
class Constants {
  readonly #bits = new Map<RecordedValue, number>();
  readonly #positive = new Set<RecordedValue>();

  constructor(constants: Recording['constants']) {
    for (const { value, bytes } of constants) {
      const numbers = value.dtype === TF_FLOAT ? new Float32Array(bytes.slice().buffer) : null;
      this.#bits.set(value, numbers === null ? 0 : mostBits(numbers));
      if (numbers?.every((number) => number > 0) === true) this.#positive.add(value);
    }
  }

  has(value: RecordedValue): boolean {
    return this.#bits.has(value);
  }

  bitsOf(value: RecordedValue): number {
    return this.#bits.get(value) ?? Infinity;
  }

  isPositive(value: RecordedValue): boolean {
    return this.#positive.has(value);
  }

  /** True for a node of constants alone, whose outputs are some too. */
  take({ op, inputs, outputs }: RecordedNode): boolean {
    if (inputs.length === 0 || !inputs.every((input) => this.has(input))) return false;
    const bits = inputs.reduce((sum, input) => sum + this.bitsOf(input), 0);
    for (const output of outputs) this.#bits.set(output, MOVES.includes(op) || op === 'Mul' ? bits : Infinity);
    return true;
  }
}

function mostBits(values: Float32Array): number {
  const bitsOf = (value: number): number => (value === 0 ? 0 : Math.abs(Math.log2(Math.abs(value))));
  return values.reduce((most, value) => Math.max(most, Number.isNaN(value) ? Infinity : bitsOf(value)), 0);
}

function usersOf(nodes: readonly RecordedNode[], { outputs }: RecordedNode): RecordedNode[] {
  return nodes.filter(({ inputs }) => inputs.some((input) => outputs.includes(input)));
}

/**
 * The same numbers, each rounded by itself, where a function is recorded for XLA; elsewhere the tensor as it is. `zero` is 0 as int32, which XLA must
 * not know: an argument. Not differentiable.
 */
export function keepRounded(x: tfjs.Tensor, zero: tfjs.Tensor): tfjs.Tensor {
  if (kernelBackend().binding.recorder?.forXla !== true) return x;
  return withRawOps((ops) => ops.keep(roundedAlone(ops, x, zero)));
}

/** float32 numbers behind an integer xor with `zero`, int32: the same, and XLA joins what makes them with nothing. */
export function roundedAlone(ops: RawOps, x: RawInput, zero: RawInput): TensorMetadata {
  const same = ops.one('BitwiseXor', [bitcast(ops, x, TF_FLOAT, TF_INT32), zero], [typeAttr('T', TF_INT32)]);
  return bitcast(ops, same, TF_INT32, TF_FLOAT);
}

/** What is recorded from here on is written so that XLA keeps it: it is not asked about. */
export function endOfFreeArithmetic(): void {
  kernelBackend().binding.recorder?.endFree();
}
