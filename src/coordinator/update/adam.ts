/**
 * Owns: Adam and AdamW, on one slice.
 * Does not: add shards, divide or clip (step_update.ts has).
 *
 * Kingma and Ba: "Adam", 2015; Loshchilov and Hutter: "Decoupled weight decay regularization", 2019. In PyTorch's form
 * (torch/optim/adam.py, _single_tensor_adam), each operation rounded to float32, t counting steps from 1:
 *   adam:  g ← g + weight decay · w          adamw: w ← (1 − learning rate · weight decay) · w
 *   m ← beta1 · m + (1 − beta1) · g
 *   v ← beta2 · v + (1 − beta2) · g²
 *   w ← w − (learning rate / (1 − beta1^t)) · m / (√v / √(1 − beta2^t) + epsilon)
 * What is in parentheses depends on no element: it is computed in float64 and rounded once.
 */
import type { OptimizerConfig } from '../../common/train_config.js';
import { OPERANDS, type Optimizer } from './optimizer.js';
import { sliceKernels } from './slice_kernels.js';

const { sqrt } = Math;
const { gradient, weights } = OPERANDS;
const [first, second] = OPERANDS.slots;

type AdamConfig = Pick<OptimizerConfig, 'weightDecay' | 'beta1' | 'beta2' | 'epsilon'> & {
  /** Into the gradient (Adam), or straight off the weights (AdamW). */
  readonly decay: 'coupled' | 'decoupled';
};

export function createAdam({ weightDecay, beta1, beta2, epsilon, decay }: AdamConfig): Optimizer {
  return {
    slotNames: ['first_moment', 'second_moment'],
    update({ length, learningRate, step }) {
      const { adam, multiplyAdd } = sliceKernels();
      if (decay === 'coupled' && weightDecay !== 0) multiplyAdd(gradient, weightDecay, weights, gradient, length);
      const secondCorrection = sqrt(1 - beta2 ** (step + 1));
      // Part of the weights that decay leaves.
      const keep = decay === 'decoupled' ? 1 - learningRate * weightDecay : 1;
      const rate = learningRate / (1 - beta1 ** (step + 1));
      // What is handed over is rounded to float32.
      const constants = [beta1, 1 - beta1, beta2, 1 - beta2, secondCorrection, epsilon, keep, rate] as const;
      return adam(weights, gradient, first, second, ...constants, length) === 1;
    },
  };
}
