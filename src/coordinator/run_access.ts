/** What hooks may do to a run, through its plane. */
import { UsageError } from '../common/errors.js';
import type { ModelDescription } from '../common/replica.js';
import { VERSIONS_AHEAD } from '../common/resident.js';
import type { TrainConfig } from '../common/train_config.js';
import type { Plane } from './planes/plane.js';
import type { RunAccess } from './run_hooks.js';

export function accessTo(
  plane: Plane,
  { model, optimizer, lastRate }: { model: ModelDescription; optimizer: TrainConfig['optimizer'] } & Pick<RunAccess, 'lastRate'>,
): RunAccess {
  return {
    model,
    learningRate: optimizer.learningRate,
    lastRate,
    weights: () => plane.model(),
    async replaceWeights(parameters) {
      if (optimizer.emaFor.includes('model')) {
        throw new UsageError({
          code: 'CALLBACK_WEIGHTS',
          message:
            'a callback changed weights of the model, which are the moving average here, and the run cannot go on from an average',
          next: "Leave the weights alone in callbacks, or take 'model' out of optimizer.ema_for.",
        });
      }
      const { version, optimizerSlots } = await plane.values();
      // A version of its own, by which replicas tell weights apart.
      await plane.restore({ version: version + VERSIONS_AHEAD + 1, parameters, optimizerSlots });
    },
  };
}
