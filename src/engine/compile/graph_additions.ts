/**
 * Owns: ops that are added to a recording's graph beside what was recorded, on values and not on tensors of tfjs. Does not: know what for (lowering.ts).
 */
import { TF_ATTR_FUNC, TF_INT32 } from '../capi/data_types.js';
import type { OpAttribute } from '../backend/op_executor.js';
import type { CalledFunction, TensorKind } from '../backend/op_recorder.js';
import { boolAttr, intAttr, typeAttr } from '../backend/raw_ops.js';
import { captureSite } from './record_error.js';
import type { RecordedValue } from './recorded.js';
import type { RecordedGraph } from './recorded_graph.js';

interface Order {
  /** Is computed before an op, though this takes nothing from it. A function's arguments are there before all. */
  readonly after?: RecordedValue;
}

export class GraphAdditions {
  private count = 0;

  constructor(private readonly graph: RecordedGraph) {}

  all(
    op: string,
    attributes: readonly OpAttribute[],
    inputs: readonly RecordedValue[],
    { outputCount = 1, after }: Order & { readonly outputCount?: number } = {},
  ): RecordedValue[] {
    const from = {
      inputs: inputs.map(({ output }) => output),
      after: after?.op === undefined ? undefined : after.output,
      site: captureSite(),
    };
    const operation = this.graph.operation({ op, name: this.name(), attributes, ...from });
    return Array.from({ length: outputCount }, (_, index) => {
      const output = { oper: operation, index };
      return { name: '', shape: [], dtype: this.graph.typeOf(output), output, op };
    });
  }

  /** Of an op that gives one tensor. */
  one(op: string, attributes: readonly OpAttribute[], inputs: readonly RecordedValue[], order: Order = {}): RecordedValue {
    return this.all(op, attributes, inputs, order)[0];
  }

  /** A call of a function of the context, which gives one value. */
  call(
    { name, attributes }: CalledFunction,
    inputs: readonly RecordedValue[],
    result: TensorKind,
    order: Order = {},
  ): RecordedValue {
    const called = [typeList('Tin', inputs), typeList('Tout', [result]), funcAttr('f', name), ...attributes];
    const [output] = this.all('PartitionedCall', called, inputs, order);
    this.graph.setShape(output.output, result.shape, 'PartitionedCall');
    return output;
  }

  constant(shape: readonly number[], dtype: number, values: ArrayBufferView): RecordedValue {
    const name = this.name();
    return { name, shape, dtype, output: this.graph.constantOf(name, { shape, dtype }, values) };
  }

  /** int32 numbers, as shapes are given. */
  integers(values: readonly number[]): RecordedValue {
    return this.constant([values.length], TF_INT32, Int32Array.from(values));
  }

  reshape(value: RecordedValue, shape: readonly number[]): RecordedValue {
    return this.one('Reshape', [typeAttr('T', value.dtype), typeAttr('Tshape', TF_INT32)], [value, this.integers(shape)]);
  }

  slice(value: RecordedValue, begin: readonly number[], size: readonly number[], order: Order = {}): RecordedValue {
    const given = [value, this.integers(begin), this.integers(size)];
    return this.one('Slice', [typeAttr('T', value.dtype), typeAttr('Index', TF_INT32)], given, order);
  }

  /** With zeros around it: so many before and after, for each axis. */
  padded(value: RecordedValue, zeros: readonly (readonly [before: number, after: number])[]): RecordedValue {
    const given = this.constant([zeros.length, 2], TF_INT32, Int32Array.from(zeros.flat()));
    return this.one('Pad', [typeAttr('T', value.dtype), typeAttr('Tpaddings', TF_INT32)], [value, given]);
  }

  concat(values: readonly RecordedValue[], axis: number): RecordedValue {
    if (values.length === 1) return values[0];
    const attributes = [intAttr('N', values.length), typeAttr('T', values[0].dtype), typeAttr('Tidx', TF_INT32)];
    return this.one('ConcatV2', attributes, [...values, this.constant([], TF_INT32, Int32Array.of(axis))]);
  }

  /** Of matrices, the last two axes. */
  product(
    a: RecordedValue,
    b: RecordedValue,
    { turnsFirst = false, turnsSecond = false, ...order }: { turnsFirst?: boolean; turnsSecond?: boolean } & Order = {},
  ): RecordedValue {
    const attributes = [typeAttr('T', a.dtype), boolAttr('adj_x', turnsFirst), boolAttr('adj_y', turnsSecond)];
    return this.one('BatchMatMulV2', attributes, [a, b], order);
  }

  private name(): string {
    return `l${this.count++}`;
  }
}

export const funcAttr = (name: string, value: string): OpAttribute => ({ name, type: TF_ATTR_FUNC, value });

export const typeList = (name: string, of: readonly TensorKind[]): OpAttribute =>
  typeAttr(
    name,
    of.map(({ dtype }) => dtype),
  );
