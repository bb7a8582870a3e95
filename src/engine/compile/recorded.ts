/** Owns: what a recording consists of, as data: values, nodes, constants and captures. Does not: record (recording.ts). */
import type { GraphOutput } from '../capi/graph_api.js';
import type { OpAttribute } from '../backend/op_executor.js';

/** A tensor of the recorded function. */
export interface RecordedValue {
  /** `a0` argument, `c0` capture, `k0` constant, `n0` or `n0:1` output of a node. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: number;
  readonly output: GraphOutput;
  /** Where the user made it; gone when the recording is disposed. */
  site?: Error;
  readonly op?: string;
}

export interface RecordedNode {
  readonly op: string;
  readonly attributes: readonly OpAttribute[];
  readonly inputs: readonly RecordedValue[];
  readonly outputs: readonly RecordedValue[];
  /** Where the user called it; gone when the recording is disposed. */
  site?: Error;
}

/** The value of a node's attribute; undefined where it has none of that name. */
export function attributeOf({ attributes }: Pick<RecordedNode, 'attributes'>, name: string): OpAttribute['value'] | undefined {
  return attributes.find((attribute) => attribute.name === name)?.value;
}

export interface RecordedConstant {
  readonly value: RecordedValue;
  /** The values as TensorFlow holds them; of strings, lengths and bytes. */
  readonly bytes: Uint8Array;
}

export interface RecordedCapture {
  readonly value: RecordedValue;
  /** The real tensor it stood for when recorded. */
  readonly tensorId: number;
}
