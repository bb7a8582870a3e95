/**
 * Owns: functions that XLA compiles to a loop or two over their numbers: element-wise ops, in float32 inside, sums of neighbouring rows, draws, and
 * transforms of maps.
 * Does not: choose the ops (loop_plan.ts) or call the functions (typed_lowering.ts).
 *
 * TensorFlow's own kernels read and write memory once per op, convert to float32 and back in passes of their own, and draw number by number.
 */
import { sizeOf } from '../../common/shape_size.js';
import { TF_BFLOAT16, TF_FLOAT, TF_INT32, TF_UINT64 } from '../capi/data_types.js';
import type { EngineParts } from '../backend/engine_parts.js';
import { fromBfloat16, toBfloat16 } from './loop_types.js';
import type { TensorMetadata } from '../backend/op_executor.js';
import type { CalledFunction, TensorKind } from '../backend/op_recorder.js';
import { wordsInOrder } from './philox.js';
import { boolAttr, reshape, typeAttr, withRawOps, type RawOps } from '../backend/raw_ops.js';
import type { RecordedNode, RecordedValue } from '../compile/recorded.js';
import { Recording } from '../compile/recording.js';
import type { Tiling } from './winograd.js';
import { transformOf, type Transform } from './winograd_transforms.js';
import { roundedAlone } from './xla.js';

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
    return this.#made(key, kinds, { shape: result.shape, dtype: TF_BFLOAT16 }, (ops, args) =>
      toBfloat16(
        ops,
        computed(ops, args, (value) => value),
      ),
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
    return this.#made(`exact ${key}`, [...kinds, zero], { shape: result.shape, dtype: TF_FLOAT }, (ops, args) =>
      computed(ops, args, (value) => roundedAlone(ops, value, args[kinds.length])),
    );
  }

  /** Sums in float32 of so many neighbouring rows each of a bfloat16 value with columns in its last axis; null where its rows are not divided so. */
  sumOfNeighbours({ shape }: RecordedValue): LoopFunction | null {
    const columns = shape[shape.length - 1];
    const rows = sizeOf(shape.slice(0, -1));
    const together = Array.from({ length: MOST_ROWS - FEWEST_ROWS + 1 }, (_, at) => MOST_ROWS - at).find((n) => rows % n === 0);
    if (together === undefined) return null;
    const kind = { shape, dtype: TF_BFLOAT16 };
    const result = { shape: [rows / together, columns], dtype: TF_FLOAT };
    return this.#made(JSON.stringify([kind]), [kind], result, (ops, [arg]) => {
      const grouped = reshape(ops, fromBfloat16(ops, arg), TF_FLOAT, [rows / together, together, columns]);
      const types = [typeAttr('T', TF_FLOAT), typeAttr('Tidx', TF_INT32), boolAttr('keep_dims', false)];
      return ops.one('Sum', [grouped, ops.constant(Int32Array.of(1), [1], TF_INT32)], types);
    });
  }

  /**
   * Words of Philox, in pairs as uint64 `[blocks, 2]`, from a key (uint64 `[1]`) and a first counter (uint64 `[2]`): those of
   * StatelessRandomUniformFullIntV2, whose kernel computes one after the other.
   */
  words(blocks: number): LoopFunction {
    const [key, counter, result] = [[1], [2], [blocks, 2]].map((shape) => ({ shape, dtype: TF_UINT64 }));
    return this.#made(`words ${blocks}`, [key, counter], result, (ops, args) => wordsInOrder(ops, blocks, args[0], args[1]));
  }

  /** Of so many examples, to float32 (winograd_transforms.ts); numbers that are given are in float32 or in bfloat16. */
  transform(transform: Transform, tiling: Tiling, examples: number, dtype: number): LoopFunction {
    const { from, to, body } = transformOf(transform, tiling, examples);
    const kinds = from.map((kind) => (kind.dtype === TF_FLOAT ? { ...kind, dtype } : kind));
    const key = JSON.stringify([transform, kinds, to, tiling.before]);
    return this.#made(key, kinds, to, (ops, args) =>
      body(
        ops,
        args.map((arg) => fromBfloat16(ops, arg)),
      ),
    );
  }

  #made(
    key: string,
    kinds: readonly TensorKind[],
    result: TensorKind,
    body: (ops: RawOps, args: readonly TensorMetadata[]) => TensorMetadata,
  ): LoopFunction {
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const { context, binding } = this.parts;
    const recording = new Recording(context, binding.handles, () => undefined, true);
    const outer = binding.recorder;
    try {
      binding.recorder = recording;
      const args = kinds.map(({ shape, dtype }) => recording.addArgument(shape, dtype));
      const output = withRawOps((ops) => recording.valueOf(body(ops, args).id, 'loop'));
      binding.recorder = outer;
      const called = this.make(recording, output);
      this.functions.push(called);
      const made = { called, result };
      this.#known.set(key, made);
      return made;
    } finally {
      binding.recorder = outer;
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
  readonly computed: (
    ops: RawOps,
    args: readonly TensorMetadata[],
    each: (value: TensorMetadata) => TensorMetadata,
  ) => TensorMetadata;
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
  const computed: Described['computed'] = (ops, args, each) => {
    const known = new Map(inputs.map((input, at) => [input, fromBfloat16(ops, args[at])]));
    for (const { op, attributes, inputs: from, outputs } of nodes) {
      const given = from.map((value) => known.get(value)!);
      known.set(outputs[0], each(ops.one(op, given, [...attributes])));
    }
    return known.get(result)!;
  };
  return { kinds, result, key: JSON.stringify([kinds, written]), computed };
}
