/** The few kernels that the sum over shards and the moving statistics are made of. */
import { add, constant, divide, multiply, operand, programOf, type Expression } from '../../../../optimizers/expression.js';
import { compileSlices, type Register, type SliceKernel } from './slice_kernels.js';

const [into, left, right] = ['into', 'left', 'right'].map(operand);
// What a scalar is, each call says.
const [first, second] = [constant(0), constant(0)];

function kernel(result: Expression): () => SliceKernel {
  let compiled: SliceKernel | undefined;
  return () => (compiled ??= compileSlices(programOf(['into', 'left', 'right'], { into: result })));
}

const sum = kernel(add(left, right));
const sumDivided = kernel(divide(add(left, right), first));
const divided = kernel(divide(into, first));
const scaled = kernel(multiply(first, into));
const moved = kernel(add(multiply(first, into), multiply(second, left)));

/** into ← left + right */
export function addSlices(target: Register, a: Register, b: Register, length: number): void {
  sum()({ registers: [target, a, b], scalars: [], length });
}

/** into ← (left + right) / divisor */
export function addAndDivideSlices(
  target: Register,
  [a, b]: readonly [Register, Register],
  divisor: number,
  length: number,
): void {
  sumDivided()({ registers: [target, a, b], scalars: [divisor], length });
}

/** values ← values / divisor */
export function divideSlice(values: Register, divisor: number, length: number): void {
  divided()({ registers: [values, values, values], scalars: [divisor], length });
}

/** values ← factor · values */
export function scaleSlice(values: Register, factor: number, length: number): void {
  scaled()({ registers: [values, values, values], scalars: [factor], length });
}

/** running ← momentum · running + (1 − momentum) · mean. Returns whether all of it is finite. */
export function moveSlice(running: Register, mean: Register, momentum: number, length: number): boolean {
  return moved()({ registers: [running, mean, mean], scalars: [momentum, 1 - momentum], length });
}
