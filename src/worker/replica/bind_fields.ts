/**
 * Owns: which field of the data feeds which input of the model, and which is the target of which output; and a batch's tensors under these names.
 * Does not: read rows (data/gather.ts).
 */
import type * as tfjs from '@tensorflow/tfjs';
import type { Dataset, Field } from '../../common/dataset.js';
import { UsageError } from '../../common/errors.js';
import type { LabeledData } from '../../objective/labels.js';

/** A batch on the device, by the fields' names: rows of each input, not scaled yet, and of each output's target. */
export interface TensorBatch {
  readonly inputs: Readonly<Record<string, tfjs.Tensor>>;
  readonly targets: Readonly<Record<string, tfjs.Tensor>>;
}

export interface Bound {
  /** The model's name of the input or output. */
  readonly name: string;
  readonly field: Field;
}

export interface Binding {
  readonly inputs: readonly Bound[];
  readonly targets: readonly Bound[];
}

/** In the model's order. Data of one field go to the model's one input or output, whatever they are called. @throws UsageError MODEL_INPUT_SHAPE */
export function bindFields(model: tfjs.LayersModel, { name, fields }: Pick<Dataset, 'name' | 'fields'>): Binding {
  const [input] = fields.inputs;
  requireInputShape(model, { name, inputShape: input.shape });
  return {
    inputs: [{ name: model.inputNames[0], field: input }],
    targets: [{ name: model.outputNames[0], field: fields.targets[0] }],
  };
}

/** What an output is judged by. */
export function labelsOf({ name, fields, train, validation }: Dataset, { field }: Bound): LabeledData {
  const { shape, classes } = field;
  return {
    name,
    inputShape: fields.inputs[0].shape,
    labelShape: shape,
    ...(classes !== undefined && { classes }),
    train: { y: train.targets[field.name] },
    validation: validation === null ? null : { y: validation.targets[field.name] },
  };
}

/** @throws UsageError MODEL_INPUT_SHAPE where the model does not take examples of this shape. */
export function requireInputShape(
  model: tfjs.LayersModel,
  { name, inputShape }: { name: string; inputShape: readonly number[] },
): void {
  const wanted = model.inputs[0].shape.slice(1);
  const fits =
    wanted.length === inputShape.length && wanted.every((extent, axis) => extent === null || extent === inputShape[axis]);
  if (fits) return;
  throw new UsageError({
    code: 'MODEL_INPUT_SHAPE',
    message: `the model takes examples of [${wanted.map((extent) => extent ?? 'any').join(', ')}], those of ${name} are [${inputShape.join(', ')}]`,
    next: 'change the model; README.md "Limits" lists what models may do',
  });
}
