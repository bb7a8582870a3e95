/**
 * Owns: a run's augmentation as operations of the training step: the module's own function, then the list in its order, on scaled inputs and on labels.
 * Each number is a function of (seed, epoch, row in the data set, place in the list), so that who computes an example, in which shard, does not matter.
 * Does not: check whether they fit model and data (fitting.ts), read partners' rows (replica_thread.ts), or know the forward pass (train_step.ts).
 */
import type * as tfjs from '@tensorflow/tfjs';
import { invariant } from '../../common/errors.js';
import { deriveKey, PURPOSE } from '../../common/random.js';
import { exampleUniforms, scaledFloat, type Engine } from '../../engine/index.js';
import type { TargetFacts } from '../../objective/create_objective.js';
import type { Binding, DrawnRows, TensorBatch } from '../replica/bind_fields.js';
import type { Fitted, FittedStep } from './fitting.js';
import { mapTensors, type Examples } from './examples.js';
import { PICTURE_OPS } from './picture_ops.js';
import type { UserAugment } from './user_augment.js';

export interface Augment {
  /** α of the mixup, where there is one: then a batch comes with the partners of its examples. */
  readonly mixup: number | null;
  /** New tensors, all of them. `batch.drawn` must be there. */
  apply(batch: TensorBatch): Examples;
}

interface AugmentParts {
  readonly engine: Engine;
  readonly seed: number;
  readonly binding: Binding;
  /** By target. */
  readonly facts: readonly TargetFacts[];
  readonly fitted: Fitted;
  readonly user: UserAugment | null;
}

type Rows = Pick<DrawnRows, 'rows' | 'epoch'>;
type Given = Pick<TensorBatch, 'inputs' | 'targets'>;

/** Null where nothing is augmented. */
export function createAugment({ engine: { tf }, seed, binding, facts, fitted, user }: AugmentParts): Augment | null {
  const { steps, softens } = fitted;
  if (steps.length === 0 && user === null) return null;
  const mixAt = steps.findIndex(({ augmentation: { name } }) => name === 'mixup');

  const begun = ({ inputs, targets }: Given, rows: Rows): Examples => {
    const own = {
      inputs: Object.fromEntries(binding.inputs.map(({ field }) => [field.name, scaledFloat(inputs[field.name], field.scale)])),
      targets: mapTensors(targets, (labels) => tf.clone(labels)),
    };
    const changed = user === null ? own : user(tf, own, { ...rows, seed });
    const soft = binding.targets.map(({ field: { name } }, at): [string, tfjs.Tensor] => [
      name,
      softens[at] ? sharesOf(tf, changed.targets[name], facts[at]) : changed.targets[name],
    ]);
    return { inputs: changed.inputs, targets: Object.fromEntries(soft) };
  };

  const through = (examples: Examples, rows: Rows, [from, to]: readonly [number, number]): Examples =>
    steps.slice(from, to).reduce((now, step, at) => {
      const key = deriveKey({ seed, purpose: PURPOSE.augment, layer: from + at });
      return augmented(now, step, (count) => exampleUniforms(count, { key, ...rows }));
    }, examples);

  const augmented = (
    { inputs, targets }: Examples,
    { augmentation, input, targets: smoothed }: FittedStep,
    uniforms: (count: number) => tfjs.Tensor2D,
  ): Examples => {
    const operation = PICTURE_OPS[augmentation.name];
    if (operation !== undefined && input !== null) {
      const full = input.type === 'uint8' ? 255 * input.scale : null;
      const picture = operation(inputs[input.name] as tfjs.Tensor4D, { ...augmentation, tf, uniforms, full });
      return { targets, inputs: { ...inputs, [input.name]: picture } };
    }
    const soft = smoothed.map((at): [string, tfjs.Tensor] => {
      const { name } = binding.targets[at].field;
      const classes = facts[at].labels === 'shares' ? facts[at].classes : 2;
      const { amount } = augmentation;
      return [name, tf.add(tf.mul(targets[name], 1 - amount), amount / classes)];
    });
    return { inputs, targets: { ...targets, ...Object.fromEntries(soft) } };
  };

  return {
    mixup: mixAt === -1 ? null : steps[mixAt].augmentation.amount,
    apply: (batch) => {
      const { drawn } = batch;
      invariant(drawn !== undefined, 'a batch that is augmented comes with its rows');
      const upTo = (place: number, given: Given, rows: Rows): Examples => through(begun(given, rows), rows, [0, place]);
      const whole = (): Examples => {
        if (drawn.partner === undefined) return upTo(steps.length, batch, drawn);
        const { shares, rows, ...partner } = drawn.partner;
        const both = [upTo(mixAt, batch, drawn), upTo(mixAt, partner, { rows, epoch: drawn.epoch })] as const;
        return through(mixed(tf, both, shares), drawn, [mixAt + 1, steps.length]);
      };
      return tf.tidy(() => whole() as Examples & tfjs.TensorContainerObject);
    },
  };
}

/** Indices of classes as rows of 0 and 1. */
function sharesOf(tf: typeof tfjs, labels: tfjs.Tensor, { classes, positions }: TargetFacts): tfjs.Tensor {
  const shape = [labels.shape[0], ...positions] as [number];
  const indices = tf.reshape(labels, shape);
  return tf.cast(tf.oneHot(indices, classes), 'float32');
}

function mixed(tf: typeof tfjs, [own, partner]: readonly [Examples, Examples], shares: tfjs.Tensor): Examples {
  const rest = tf.sub(1, shares);
  const mix = (one: tfjs.Tensor, other: tfjs.Tensor): tfjs.Tensor => {
    const along = [one.shape[0], ...one.shape.slice(1).map(() => 1)];
    return tf.add(tf.mul(one, tf.reshape(shares, along)), tf.mul(other, tf.reshape(rest, along)));
  };
  return {
    inputs: mapTensors(own.inputs, (input, name) => mix(input, partner.inputs[name])),
    targets: mapTensors(own.targets, (labels, name) => mix(labels, partner.targets[name])),
  };
}
