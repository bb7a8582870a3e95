/**
 * Owns: rows of all inputs and outputs of a model, by name: what x and y are in tfjs's words.
 * Does not: read one array of rows (rows.ts), or split them (fit_data.ts).
 */
import type * as tfjs from '@tensorflow/tfjs';
import { flatRows, isTensor, refuse, type FlatRows, type NamedRows, type Rows } from './rows.js';

export type RowsByName = Readonly<Record<string, FlatRows>>;

export interface ExampleRows {
  readonly count: number;
  /** By the names of the model's inputs and outputs, in its order. */
  readonly x: RowsByName;
  readonly y: RowsByName;
}

/** `prefix`: what stands before x and y in words. @throws DataError DATA_ARRAYS */
export async function exampleRows(model: tfjs.LayersModel, x: NamedRows, y: NamedRows, prefix: string): Promise<ExampleRows> {
  const inputs = await inputRows(model, x, `${prefix}x`);
  const [{ count: rows }] = Object.values(inputs);
  const targets = await sideOf(y, { names: model.outputNames, tensors: model.outputs, label: `${prefix}y`, rows });
  requireAsMany(targets, { rows, than: `${prefix}x`, label: `${prefix}y` });
  return { count: rows, x: inputs, y: targets };
}

/** Those that the model is applied to. @throws DataError DATA_ARRAYS */
export async function inputRows(model: tfjs.LayersModel, x: NamedRows, label: string): Promise<RowsByName> {
  // A sequential model knows its names once it is compiled.
  const names = model.inputs.map(({ sourceLayer }) => sourceLayer.name);
  const inputs = await sideOf(x, { names, tensors: model.inputs, label });
  const [{ count: rows }] = Object.values(inputs);
  requireAsMany(inputs, { rows, than: label, label });
  return inputs;
}

function requireAsMany(side: RowsByName, { rows, than, label }: { rows: number; than: string; label: string }): void {
  for (const [name, { count }] of Object.entries(side)) {
    if (count === rows) continue;
    throw refuse(`${than} has ${rows} rows, ${label}${Object.keys(side).length > 1 ? `.${name}` : ''} ${count}`);
  }
}

interface Side {
  readonly names: readonly string[];
  readonly tensors: readonly tfjs.SymbolicTensor[];
  readonly label: string;
  /** Of targets: as many values in a typed array are one for each row, such as class indices. */
  readonly rows?: number;
}

async function sideOf(given: NamedRows, { names, tensors, label, rows }: Side): Promise<RowsByName> {
  const parts = partsOf(given, names, label);
  const read: [string, FlatRows][] = [];
  for (const [at, name] of names.entries()) {
    const wanted = tensors[at].shape.slice(1);
    const part = parts[at];
    const isIndices = ArrayBuffer.isView(part) && (part as Uint8Array).length === rows;
    const flat = await flatRows(part, names.length > 1 ? `${label}.${name}` : label, isIndices ? [1] : wanted);
    // As tfjs does: a row without a shape has one value.
    read.push([name, flat.shape.length === 0 ? { ...flat, shape: [1] } : flat]);
  }
  return Object.fromEntries(read);
}

/** One for each name, in that order. A list or a record of one is that one, as for tfjs. */
export function partsOf(given: NamedRows, names: readonly string[], label: string): readonly Rows[] {
  const single = names.length === 1;
  if (isTensor(given) || ArrayBuffer.isView(given)) {
    if (single) return [given];
  } else if (Array.isArray(given)) {
    if (single) return [given.length === 1 && isTensor(given[0]) ? given[0] : (given as Rows)];
    if (given.length === names.length) return given as readonly Rows[];
  } else if (typeof given === 'object' && given !== null) {
    const strange = notRows(given);
    if (strange !== null) throw refuse(`${label} is ${strange}`);
    const record = given as Readonly<Record<string, Rows>>;
    const keys = Object.keys(record);
    if (single && keys.length === 1) return [record[keys[0]]];
    const unknown = keys.find((key) => !names.includes(key));
    if (unknown !== undefined) throw refuse(`${label} has ${unknown}, and the model ${names.join(', ')}`);
    const missing = names.find((name) => !keys.includes(name));
    if (missing !== undefined) throw refuse(`${label} has no ${missing}: the model takes ${names.join(', ')}`);
    return names.map((name) => record[name]);
  } else {
    throw refuse(`${label} is ${given === null ? 'null' : typeof given}, wanted a tensor, a typed array or a nested array`);
  }
  throw refuse(`${label} is one array of rows, and the model takes ${names.length}: a list, or a record of ${names.join(', ')}`);
}

/** Objects that are mistaken for a record of rows, and what to do; null for others. */
function notRows(given: object): string | null {
  if ('then' in given && typeof given.then === 'function') return 'a promise: await it first';
  if ('iterator' in given && typeof given.iterator === 'function')
    return 'a dataset, which fitDataset(model, dataset, options) takes';
  if (given instanceof Map) return 'a Map, wanted a record: { name: rows }';
  return null;
}
