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
 * Denormals are zeros of the same sign, read or computed, as TensorFlow's threads have it (FTZ and DAZ of SSE). WebAssembly has no such
 * mode, so what is tiny is cleared. A processor tells tiny from normal by the result rounded as if the exponent had no end; a sum is exact
 * where it is tiny, and no quotient of two floats lies so close below 2^-126 that the two roundings differ (it is at least 1 / (2^24 − 1)
 * away), but a product may: so products are looked at 2^64 times as large, where nothing is tiny.
 *
 * Encoding: WebAssembly 2.0, "Binary Format" (with vector instructions).
 */
import type { Operator, Program } from '../../../../optimizers/expression.js';

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
  constant: [0xfd, 0x0c],
  less: [0xfd, 0x43],
  and: [0xfd, 0x4e],
  andNot: [0xfd, 0x4f],
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
  const vectors = operands.length + scalars.length + operations.length + EXTRA_VECTORS;
  const locals = vector([
    [...unsigned(2), I32],
    [...unsigned(vectors), V128],
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
  const [probe, ...constants] = Array.from({ length: EXTRA_VECTORS }, (_, extra) =>
    vectorOf(operands.length + scalars.length + operations.length + extra),
  );
  const [withoutSign, leastNormal, lift, liftedLeastNormal] = constants;
  const isScalar = (value: number): boolean => value >= operands.length && value < operands.length + scalars.length;

  /** Clears all bits but the sign of `value` wherever `judged` is below `limit`. */
  const flush = (value: number, judged: Code, limit: number): Code => [
    ...get(value),
    ...[...judged, ...CODE.absolute, ...get(limit), ...CODE.less, ...get(withoutSign), ...CODE.and],
    ...[...CODE.andNot, ...set(value)],
  ];
  const compute = (operator: Operator, inputs: readonly number[], into: number): Code => {
    const plain = [...inputs.flatMap((input) => get(vectorOf(input))), ...CODE[operator], ...set(into)];
    if (operator === 'multiply') {
      // A scalar is lifted rather than another value: the engine takes that out of the loop.
      const [first, second] = isScalar(inputs[1]) ? [inputs[1], inputs[0]] : inputs;
      const lifted = [...get(vectorOf(first)), ...get(lift), ...CODE.multiply, ...get(vectorOf(second)), ...CODE.multiply];
      return [...plain, ...flush(into, lifted, liftedLeastNormal)];
    }
    const canBeTiny = operator === 'add' || operator === 'subtract' || operator === 'divide';
    return canBeTiny ? [...plain, ...flush(into, get(into), leastNormal)] : plain;
  };

  const used = new Set([...operations.flatMap(({ inputs }) => inputs), ...outputs.map(({ value }) => value)]);
  const loads = operands.flatMap((_, operand) => {
    if (!used.has(operand)) return [];
    const into = vectorOf(operand);
    const read = [...get(operand), ...get(at), ...CODE.i32Add, ...CODE.load, ...set(into)];
    return [...read, ...flush(into, get(into), leastNormal)];
  });
  const splats = scalars.flatMap((_, scalar) => {
    const value = operands.length + scalar;
    const into = vectorOf(value);
    return [...get(value), ...CODE.splat, ...set(into), ...flush(into, get(into), leastNormal)];
  });
  const computations = operations.flatMap(({ operator, inputs }, number) =>
    compute(operator, inputs, vectorOf(operands.length + scalars.length + number)),
  );
  const stores = outputs.flatMap(({ operand, value }) => [
    ...[...get(operand), ...get(at), ...CODE.i32Add, ...get(vectorOf(value)), ...CODE.store],
    ...[...get(vectorOf(value)), ...get(vectorOf(value)), ...CODE.subtract, ...get(probe), ...CODE.or, ...set(probe)],
  ]);
  return [
    ...[...get(length), 0x41, 2, ...CODE.i32ShiftLeft, ...set(end)],
    ...CONSTANTS.flatMap((bits, extra) => [...vectorConstant(bits), ...set(constants[extra])]),
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

const floatBits = (value: number): number => new Uint32Array(Float32Array.of(value).buffer)[0];
/** All bits but the sign, 2^-126, 2^64, 2^-62. */
const CONSTANTS = [0x7fffffff, floatBits(2 ** -126), floatBits(2 ** 64), floatBits(2 ** -62)];
const EXTRA_VECTORS = 1 + CONSTANTS.length;

/** The same 32 bits four times. */
function vectorConstant(bits: number): Code {
  const bytes = [bits & 0xff, (bits >>> 8) & 0xff, (bits >>> 16) & 0xff, bits >>> 24];
  return [...CODE.constant, ...bytes, ...bytes, ...bytes, ...bytes];
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
