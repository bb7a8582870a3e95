/**
 * Owns: functions that XLA compiles to one loop over their numbers: element-wise ops, in float32 inside, and sums of neighbouring rows.
 * Does not: choose the ops (loop_plan.ts) or call the functions (typed_lowering.ts).
 *
 * TensorFlow's own kernels read and write memory once per op, and convert to float32 and back in passes of their own. Types are converted by shifts here:
 * LLVM computes what stands beside its own conversions number by number (tanh of 8.7 M numbers 18 ms, with shifts 5; one thread).
 */
import { TF_BFLOAT16, TF_FLOAT, TF_INT32, TF_UINT16, TF_UINT32 } from './data_types.js';
import type { EngineParts } from './engine_parts.js';
import type { CalledFunction, TensorKind } from './op_recorder.js';
import { bitcastAttrs, boolAttr, castAttrs, typeAttr } from './raw_ops.js';
import type { RecordedNode, RecordedValue } from './recorded.js';
import { Recording } from './recording.js';

/** Rows that are added in one pass; XLA's loops over more take four times as long. */
const MOST_ROWS = 16;
const FEWEST_ROWS = 4;

export interface OwnFunction extends CalledFunction {
  dispose(): void;
}

/** A function of the context that gives this value. */
export type MakeFunction = (recording: Recording, output: RecordedValue) => OwnFunction;

export interface LoopFunction {
  readonly called: CalledFunction;
  readonly result: TensorKind;
}

/** The functions of one function, which needs them for as long as it lives; equal ones are one. */
export class FusedLoops {
  readonly functions: OwnFunction[] = [];
  readonly #known = new Map<string, LoopFunction>();

  constructor(
    private readonly parts: EngineParts,
    private readonly make: MakeFunction,
  ) {}

  /** Of these nodes, from `inputs` (float32 ones as `dtypeOf` says) to what the last of them gives, as bfloat16. */
  elementWise(
    nodes: readonly RecordedNode[],
    inputs: readonly RecordedValue[],
    dtypeOf: (input: RecordedValue) => number,
  ): LoopFunction {
    const { kinds, result, key, computed } = described(nodes, inputs, dtypeOf);
    return this.#made(key, kinds, { shape: result.shape, dtype: TF_BFLOAT16 }, (loop) =>
      loop.rounded(computed(loop, (value) => value)),
    );
  }

  /**
   * The same in float32 with the bits of the nodes one by one: each result passes through an exclusive or with a zero that XLA does not foresee, so that it
   * joins none with the next. The zero is the last argument of what is made.
   */
  exact(
    nodes: readonly RecordedNode[],
    inputs: readonly RecordedValue[],
    dtypeOf: (input: RecordedValue) => number,
  ): LoopFunction {
    const { kinds, result, key, computed } = described(nodes, inputs, dtypeOf);
    const zero = { shape: [], dtype: TF_INT32 };
    return this.#made(`exact ${key}`, [...kinds, zero], { shape: result.shape, dtype: TF_FLOAT }, (loop) =>
      computed(loop, (value) => loop.kept(value, loop.arguments[kinds.length])),
    );
  }

  /** Sums in float32 of so many neighbouring rows each of a bfloat16 value with columns in its last axis; null where its rows are not divided so. */
  sumOfNeighbours({ shape }: RecordedValue): LoopFunction | null {
    const columns = shape[shape.length - 1];
    const rows = shape.slice(0, -1).reduce((product, extent) => product * extent, 1);
    const together = Array.from({ length: MOST_ROWS - FEWEST_ROWS + 1 }, (_, at) => MOST_ROWS - at).find((n) => rows % n === 0);
    if (together === undefined) return null;
    const kind = { shape, dtype: TF_BFLOAT16 };
    const result = { shape: [rows / together, columns], dtype: TF_FLOAT };
    return this.#made(JSON.stringify([kind]), [kind], result, (loop) => {
      const grouped = loop.op(
        'Reshape',
        [loop.float32(loop.arguments[0]), loop.integers([rows / together, together, columns])],
        [typeAttr('T', TF_FLOAT), typeAttr('Tshape', TF_INT32)],
      );
      return loop.op(
        'Sum',
        [grouped, loop.integers([1])],
        [typeAttr('T', TF_FLOAT), typeAttr('Tidx', TF_INT32), boolAttr('keep_dims', false)],
      );
    });
  }

  #made(key: string, kinds: readonly TensorKind[], result: TensorKind, body: (loop: Loop) => number): LoopFunction {
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const { context, binding } = this.parts;
    const recording = new Recording(context, binding.handles, () => undefined, true);
    try {
      const output = recording.valueOf(body(new Loop(recording, kinds)), 'loop');
      const called = this.make(recording, output);
      this.functions.push(called);
      const made = { called, result };
      this.#known.set(key, made);
      return made;
    } finally {
      recording.dispose();
    }
  }
}

interface Described {
  readonly kinds: readonly TensorKind[];
  readonly result: RecordedValue;
  /** Equal for what computes the same. */
  readonly key: string;
  /** What the last node gives, each node's result passed through `each`. */
  readonly computed: (loop: Loop, each: (value: number) => number) => number;
}

function described(
  nodes: readonly RecordedNode[],
  inputs: readonly RecordedValue[],
  dtypeOf: (input: RecordedValue) => number,
): Described {
  const result = nodes[nodes.length - 1].outputs[0];
  const numbers = new Map<RecordedValue, number>();
  for (const value of [...inputs, ...nodes.map(({ outputs: [output] }) => output)]) numbers.set(value, numbers.size);
  const written = nodes.map(({ op, attributes, inputs: from }) => [op, attributes, from.map((value) => numbers.get(value))]);
  const kinds = inputs.map((input): TensorKind => ({ shape: input.shape, dtype: dtypeOf(input) }));
  const computed = (loop: Loop, each: (value: number) => number): number => {
    const ids = new Map(inputs.map((input, at) => [input, loop.float32(loop.arguments[at])]));
    for (const { op, attributes, inputs: from, outputs } of nodes) {
      const given = from.map((value) => ids.get(value)!);
      ids.set(outputs[0], each(loop.op(op, given, attributes)));
    }
    return ids.get(result)!;
  };
  return { kinds, result, key: JSON.stringify([kinds, written]), computed };
}

/** A loop's function while it is written: values are ids of its recording. */
class Loop {
  readonly arguments: readonly number[];
  readonly #dtypes = new Map<number, number>();

  constructor(
    private readonly recording: Recording,
    kinds: readonly TensorKind[],
  ) {
    this.arguments = kinds.map(({ shape, dtype }) => {
      const { id } = recording.addArgument(shape, dtype);
      this.#dtypes.set(id, dtype);
      return id;
    });
  }

  op(name: string, inputs: readonly number[], attributes: RecordedNode['attributes'] = []): number {
    return this.recording.executeOp(name, attributes, inputs, 1)[0].id;
  }

  integers(values: readonly number[], shape = [values.length]): number {
    return this.recording.addConstant(shape, TF_INT32, Int32Array.from(values)).id;
  }

  /** A bfloat16 argument in float32; any other as it is. bfloat16 is the upper half of a float32. */
  float32(argument: number): number {
    if (this.#dtypes.get(argument) !== TF_BFLOAT16) return argument;
    const bits = this.#cast(this.#bitcast(argument, TF_BFLOAT16, TF_UINT16), TF_UINT16, TF_UINT32);
    const shifted = this.op('LeftShift', [bits, this.#unsigned(16, TF_UINT32)], [typeAttr('T', TF_UINT32)]);
    return this.#bitcast(shifted, TF_UINT32, TF_FLOAT);
  }

  /** The nearest bfloat16, of two the even one; what is no number stays none. */
  rounded(value: number): number {
    const word = [typeAttr('T', TF_UINT32)];
    const sixteen = this.#unsigned(16, TF_UINT32);
    const bits = this.#bitcast(value, TF_FLOAT, TF_UINT32);
    const odd = this.op('BitwiseAnd', [this.op('RightShift', [bits, sixteen], word), this.#unsigned(1, TF_UINT32)], word);
    const half = this.op('AddV2', [bits, this.#unsigned(0x7fff, TF_UINT32)], word);
    const nearest = this.op('RightShift', [this.op('AddV2', [half, odd], word), sixteen], word);
    const isNone = this.op('IsNan', [value], [typeAttr('T', TF_FLOAT)]);
    const upper = this.op(
      'SelectV2',
      [isNone, this.#unsigned(0x7fc0, TF_UINT16), this.#cast(nearest, TF_UINT32, TF_UINT16)],
      [typeAttr('T', TF_UINT16)],
    );
    return this.#bitcast(upper, TF_UINT16, TF_BFLOAT16);
  }

  /** The same float32 numbers, behind an exclusive or with a zero. */
  kept(value: number, zero: number): number {
    const bits = this.op('BitwiseXor', [this.#bitcast(value, TF_FLOAT, TF_INT32), zero], [typeAttr('T', TF_INT32)]);
    return this.#bitcast(bits, TF_INT32, TF_FLOAT);
  }

  #unsigned(value: number, dtype: number): number {
    return this.#cast(this.integers([value], []), TF_INT32, dtype);
  }

  #bitcast(value: number, from: number, to: number): number {
    return this.op('Bitcast', [value], bitcastAttrs(from, to));
  }

  #cast(value: number, from: number, to: number): number {
    return this.op('Cast', [value], castAttrs(from, to));
  }
}
