/**
 * Owns: the data set of a fit() call: x, y and what is validated on, as tfjs takes their rows.
 * Does not: read values of tensors or arrays (rows.ts), or feed them (the replicas do).
 */
import type * as tfjs from '@tensorflow/tfjs';
import type { MemoryDataset } from '../../common/dataset.js';
import { UsageError } from '../../common/errors.js';
import { datasetFromArrays } from '../../data/arrays.js';
import type { Named } from '../../data/named.js';
import { exampleRows, type ExampleRows, type RowsByName } from './example_rows.js';
import { cutWeights, exampleWeights, type ExampleWeights } from './example_weights.js';
import { wrong } from '../option_checks.js';
import { refuse, type FlatRows, type NamedRows } from './rows.js';
import type { FitOptions } from './fit_options.js';

/** @throws DataError DATA_ARRAYS, DATA_EMPTY, DATA_LABELS, or UsageError OPTION_INVALID */
export async function fitData(
  model: tfjs.LayersModel,
  x: NamedRows,
  y: NamedRows,
  options: FitOptions & { readonly hashed: boolean },
): Promise<MemoryDataset> {
  const given = await exampleRows(model, x, y, '');
  const weights = await exampleWeights(model, given, options);
  const [train, validation] = await splitsOf(model, given, options);
  return assembleFit(train, validation, { weights: weights && cutWeights(weights, train.count), hashed: options.hashed });
}

/** `hashed`: with an identity, which a run's folder holds. @throws DataError DATA_ARRAYS, DATA_EMPTY or DATA_LABELS */
export async function assembleFit(
  train: ExampleRows,
  validated: ExampleRows | null,
  { weights = null, hashed = false }: { weights?: ExampleWeights | null; hashed?: boolean } = {},
): Promise<MemoryDataset> {
  const validation = validated === null ? null : asStored(validated, train);
  for (const which of ['x', 'y'] as const)
    for (const [name, { shape }] of Object.entries(train[which])) {
      const other = validation?.[which][name].shape ?? shape;
      if (shape.join() !== other.join())
        throw refuse(`rows of ${which} are [${shape.join(', ')}], those of validationData [${other.join(', ')}]`);
    }
  const shapes = (side: RowsByName): Named<readonly number[]> => named(mapped(side, ({ shape }) => shape));
  const values = (side: RowsByName): Named<FlatRows['values']> => named(mapped(side, (rows) => rows.values));
  const source = {
    name: 'the arrays given',
    train: { x: values(train.x), y: values(train.y), ...(weights !== null && { weights: named(weights) }) },
    validation: validation === null ? null : { x: values(validation.x), y: values(validation.y) },
    inputShape: shapes(train.x),
    labelShape: shapes(train.y),
  };
  return datasetFromArrays(source, { hashed });
}

/** One alone has no name, as data of old have none. */
function named<T>(record: Readonly<Record<string, T>>): T | Readonly<Record<string, T>> {
  const values = Object.values(record);
  return values.length === 1 ? values[0] : record;
}

async function splitsOf(
  model: tfjs.LayersModel,
  given: ExampleRows,
  { validationData, validationSplit }: FitOptions,
): Promise<[ExampleRows, ExampleRows | null]> {
  if (validationData !== undefined && validationData !== null && (validationData as readonly unknown[]).length > 0) {
    if (!Array.isArray(validationData) || validationData.length !== 2)
      throw refuse('validationData is not [x, y]; weights of validation examples are not taken');
    return [given, await exampleRows(model, validationData[0], validationData[1], 'validation ')];
  }
  const split = validationSplit ?? 0;
  if (typeof split !== 'number' || !(split >= 0 && split < 1))
    throw wrong('validationSplit', 'a fraction of at least 0 and below 1', split);
  if (split === 0) return [given, null];
  const at = Math.floor(given.count * (1 - split));
  if (at === 0 || at === given.count)
    throw new UsageError({
      code: 'OPTION_INVALID',
      message: `validationSplit ${split} of ${given.count} rows leaves ${at === 0 ? 'none to train on' : 'none to validate on'}`,
      next: 'correct the value',
    });
  return [part(given, 0, at), part(given, at, given.count)];
}

function part({ x, y }: ExampleRows, from: number, to: number): ExampleRows {
  const cut = ({ shape, values }: FlatRows): FlatRows => {
    const size = shape.reduce((a, b) => a * b, 1);
    return { count: to - from, shape, values: values.subarray(from * size, to * size) };
  };
  return { count: to - from, x: mapped(x, cut), y: mapped(y, cut) };
}

/** Of the same types as the training rows, where only that differs: a boolean or int32 tensor beside a float32 one. */
function asStored({ count, x, y }: ExampleRows, { x: ofX, y: ofY }: ExampleRows): ExampleRows {
  const like = (rows: FlatRows, { values: wanted }: FlatRows): FlatRows => {
    if (rows.values.constructor === wanted.constructor) return rows;
    const converted = wanted instanceof Float32Array ? Float32Array.from(rows.values) : Int32Array.from(rows.values);
    return { ...rows, values: converted };
  };
  const side = (rows: RowsByName, train: RowsByName): RowsByName => mapped(rows, (own, name) => like(own, train[name]));
  return { count, x: side(x, ofX), y: side(y, ofY) };
}

function mapped<T, R>(record: Readonly<Record<string, T>>, map: (value: T, name: string) => R): Record<string, R> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, map(value, name)]));
}
