/**
 * Owns: a list of operations as the bytes of a WebAssembly module that does all of them in one pass over slices of float32, four elements
 * at a time. Does not: know what is computed, or instantiate (slice_kernels.ts).
 *
 * The module imports the memory `slices.memory` and exports `run(operands…: i32, scalars…: f32, length: i32) → i32`. An operand is the byte
 * address of its slice; `length` counts elements, and what is done is done to the next multiple of four. Each operation is rounded to
 * float32, as Math.fround in JavaScript: no fused multiply-add, no relaxed SIMD. All operands of four elements are read before any is
 * written, so they may coincide. `run` returns 1 if all it wrote is finite, else 0: x − x has no bit set for a finite x and is NaN for any
 * other, and what is or'ed keeps the bits of a NaN.
 *
 * Encoding: WebAssembly 2.0, "Binary Format" (with vector instructions).
 */
import type { Operator, Program } from '../../optimizers/expression.js';

const I32 = 0x7f;
const F32 = 0x7d;
const V128 = 0x7b;
const EMPTY_BLOCK = 0x40;

const CODE = {
  loop: [0x03, EMPTY_BLOCK],
  if: [0x04, EMPTY_BLOCK],
  end: [0x0b],
  again: [0x0d, 0],
  i32Eqz: [0x45],
  i32LessUnsigned: [0x49],
  i32Add: [0x6a],
  i32ShiftLeft: [0x74],
  load: [0xfd, 0x00, 4, 0],
  store: [0xfd, 0x0b, 4, 0],
  splat: [0xfd, 0x13],
  or: [0xfd, 0x50],
  anyTrue: [0xfd, 0x53],
  absolute: [0xfd, 0xe0, 0x01],
  squareRoot: [0xfd, 0xe3, 0x01],
  add: [0xfd, 0xe4, 0x01],
  subtract: [0xfd, 0xe5, 0x01],
  multiply: [0xfd, 0xe6, 0x01],
  divide: [0xfd, 0xe7, 0x01],
  maximum: [0xfd, 0xe9, 0x01],
} as const satisfies Record<string, readonly number[]> & Record<Operator, readonly number[]>;

type Code = readonly number[];

export function sliceModule(program: Program): Uint8Array<ArrayBuffer> {
  const { operands, scalars, operations } = program;
  const parameters = [...operands.map(() => I32), ...scalars.map(() => F32), I32];
  const type = [0x60, ...vector(parameters.map((kind) => [kind])), ...vector([[I32]])];
  const memory = [...text('slices'), ...text('memory'), 0x02, 0x00, 1];
  const values = operands.length + scalars.length + operations.length;
  const locals = vector([
    [...unsigned(2), I32],
    [...unsigned(values + 1), V128],
  ]);
  const body = [...locals, ...bodyOf(program), ...CODE.end];
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, vector([type])),
    ...section(2, vector([memory])),
    ...section(3, vector([[0]])),
    ...section(7, vector([[...text('run'), 0x00, 0]])),
    ...section(10, vector([[...unsigned(body.length), ...body]])),
  ]);
}

function bodyOf({ operands, scalars, operations, outputs }: Program): Code {
  const length = operands.length + scalars.length;
  const at = length + 1;
  const end = length + 2;
  // Each value of the program has a vector of its own.
  const vectorOf = (value: number): number => length + 3 + value;
  const probe = vectorOf(operands.length + scalars.length + operations.length);

  const used = new Set([...operations.flatMap(({ inputs }) => inputs), ...outputs.map(({ value }) => value)]);
  const loads = operands.flatMap((_, operand) =>
    used.has(operand) ? [...get(operand), ...get(at), ...CODE.i32Add, ...CODE.load, ...set(vectorOf(operand))] : [],
  );
  const splats = scalars.flatMap((_, scalar) => {
    const value = operands.length + scalar;
    return [...get(value), ...CODE.splat, ...set(vectorOf(value))];
  });
  const computations = operations.flatMap(({ operator, inputs }, number) => [
    ...inputs.flatMap((input) => get(vectorOf(input))),
    ...CODE[operator],
    ...set(vectorOf(operands.length + scalars.length + number)),
  ]);
  const stores = outputs.flatMap(({ operand, value }) => [
    ...[...get(operand), ...get(at), ...CODE.i32Add, ...get(vectorOf(value)), ...CODE.store],
    ...[...get(vectorOf(value)), ...get(vectorOf(value)), ...CODE.subtract, ...get(probe), ...CODE.or, ...set(probe)],
  ]);
  return [
    ...[...get(length), 0x41, 2, ...CODE.i32ShiftLeft, ...set(end)],
    ...splats,
    ...[...get(length), ...CODE.if, ...CODE.loop],
    ...loads,
    ...computations,
    ...stores,
    ...[...get(at), 0x41, 16, ...CODE.i32Add, ...set(at)],
    ...[...get(at), ...get(end), ...CODE.i32LessUnsigned, ...CODE.again],
    ...[...CODE.end, ...CODE.end],
    ...[...get(probe), ...CODE.anyTrue, ...CODE.i32Eqz],
  ];
}

const get = (local: number): Code => [0x20, ...unsigned(local)];
const set = (local: number): Code => [0x21, ...unsigned(local)];

/** LEB128. */
function unsigned(value: number): Code {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)];
}

const vector = (items: readonly Code[]): Code => [...unsigned(items.length), ...items.flat()];
const section = (id: number, content: Code): Code => [id, ...unsigned(content.length), ...content];
const text = (ascii: string): Code => vector([...ascii].map((character) => [character.charCodeAt(0)]));
