/**
 * Owns: SGD with momentum, Nesterov momentum and weight decay, on one slice.
 * Does not: add shards, divide or clip (step_update.ts has).
 *
 * As torch.optim.SGD (dampening 0), each operation rounded to float32:
 *   g ← g + weight decay · w
 *   v ← momentum · v + g          (v is 0 before the first step)
 *   g ← v, or g + momentum · v with Nesterov
 *   w ← w − learning rate · g     (the same to the bit as (−learning rate) · g + w)
 */
import type { OptimizerConfig } from '../../common/train_config.js';
import { OPERANDS, type Optimizer } from './optimizer.js';
import { sliceKernels } from './slice_kernels.js';

const { fround } = Math;
const { gradient, weights } = OPERANDS;
const [velocity] = OPERANDS.slots;

export function createSgd({
  momentum,
  nesterov,
  weightDecay,
}: Pick<OptimizerConfig, 'momentum' | 'nesterov' | 'weightDecay'>): Optimizer {
  const hasMomentum = fround(momentum) !== 0;
  const hasDecay = fround(weightDecay) !== 0;
  return {
    slotNames: hasMomentum ? ['velocity'] : [],
    update({ length, learningRate }) {
      const { multiplyAdd } = sliceKernels();
      if (hasDecay) multiplyAdd(gradient, weightDecay, weights, gradient, length);
      if (hasMomentum) multiplyAdd(velocity, momentum, velocity, gradient, length);
      if (hasMomentum && nesterov) multiplyAdd(gradient, momentum, velocity, gradient, length);
      const direction = hasMomentum && !nesterov ? velocity : gradient;
      return multiplyAdd(weights, -learningRate, direction, weights, length) === 1;
    },
  };
}
