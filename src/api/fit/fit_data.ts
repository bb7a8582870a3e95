/**
 * Owns: the data set of a fit() call: x, y and what is validated on, as tfjs takes their rows.
 * Does not: read values of tensors or arrays (rows.ts), or feed them (the replicas do).
 */
import type * as tfjs from '@tensorflow/tfjs';
import type { Dataset, MemoryDataset } from '../../common/dataset.js';
import { UsageError } from '../../common/errors.js';
import type { ModelDescription } from '../../common/replica.js';
import { datasetFromArrays } from '../../data/arrays.js';
import { findLoss } from '../../objective/find_names.js';
import { requireLabels } from '../../objective/labels.js';
import { takesIndices } from '../../objective/shapes.js';
import { flatRows, refuse, type FlatRows, type Rows } from './rows.js';
import type { FitOptions } from './fit_options.js';

export interface Pair {
  readonly x: FlatRows;
  readonly y: FlatRows;
}

/** @throws DataError DATA_ARRAYS, DATA_EMPTY, DATA_LABELS, or UsageError OPTION_INVALID */
export async function fitData(model: tfjs.LayersModel, x: Rows, y: Rows, options: FitOptions): Promise<MemoryDataset> {
  requireOneOfEach(model);
  const given = await pairOf(model, x, y, '');
  const [train, validation] = await splitsOf(model, given, options);
  return assembleFit(train, validation);
}

/** @throws DataError DATA_ARRAYS, DATA_EMPTY or DATA_LABELS */
export async function assembleFit(train: Pair, validated: Pair | null): Promise<MemoryDataset> {
  const validation = validated === null ? null : asStored(validated, train);
  for (const which of ['x', 'y'] as const) {
    const [like, other] = [train[which].shape, validation?.[which].shape ?? train[which].shape];
    if (like.join() !== other.join())
      throw refuse(`rows of ${which} are [${like.join(', ')}], those of validationData [${other.join(', ')}]`);
  }
  return datasetFromArrays({
    name: 'the arrays given',
    train: { x: train.x.values, y: train.y.values },
    validation: validation === null ? null : { x: validation.x.values, y: validation.y.values },
    inputShape: train.x.shape,
    labelShape: train.y.shape,
  });
}

/** Rows in the place of those that replicas were opened with must be such that the loss has a meaning for them, too. */
export function requireJudgeable(
  model: tfjs.LayersModel,
  { objective }: Pick<ModelDescription, 'objective'>,
  { fields, train, validation, name }: Omit<Dataset, 'sha256'>,
): void {
  const [{ name: target, shape: label }] = fields.targets;
  const found = findLoss(objective.loss.name);
  const output = model.outputs[0].shape.slice(1);
  const indices = output.includes(null)
    ? found.loss.labels.indices === 'always'
    : takesIndices(found, { output: output as number[], label });
  const classes = indices ? (output[output.length - 1] ?? null) : null;
  const data = {
    name,
    labelShape: label,
    train: { y: train.targets[target] },
    validation: validation && { y: validation.targets[target] },
  };
  requireLabels({ name: found.name, labels: found.loss.labels }, data, { indices, classes });
}

async function splitsOf(
  model: tfjs.LayersModel,
  given: Pair,
  { validationData, validationSplit }: FitOptions,
): Promise<[Pair, Pair | null]> {
  if (validationData !== undefined && validationData !== null && (validationData as readonly unknown[]).length > 0) {
    if (!Array.isArray(validationData) || validationData.length !== 2)
      throw refuse('validationData is not [x, y]; weights of validation examples are not taken');
    return [given, await pairOf(model, validationData[0] as Rows, validationData[1] as Rows, 'validation ')];
  }
  const split = validationSplit ?? 0;
  if (typeof split !== 'number' || !(split >= 0 && split < 1))
    throw optionInvalid(`validationSplit must be a fraction of at least 0 and below 1, found ${String(split)}`);
  if (split === 0) return [given, null];
  const at = Math.floor(given.x.count * (1 - split));
  if (at === 0 || at === given.x.count)
    throw optionInvalid(
      `validationSplit ${split} of ${given.x.count} rows leaves ${at === 0 ? 'none to train on' : 'none to validate on'}`,
    );
  return [part(given, 0, at), part(given, at, given.x.count)];
}

function part({ x, y }: Pair, from: number, to: number): Pair {
  const cut = ({ shape, values }: FlatRows): FlatRows => {
    const size = shape.reduce((a, b) => a * b, 1);
    return { count: to - from, shape, values: values.subarray(from * size, to * size) };
  };
  return { x: cut(x), y: cut(y) };
}

export async function pairOf(model: tfjs.LayersModel, x: Rows, y: Rows, prefix: string): Promise<Pair> {
  const [rowOfX, rowOfY] = [model.inputs[0].shape.slice(1), model.outputs[0].shape.slice(1)];
  const inputs = atLeastOne(await flatRows(x, `${prefix}x`, rowOfX));
  const isIndices = ArrayBuffer.isView(y) && (y as Uint8Array).length === inputs.count;
  const targets = atLeastOne(await flatRows(y, `${prefix}y`, isIndices ? [1] : rowOfY));
  if (inputs.count !== targets.count) throw refuse(`${prefix}x has ${inputs.count} rows, ${prefix}y ${targets.count}`);
  return { x: inputs, y: targets };
}

/** As tfjs does: a row without a shape has one value. */
function atLeastOne(rows: FlatRows): FlatRows {
  return rows.shape.length === 0 ? { ...rows, shape: [1] } : rows;
}

/** Of the same types as the training rows, where only that differs: a boolean or int32 tensor beside a float32 one. */
function asStored({ x, y }: Pair, { x: ofX, y: ofY }: Pair): Pair {
  const like = (rows: FlatRows, { values: wanted }: FlatRows): FlatRows => {
    if (rows.values.constructor === wanted.constructor) return rows;
    const converted = wanted instanceof Float32Array ? Float32Array.from(rows.values) : Int32Array.from(rows.values);
    return { ...rows, values: converted };
  };
  return { x: like(x, ofX), y: like(y, ofY) };
}

function requireOneOfEach({ inputs, outputs }: tfjs.LayersModel): void {
  if (inputs.length === 1 && outputs.length === 1) return;
  throw new UsageError({
    code: 'MODEL_INPUTS',
    message: `the model has ${inputs.length} inputs and ${outputs.length} outputs; one of each is supported`,
    next: 'change the model; README.md "Limits" lists what models may do',
  });
}

function optionInvalid(message: string): UsageError {
  return new UsageError({ code: 'OPTION_INVALID', message, next: 'correct the value' });
}
