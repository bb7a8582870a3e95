/**
 * Owns: the WebAssembly that does the update's arithmetic: loading it at its first use, its registers, moving slices in and out.
 * Does not: know what is computed (reducer.ts, sgd.ts, adam.ts, statistics.ts). Next hop: slice_kernels.wat.
 *
 * WebAssembly has SIMD, which JavaScript has not, but sees only its own memory. So a slice is copied into a register, worked on
 * there, in the second-level cache, and copied out: a copy costs a tenth of a pass of JavaScript over the same numbers.
 */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { EnvironmentError, invariant } from '../../common/errors.js';

/** Elements worked on at a time: 64 KiB per register stay in the second-level cache, and take far less than a turn of the event loop. */
export const SLICE_ELEMENTS = 16_384;

/** As many pages as the kernels' memory has: the sum tree of the most shards (LIMITS.maxShards = 2^10) needs 11. */
const REGISTERS = 16;

/** Where a slice is in the kernels' memory, in bytes. Nothing in a register outlives a turn: another update may use it in the next one. */
export type Register = number;

export function register(index: number): Register {
  invariant(index < REGISTERS, 'the sum tree fits in the registers');
  return index * SLICE_ELEMENTS * Float32Array.BYTES_PER_ELEMENT;
}

/** Each operation rounds to float32. `length` is the elements in use, the same in all operands of one kernel; operands may coincide. */
export interface SliceKernels {
  load(to: Register, values: Float32Array): void;
  store(from: Register, values: Float32Array): void;
  /** A view, to look at before anything else is computed. */
  contents(from: Register, length: number): Float32Array;
  /** into ← left + right */
  add(into: Register, left: Register, right: Register, length: number): void;
  /** into ← (left + right) / divisor */
  addAndDivide(into: Register, left: Register, right: Register, divisor: number, length: number): void;
  /** values ← values / divisor */
  divide(values: Register, divisor: number, length: number): void;
  /** values ← factor · values */
  scale(values: Register, factor: number, length: number): void;
  /** into ← factor · from + addend. Returns 1 if all it wrote is finite, else 0. */
  multiplyAdd(into: Register, factor: number, from: Register, addend: Register, length: number): number;
  /** A step of Adam (adam.ts), in place. Returns 1 if all it wrote is finite, else 0. */
  adam(
    weights: Register,
    gradient: Register,
    first: Register,
    second: Register,
    beta1: number,
    oneMinusBeta1: number,
    beta2: number,
    oneMinusBeta2: number,
    secondCorrection: number,
    epsilon: number,
    keep: number,
    rate: number,
    length: number,
  ): number;
}

type Compiled = Omit<SliceKernels, 'load' | 'store' | 'contents'> & { readonly memory: { readonly buffer: ArrayBuffer } };

/** What is used of the platform's WebAssembly: TypeScript has its types only among those of browsers. */
declare const WebAssembly: {
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object) => { readonly exports: unknown };
};

let kernels: SliceKernels | undefined;

/** The thread's kernels. All that use them share their registers. */
export function sliceKernels(): SliceKernels {
  kernels ??= instantiate();
  return kernels;
}

function instantiate(): SliceKernels {
  // src/ and dist/ are equally deep, so this holds for the compiled product and for tests that run from source.
  const path = fileURLToPath(new URL('../../../dist/coordinator/update/slice_kernels.wasm', import.meta.url));
  if (!existsSync(path)) {
    throw new EnvironmentError({ code: 'NOT_BUILT', message: `${path} is missing`, next: 'Run: npm run build' });
  }
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(path)));
  const { memory, ...compiled } = exports as Compiled;
  const elements = new Float32Array(memory.buffer);
  const contents = (from: Register, length: number): Float32Array => {
    const start = from / Float32Array.BYTES_PER_ELEMENT;
    return elements.subarray(start, start + length);
  };
  return {
    ...compiled,
    contents,
    load: (to, values) => {
      invariant(values.length <= SLICE_ELEMENTS, 'a slice fits in a register');
      const start = to / Float32Array.BYTES_PER_ELEMENT;
      const end = start + values.length;
      elements.set(values, start);
      // The kernels work on fours. What fills up the last one repeats the last element, and so is finite if that is.
      elements.fill(elements[end - 1], end, start + Math.ceil(values.length / 4) * 4);
    },
    store: (from, values) => values.set(contents(from, values.length)),
  };
}
