/**
 * Owns: whether a device's arithmetic, element by element, gives the host's bits, found out by computing: what an update of weights there would come to is
 * then the same as on the host. Does not: know updates.
 *
 * Processors are not asked: tests compare every optimizer there. Of GPUs one model was compared so (docs/reproducibility.md); kernels, and what the driver
 * makes of them, may differ on others.
 */
import type { Engine } from '../../engine/index.js';
import { download, upload } from '../../engine/index.js';
import type { Operator, Program } from '../../optimizers/expression.js';
import { graphUpdate } from './graph_update.js';

const LEAST_NORMAL = 2 ** -126;
/** 2^64 times as large, nothing that two floats give is tiny, and what overflows was not. */
const LIFT = 2 ** 64;

/** Denormals count as zeros of their sign. */
const flushed = (value: number): number => (Math.abs(value) < LEAST_NORMAL ? value * 0 : value);
/** Of a result in float64, which is exact or close enough that rounding it once more gives the one rounding. */
const rounded = (exact: number): number =>
  Math.abs(Math.fround(exact * LIFT)) < LEAST_NORMAL * LIFT ? exact * 0 : Math.fround(exact);

/** As the host's slices have them (coordinator/planes/exact/update/slice_module.ts). */
const ON_HOST: Record<Exclude<Operator, 'absolute'>, (a: number, b: number) => number> = {
  add: (a, b) => a + b,
  subtract: (a, b) => a - b,
  multiply: (a, b) => a * b,
  divide: (a, b) => a / b,
  // Of absolute values, as optimizers have it: which of two zeros is the larger, nobody says.
  maximum: (a, b) => Math.max(Math.abs(a), Math.abs(b)),
  squareRoot: (a) => Math.sqrt(a),
};
const OPERATORS = Object.keys(ON_HOST) as (keyof typeof ON_HOST)[];
const PROGRAM: Program = {
  operands: ['a', 'b'],
  scalars: [],
  operations: [
    ...[0, 1].map((operand) => ({ operator: 'absolute' as const, inputs: [operand] })),
    ...OPERATORS.map((operator) => ({ operator, inputs: operator === 'maximum' ? [2, 3] : [0, 1] })),
  ],
  outputs: OPERATORS.map((_, index) => ({ operand: index, value: 4 + index })),
};

/** Each kind of pair so often: one wrong root in a hundred is found but for once in 10^17. */
const PAIRS = 4096;

/** Half of the pairs as training has them, half around the least normal number, from a multiplicative hash: the same on every machine. */
function operands(seed: number): Float32Array {
  const hash = (i: number): number => Math.imul(Math.imul(i + seed, 0x9e3779b1) ^ (i >>> 3), 0x85ebca6b) >>> 8;
  const unit = (i: number): number => hash(i) / 2 ** 23 - 1;
  return Float32Array.from(
    { length: 2 * PAIRS },
    (_, i) => unit(i) * 2 ** (i < PAIRS ? -(hash(i + 7) % 24) : -50 - (hash(i + 7) % 99)),
  );
}

/** Takes some hundredths of a second, most of them for the recording. `operations`: what computes them, for tests. */
export function givesHostBits(engine: Engine, operations = graphUpdate(engine.tf, PROGRAM)): boolean {
  const { tf } = engine;
  const [a, b] = [operands(1), operands(2)];
  const compiled = engine.compile((values: Parameters<typeof operations>[0]) => operations(values, [], (value) => value), {
    name: 'host_bits',
  });
  const tensors = [a, b].map((values) => upload(engine, values, [values.length]));
  const outputs = compiled(tensors);
  const isEqual = OPERATORS.every((operator, index) => {
    const found = new Float32Array(a.length);
    download(engine, outputs[index], found);
    return found.every((value, at) => Object.is(value, rounded(ON_HOST[operator](flushed(a[at]), flushed(b[at])))));
  });
  tf.dispose([...tensors, ...outputs]);
  compiled.dispose();
  return isEqual;
}
