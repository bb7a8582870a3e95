/**
 * Owns: by how much each example counts in the loss: sampleWeight and classWeight, multiplied, as Keras takes them.
 * Does not: weigh (the replicas' loss does).
 */
import type * as tfjs from '@tensorflow/tfjs';
import { partsOf, type ExampleRows } from './example_rows.js';
import { flatRows, isTensor, refuse, type FlatRows, type NamedRows, type Rows } from './rows.js';

/** A weight by class: `{ 0: 1, 1: 5 }`. */
export type ClassWeights = Readonly<Record<number, number>>;

export interface WeightOptions {
  /** By how much each example counts in the loss, as Keras takes it (tfjs throws): one number for each, for all outputs or for each of them. */
  readonly sampleWeight?: NamedRows;
  /** By how much examples of a class count: `{ 0: 1, 1: 5 }`; of several outputs a list, or a record by their names. */
  readonly classWeight?: ClassWeights | readonly ClassWeights[] | Readonly<Record<string, ClassWeights>>;
}

/** One weight for each example, by the names of the model's outputs. */
export type ExampleWeights = Readonly<Record<string, Float32Array>>;

/** Null where nothing is weighed. @throws DataError DATA_ARRAYS */
export async function exampleWeights(
  model: tfjs.LayersModel,
  { count, y }: ExampleRows,
  { sampleWeight, classWeight }: WeightOptions,
): Promise<ExampleWeights | null> {
  const names = model.outputNames;
  const samples = sampleWeight ?? null;
  const classes = classWeight ?? null;
  if (samples === null && classes === null) return null;
  const ofSamples = samples === null ? null : partsOfWeights(samples, names);
  const ofClasses = classes === null ? null : byOutput(classes, names);
  const weights: [string, Float32Array][] = [];
  for (const [at, name] of names.entries()) {
    const label = names.length > 1 ? `sampleWeight.${name}` : 'sampleWeight';
    const own = Float32Array.from({ length: count }, () => 1);
    const given = ofSamples?.[at] ?? null;
    if (given !== null) multiply(own, numbersOf(await flatRows(given, label, []), { label, count }));
    const table = ofClasses?.[at] ?? null;
    if (table !== null)
      multiply(
        own,
        classesOf(y[name]).map((index) => weightOf(table, index)),
      );
    weights.push([name, own]);
  }
  return Object.fromEntries(weights);
}

/** Of the first rows: the rest is validated on, unweighed as in Keras. */
export function cutWeights(weights: ExampleWeights, count: number): ExampleWeights {
  return Object.fromEntries(Object.entries(weights).map(([name, values]) => [name, values.subarray(0, count)]));
}

function multiply(into: Float32Array, factors: ArrayLike<number>): void {
  for (let at = 0; at < into.length; at++) into[at] *= factors[at];
}

/** One array is for all outputs. */
function partsOfWeights(given: NamedRows, names: readonly string[]): readonly Rows[] {
  const isOne = isTensor(given) || ArrayBuffer.isView(given) || (Array.isArray(given) && typeof given[0] === 'number');
  return isOne ? names.map(() => given as Rows) : partsOf(given, names, 'sampleWeight');
}

function numbersOf(
  { values, shape, count: found }: FlatRows,
  { label, count }: { label: string; count: number },
): FlatRows['values'] {
  const size = shape.reduce((a, b) => a * b, 1);
  if (size !== 1 || found !== count)
    throw refuse(`${label} is [${[found, ...shape].join(', ')}], wanted [${count}]: one weight for each example`);
  const bad = values.findIndex((value) => !(value >= 0 && value < Infinity));
  if (bad !== -1) throw refuse(`${label}[${bad}] is ${values[bad]}, wanted a number of at least 0`);
  return values;
}

function byOutput(given: NonNullable<WeightOptions['classWeight']>, names: readonly string[]): readonly (ClassWeights | null)[] {
  if (Array.isArray(given)) {
    if (given.length !== names.length)
      throw refuse(`classWeight is a list of ${given.length}, and the model has ${names.length} outputs`);
    return given as readonly ClassWeights[];
  }
  const record = given as Readonly<Record<string, unknown>>;
  // A Map has its entries elsewhere: without this, none of them would count.
  if (typeof given !== 'object' || Object.keys(record).length === 0)
    throw refuse(
      `classWeight is ${given instanceof Map ? 'a Map' : JSON.stringify(given)}, wanted a weight by class: { 0: 1, 1: 5 }`,
    );
  const isByName = Object.values(record).every((value) => typeof value === 'object');
  if (isByName) {
    const unknown = Object.keys(record).find((name) => !names.includes(name));
    if (unknown !== undefined) throw refuse(`classWeight has ${unknown}, and the model ${names.join(', ')}`);
    return names.map((name) => (record[name] as ClassWeights | undefined) ?? null);
  }
  if (names.length > 1)
    throw refuse(`classWeight is of one output, and the model has ${names.length}: give a record of ${names.join(', ')}`);
  return [given as ClassWeights];
}

/** An example's class: the index that it has, or the largest of its values. */
function classesOf({ count, shape, values }: FlatRows): number[] {
  const size = shape.reduce((a, b) => a * b, 1);
  if (shape.length > 1) throw refuse(`classWeight is of one class for each example, and rows of y are [${shape.join(', ')}]`);
  return Array.from({ length: count }, (_, row) => {
    if (size === 1) return values[row];
    const own = values.subarray(row * size, (row + 1) * size);
    return own.indexOf(Math.max(...own));
  });
}

function weightOf(table: ClassWeights, index: number): number {
  const weight = table[index];
  if (typeof weight === 'number' && weight >= 0 && weight < Infinity) return weight;
  if (weight !== undefined) throw refuse(`classWeight[${index}] is ${String(weight)}, wanted a number of at least 0`);
  throw refuse(`classWeight has no weight for class ${index}, and there are examples of it`);
}
