/**
 * Owns: the memory that the update's arithmetic is done in: its registers, moving slices in and out, programs compiled to run on it.
 * Does not: know what is computed (reducer.ts, statistics.ts, src/optimizers). Next hop: slice_module.ts.
 *
 * WebAssembly has SIMD, which JavaScript has not, but sees only its own memory. So a slice is copied into a register, worked on
 * there, in the second-level cache, and copied out: a copy costs a tenth of a pass of JavaScript over the same numbers.
 */
import { invariant } from '../../../../common/errors.js';
import type { Program } from '../../../../optimizers/expression.js';
import { sliceModule } from './slice_module.js';

/** Elements worked on at a time: 64 KiB per register stay in the second-level cache, and take far less than a turn of the event loop. */
export const SLICE_ELEMENTS = 16_384;

/** The sum tree of the most shards (LIMITS.maxShards = 2^10) needs 11; an optimizer its slots and two. */
const REGISTERS = 16;

/** Where a slice is in the kernels' memory, in bytes. Nothing in a register outlives a turn: another update may use it in the next one. */
export type Register = number;

export function register(index: number): Register {
  invariant(index < REGISTERS, 'the sum tree fits in the registers');
  return index * SLICE_ELEMENTS * Float32Array.BYTES_PER_ELEMENT;
}

/** What is used of the platform's WebAssembly: TypeScript has its types only among those of browsers. */
declare const WebAssembly: {
  Memory: new (size: { initial: number; maximum: number }) => { readonly buffer: ArrayBuffer };
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object, imports: object) => { readonly exports: unknown };
};

interface SliceMemory {
  readonly memory: object;
  readonly elements: Float32Array;
}
let shared: SliceMemory | undefined;

/** One per thread: all that compute on it share its registers. A page has 64 KiB, as a register. */
function sliceMemory(): SliceMemory {
  if (shared === undefined) {
    const memory = new WebAssembly.Memory({ initial: REGISTERS, maximum: REGISTERS });
    shared = { memory, elements: new Float32Array(memory.buffer) };
  }
  return shared;
}

/** A view, to look at before anything else is computed. */
export function contents(from: Register, length: number): Float32Array {
  const start = from / Float32Array.BYTES_PER_ELEMENT;
  return sliceMemory().elements.subarray(start, start + length);
}

export function load(to: Register, values: Float32Array): void {
  invariant(values.length <= SLICE_ELEMENTS, 'a slice fits in a register');
  const start = to / Float32Array.BYTES_PER_ELEMENT;
  const end = start + values.length;
  const { elements } = sliceMemory();
  elements.set(values, start);
  // The kernels work on fours. What fills up the last one repeats the last element, and so is finite if that is.
  elements.fill(elements[end - 1], end, start + Math.ceil(values.length / 4) * 4);
}

export function store(from: Register, values: Float32Array): void {
  values.set(contents(from, values.length));
}

interface KernelCall {
  /** One for each operand of the program; they may coincide. */
  readonly registers: readonly Register[];
  /** One for each scalar; rounded to float32. */
  readonly scalars: readonly number[];
  /** Elements in use, the same in all operands. */
  readonly length: number;
}

/** Runs its program in place. Returns whether all it wrote is finite. */
export type SliceKernel = (call: KernelCall) => boolean;

export function compileSlices(program: Program): SliceKernel {
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(sliceModule(program)), { slices: sliceMemory() });
  const { run } = exports as { run: (...values: number[]) => number };
  return ({ registers, scalars, length }) => {
    invariant(
      registers.length === program.operands.length && scalars.length === program.scalars.length,
      'a kernel is called with what its program names',
    );
    return run(...registers, ...scalars, length) === 1;
  };
}
