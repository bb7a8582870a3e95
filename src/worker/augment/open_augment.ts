/** Owns: a replica's augmentation, put together from the run's list and the model's module, once both are known to fit. Next hop: augment.ts. */
import { UsageError } from '../../common/errors.js';
import type { ModelObjective } from '../../objective/model_objective.js';
import { isWeighted } from '../replica/bind_fields.js';
import type { OpenedModel } from '../replica/opened_model.js';
import type { OutputMasks } from '../replica/output_masks.js';
import { tokenLimitsOf } from '../replica/token_check.js';
import { createAugment, type Augment } from './augment.js';
import { fitAugmentation } from './fitting.js';
import { userAugment, type AugmentFunction } from './user_augment.js';

interface Opened extends OpenedModel {
  readonly objective: ModelObjective;
  readonly masks: OutputMasks;
  /** The module's own function; null where it has none. */
  readonly own: ((...given: never[]) => unknown) | null;
}

/** `softens`: by target. @throws UsageError AUGMENT_INPUT or AUGMENT_LABELS */
export function openAugment(opened: Opened): { augment: Augment | null; softens: readonly boolean[] } {
  const { engine, model, binding, dataset, spec, objective, masks, own } = opened;
  if (own !== null && masks.masked.includes(true))
    throw new UsageError({
      code: 'AUGMENT_INPUT',
      message: `${spec.model.name} exports augment, and positions of its output are masked: they are counted on examples as the data have them`,
      next: 'Take augment out of the module, or the masks out of the model.',
    });
  const fitted = fitAugmentation({
    ...{ list: spec.augment, binding, targets: objective.targets, masked: masks.masked },
    weighted: binding.targets.map((target) => isWeighted(dataset, target)),
    tokens: tokenLimitsOf(model).map((limit) => limit !== null),
  });
  const user = own === null ? null : userAugment(spec.model.name, own as AugmentFunction);
  const augment = createAugment({ engine, seed: spec.seed, binding, facts: objective.targets, fitted, user });
  return { augment, softens: fitted.softens };
}
