/**
 * Owns: which chains of element-wise ops that no product comes after, as the update of weights, are loops: with the bits that the ops have one by one.
 * Does not: make the loops (fused_loops.ts).
 */
import { TF_FLOAT } from '../capi/data_types.js';
import { isLarge, loopsOf, type LoopNodes, type Loops, type Uses } from './loop_plan.js';
import type { RecordedNode, RecordedValue } from '../compile/recorded.js';

/** Each rounds once, to what IEEE 754 says, in TensorFlow as in XLA. */
const EXACT = new Set(['Add', 'AddV2', 'Sub', 'Mul', 'RealDiv', 'Sqrt', 'Square', 'Neg']);

const SCALES = new Set(['Mul', 'RealDiv']);

/** Passes over memory that make a loop worth its call: of fewer TensorFlow's kernels take no longer (docs/benchmarks.md). */
const FEWEST_PASSES = 4;

export interface ExactOptions {
  readonly uses: Uses;
  /** Nodes of the forward pass, that a product comes after, or that are in other loops. */
  readonly taken: (node: RecordedNode) => boolean;
  /** Whether a float32 value is held as bfloat16, so that a conversion is one pass more. */
  readonly isBfloat16: (input: RecordedValue) => boolean;
}

export function planExactLoops(nodes: readonly RecordedNode[], { uses, taken, isBfloat16 }: ExactOptions): Loops {
  const mayBe = (node: RecordedNode): boolean =>
    EXACT.has(node.op) && node.outputs[0].dtype === TF_FLOAT && isLarge(node.outputs[0]) && !taken(node) && !isJoined(node, uses);
  const may = new Set(nodes.filter(mayBe));
  // A gradient by the number of examples, which several slots are made of, is divided anew for each.
  const repeats = ({ op, inputs, outputs: [output] }: RecordedNode): boolean =>
    SCALES.has(op) &&
    inputs.filter(({ shape }) => shape.length > 0).length === 1 &&
    uses.of(output).size > 1 &&
    [...uses.of(output)].every((user) => user !== null && may.has(user));
  const passes = ({ nodes: all }: LoopNodes): number =>
    all.reduce((sum, { inputs }) => sum + 1 + inputs.filter(isBfloat16).length, 0);
  return new Map([...loopsOf(nodes, may, { uses, repeats })].filter(([, loop]) => passes(loop) >= FEWEST_PASSES));
}

/** With oneDNN TensorFlow's remapper makes one op, of other bits, of x · sigmoid(x) and x · tanh(softplus(x)). */
function isJoined({ op, inputs }: RecordedNode, uses: Uses): boolean {
  return op === 'Mul' && inputs.some((input) => ['Sigmoid', 'Tanh'].includes(uses.maker(input)?.op ?? ''));
}
