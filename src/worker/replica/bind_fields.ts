/**
 * Owns: which field of the data feeds which input of the model, and which is the target of which output; and a batch's tensors under these names.
 * Does not: read rows (read_batch.ts).
 */
import type * as tfjs from '@tensorflow/tfjs';
import { TRAIN_INSTEAD, type Dataset, type Field } from '../../common/dataset.js';
import { UsageError } from '../../common/errors.js';
import type { LabeledData } from '../../objective/labels.js';

/** A batch on the device, by the fields' names. */
export interface TensorBatch {
  /** Rows of each input, not scaled yet. */
  readonly inputs: Readonly<Record<string, tfjs.Tensor>>;
  readonly targets: Readonly<Record<string, tfjs.Tensor>>;
  /** Of targets whose examples count by weights: `[n]`. */
  readonly weights: Readonly<Record<string, tfjs.Tensor>>;
  /** Of targets of masked outputs: examples of the global batch over its positions that count, a scalar. */
  readonly scales: Readonly<Record<string, tfjs.Tensor>>;
  /** Of a training batch that is augmented. */
  readonly drawn?: DrawnRows;
}

/** Where the examples of a batch stand in the data, which keys their augmentation. */
export interface DrawnRows {
  /** int32 [n]. */
  readonly rows: tfjs.Tensor;
  /** int32 [2]: low word, high word. */
  readonly epoch: tfjs.Tensor;
  /** Whom each is mixed with, and its own share, [n]. */
  readonly partner?: Pick<TensorBatch, 'inputs' | 'targets'> & { readonly rows: tfjs.Tensor; readonly shares: tfjs.Tensor };
}

export interface Bound {
  /** The model's name of the input or output. */
  readonly name: string;
  readonly field: Field;
}

/** In the model's order. */
export interface Binding {
  readonly inputs: readonly Bound[];
  readonly targets: readonly Bound[];
}

/**
 * By name where the names are the model's; a list of arrays by position; one field goes to the model's one input or output, whatever it is called.
 * @throws UsageError MODEL_INPUTS or MODEL_INPUT_SHAPE
 */
export function bindFields(
  model: tfjs.LayersModel,
  dataset: Pick<Dataset, 'name' | 'fields' | 'columns' | 'oneOfEach' | 'drawn'>,
): Binding {
  const { name, fields } = dataset;
  const inputs = bound(fields.inputs, { names: namesOf(model.inputs), side: 'input', dataset });
  const targets = bound(fields.targets, { names: namesOf(model.outputs), side: 'output', dataset });
  inputs.forEach((input, at) => requireInputShape(model, { ...dataset, name, input: at, inputShape: input.field.shape }));
  return { inputs, targets };
}

/** As `inputNames` and `outputNames` of a functional model; those of a sequential one are empty. */
function namesOf(tensors: readonly tfjs.SymbolicTensor[]): string[] {
  return tensors.map(({ sourceLayer }) => sourceLayer.name);
}

interface Side {
  readonly names: readonly string[];
  readonly side: 'input' | 'output';
  readonly dataset: Pick<Dataset, 'name' | 'columns' | 'oneOfEach' | 'drawn'>;
}

function bound(fields: readonly Field[], { names, side, dataset }: Side): Bound[] {
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined)
    throw new UsageError({
      code: 'MODEL_INPUTS',
      message: `${names.filter((name) => name === twice).length} outputs of the model come out of layer ${twice}, and labels, losses and metrics find an output by its layer's name`,
      next: `Put a layer of its own behind each, such as tf.layers.activation({ activation: 'linear', name: '${twice}_a' }).`,
    });
  const byName = names.map((name) => ({ name, field: fields.find((field) => field.name === name) }));
  if (fields.length === names.length) {
    if (byName.every(({ field }) => field !== undefined)) return byName as Bound[];
    if (fields.length === 1 || fields.every((field, at) => field.name === String(at)))
      return names.map((name, at) => ({ name, field: fields[at] }));
  }
  const given = fields.map((field) => field.name).join(', ');
  const what = side === 'input' ? 'array of inputs' : 'array of labels';
  throw new UsageError({
    code: 'MODEL_INPUTS',
    message:
      `the model has ${count(names.length, side)} (${names.join(', ')}), ` +
      `${dataset.name} has ${count(fields.length, what)} (${given})`,
    next: adviceOn({ names, side, dataset }),
  });
}

/** More are not named. */
const COLUMNS_TOLD = 30;

function adviceOn({ names, side, dataset: { name, columns, oneOfEach, drawn } }: Side): string {
  if (drawn) return TRAIN_INSTEAD;
  if (oneOfEach !== undefined) {
    const [letter, thing] = side === 'input' ? ['x', 'input'] : ['y', 'label'];
    return `${oneOfEach} have one ${thing} for each example. Read them in a module, --data ./data.mjs, whose ${letter} is a record by the model's names (${names.join(', ')}): docs/data.md, "Your own arrays".`;
  }
  if (columns === undefined)
    return `Give ${side === 'input' ? 'x' : 'y'} as a record by the model's names, or as a list in their order.`;
  const flag = side === 'input' ? '--inputs' : '--labels';
  const told = toldOf(columns);
  if (names.length === 1) return `Name with ${flag} what the one ${side} of the model is made of; ${name} has ${told}.`;
  const wanted = names.map((one) => `${one}=COLUMN`).join(',');
  return `Say with ${flag} ${wanted} what each takes, a name once for each of its columns; ${name} has ${told}.`;
}

function toldOf(columns: readonly string[]): string {
  return columns.length > COLUMNS_TOLD ? `${columns.slice(0, COLUMNS_TOLD).join(', ')}, …` : columns.join(', ');
}

function count(number: number, what: string): string {
  const [first, ...rest] = what.split(' ');
  return `${number} ${[number === 1 ? first : `${first}s`, ...rest].join(' ')}`;
}

/** What an output is judged by. */
export function labelsOf({ name, fields, train, validation, drawn }: Dataset, { field }: Bound): LabeledData {
  const { shape, classes } = field;
  return {
    name: fields.targets.length === 1 ? name : `${field.name} of ${name}`,
    labelShape: shape,
    ...(classes !== undefined && { classes }),
    ...(drawn && { drawn }),
    train: { y: train.targets[field.name] },
    validation: validation === null ? null : { y: validation.targets[field.name] },
  };
}

/** Whether examples of a target count by weights, in training or in evaluation. */
export function isWeighted({ train, validation }: Dataset, { field }: Bound): boolean {
  return [train, validation].some((split) => split?.weights?.[field.name] !== undefined);
}

/** @throws UsageError MODEL_INPUT_SHAPE where the model does not take examples of this shape. */
export function requireInputShape(
  model: tfjs.LayersModel,
  { name, input = 0, inputShape, drawn, ...more }: Side['dataset'] & { input?: number; inputShape: readonly number[] },
): void {
  const wanted = model.inputs[input].shape.slice(1);
  const fits =
    wanted.length === inputShape.length && wanted.every((extent, axis) => extent === null || extent === inputShape[axis]);
  if (fits) return;
  const which = model.inputs.length === 1 ? '' : ` for ${namesOf(model.inputs)[input]}`;
  throw new UsageError({
    code: 'MODEL_INPUT_SHAPE',
    message: `the model takes examples of [${wanted.map((extent) => extent ?? 'any').join(', ')}]${which}, those of ${name} are [${inputShape.join(', ')}]`,
    next: drawn
      ? `Give --input-shape ${wanted.map((extent, axis) => extent ?? inputShape[axis] ?? ANY_EXTENT).join(',')}.`
      : `Give the model's input the shape [${inputShape.join(', ')}], or ${shapeAdvice({ name, ...more })}.`,
  });
}

/** To try with, where the model takes any. */
const ANY_EXTENT = 32;

function shapeAdvice({ name, columns, oneOfEach }: Side['dataset']): string {
  if (columns !== undefined) return `choose with --inputs what goes into it: ${name} has ${toldOf(columns)}`;
  return oneOfEach === 'Pictures'
    ? 'bring the pictures to its shape, with --image-size and --image-channels'
    : "bring the data to the model's";
}
