/**
 * Owns: which class the model says each row is, as one graph function of its own: those of training and evaluation stay what they are, to the bit.
 * Does not: compare with labels (src/data/judge_classes.ts does).
 */
import type * as tfjs from '@tensorflow/tfjs';
import { intoFloat32 } from '../../engine/index.js';
import type { TensorBatch } from './bind_fields.js';
import { applyModel, scaledInputs, type StepParts } from './train_step.js';

/** float32 [2 × rows]: the class of each, then the probability of each; disposed by the caller. */
export type ClassStep = (batch: TensorBatch) => tfjs.Tensor;

/** Null for a model that tells no classes. */
export function createClassStep(parts: Omit<StepParts, 'augment' | 'softObjective' | 'onGraph'>): ClassStep | null {
  const { engine, objective, spec } = parts;
  const { tellClasses } = objective;
  if (tellClasses === undefined) return null;
  const step = (batch: Pick<TensorBatch, 'inputs'>): tfjs.Tensor =>
    engine.tf.tidy(() => {
      const { outputs } = applyModel(parts, scaledInputs(parts, batch), false);
      return tellClasses(intoFloat32(outputs[0]));
    });
  const compiled = spec.compile ? engine.compile(step, { name: 'class_step' }) : step;
  // Labels are no argument: they differ in shape and type by data set, and nothing depends on them.
  return ({ inputs }) => compiled({ inputs });
}
