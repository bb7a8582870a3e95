/**
 * Owns: a recorded function as text, for people and for comparing two recordings line by line. Does not: hold or run anything.
 */
import { createHash } from 'node:crypto';
import type { RecordedConstant, RecordedNode, RecordedValue } from './recorded.js';
import type { Recording } from './recording.js';
import { TF_ATTR_STRING, TF_ATTR_TYPE, TF_BOOL, TF_FLOAT, TF_INT32, TF_INT64, TF_UINT8 } from '../capi/data_types.js';
import type { OpAttribute } from '../backend/op_executor.js';

/** TF_DataType by number (tensorflow/c/tf_datatype.h). */
const TYPE_NAMES: Readonly<Record<number, string>> = {
  1: 'float32',
  2: 'float64',
  3: 'int32',
  4: 'uint8',
  5: 'int16',
  6: 'int8',
  7: 'string',
  8: 'complex64',
  9: 'int64',
  10: 'bool',
  14: 'bfloat16',
  17: 'uint16',
  19: 'float16',
  20: 'resource',
  22: 'uint32',
  23: 'uint64',
};

/** Elements up to which a constant is printed by value. */
const PRINTED_ELEMENTS = 8;

export interface PrintedFunction {
  name: string;
  /** Where captures come from: `variable NAME`, or `tensor`. In the recording's order. */
  captures: readonly string[];
  result: string;
  /** New values of variables. */
  updates: readonly { variable: string; value: RecordedValue }[];
}

export function printRecording(recording: Recording, { name, captures, result, updates }: PrintedFunction): string {
  const lines = [`${name}(${recording.args.map(typedName).join(', ')}) {`];
  recording.captures.forEach(({ value }, index) => lines.push(`  ${typedName(value)} = capture ${captures[index]}`));
  for (const constant of recording.constants) lines.push(`  ${printConstant(constant)}`);
  for (const node of recording.nodes) lines.push(`  ${printNode(node)}`);
  for (const { variable, value } of updates) lines.push(`  ${variable} <- ${value.name}`);
  lines.push(`  return ${result}`, '}');
  return lines.join('\n');
}

/** Everything that makes a node what it is, on one line. */
export function printNode({ op, attributes, inputs, outputs }: RecordedNode): string {
  const given = outputs.map(typedName).join(', ');
  const settings = attributes.filter(isTelling).map((attribute) => ` ${attribute.name}=${printAttribute(attribute)}`);
  return `${given} = ${op}(${inputs.map(({ name }) => name).join(', ')})${settings.join('')}`;
}

export function typedName({ name, shape, dtype }: RecordedValue): string {
  return `${name}: ${typeName(dtype)}[${shape.join(',')}]`;
}

export function typeName(dtype: number): string {
  return TYPE_NAMES[dtype] ?? `type ${dtype}`;
}

/** Types of inputs are printed with the inputs. */
function isTelling({ name, type }: OpAttribute): boolean {
  return type !== TF_ATTR_TYPE || (name !== 'U' && !(name.startsWith('T') && name !== 'Tout'));
}

function printAttribute({ type, value }: OpAttribute): string {
  if (type === TF_ATTR_TYPE)
    return Array.isArray(value) ? `[${(value as number[]).map(typeName).join(',')}]` : typeName(value as number);
  if (type === TF_ATTR_STRING)
    return JSON.stringify(typeof value === 'string' ? value : Buffer.from(value as Uint8Array).toString('utf8'));
  return JSON.stringify(value);
}

function printConstant({ value, bytes }: RecordedConstant): string {
  return `${typedName(value)} = ${printValues(value.dtype, bytes)}`;
}

function printValues(dtype: number, bytes: Uint8Array): string {
  const values = typedValues(dtype, bytes);
  if (values === undefined || values.length > PRINTED_ELEMENTS)
    return `${bytes.length} bytes ${createHash('sha256').update(bytes).digest('hex').slice(0, 16)}`;
  const texts = values.map((item) => (Object.is(item, -0) ? '-0' : String(item)));
  return texts.length === 1 ? texts[0] : `[${texts.join(', ')}]`;
}

function typedValues(dtype: number, bytes: Uint8Array): (number | bigint | boolean)[] | undefined {
  switch (dtype) {
    case TF_FLOAT:
      return Array.from(new Float32Array(bytes.buffer));
    case TF_INT32:
      return Array.from(new Int32Array(bytes.buffer));
    case TF_INT64:
      return Array.from(new BigInt64Array(bytes.buffer));
    case TF_UINT8:
      return Array.from(bytes);
    case TF_BOOL:
      return Array.from(bytes, (byte) => byte !== 0);
    default:
      return undefined;
  }
}
