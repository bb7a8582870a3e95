/**
 * Kingma and Ba: "Adam", 2015; AdamW: Loshchilov and Hutter, "Decoupled weight decay regularization", 2019. In PyTorch's form
 * (torch/optim/adam.py, _single_tensor_adam), which is tfjs's but for rounding, t counting steps from 1:
 *   adamw: w ← (1 − learning rate · weight decay) · w
 *   m ← beta1 · m + (1 − beta1) · g
 *   v ← beta2 · v + (1 − beta2) · g²
 *   w ← w − (learning rate / (1 − beta1^t)) · m / (√v / √(1 − beta2^t) + epsilon)
 */
import { add, constant, divide, multiply, perStep, squareRoot, subtract } from './expression.js';
import { defineOptimizer, type TfjsOptimizer } from './optimizer.js';
import { BETA1, BETA2, EPSILON } from './shared_settings.js';

const TFJS: TfjsOptimizer = {
  className: 'Adam',
  settings: { beta1: 'beta1', beta2: 'beta2', epsilon: 'epsilon' },
  memory: {
    first_moment: { field: 'accumulatedFirstMoment', suffix: 'm' },
    second_moment: { field: 'accumulatedSecondMoment', suffix: 'v' },
  },
  counts: {
    accBeta1: (steps, { beta1 }) => Number(beta1) ** (steps + 1),
    accBeta2: (steps, { beta2 }) => Number(beta2) ** (steps + 1),
  },
};

const adamWith = (decay: 'added' | 'own') =>
  defineOptimizer({
    settings: { beta1: BETA1, beta2: BETA2, epsilon: EPSILON },
    decay,
    tfjs: decay === 'own' ? [] : [TFJS],
    slots: () => ({ first_moment: 0, second_moment: 0 }),
    update({ gradient, weights, slots, weightDecay }, { beta1, beta2, epsilon }) {
      const first = add(multiply(constant(beta1), slots.first_moment), multiply(constant(1 - beta1), gradient));
      const square = multiply(gradient, gradient);
      const second = add(multiply(constant(beta2), slots.second_moment), multiply(constant(1 - beta2), square));
      const rate = perStep(({ learningRate, step }) => learningRate / (1 - beta1 ** (step + 1)));
      const correction = perStep(({ step }) => Math.sqrt(1 - beta2 ** (step + 1)));
      const spread = add(divide(squareRoot(second), correction), constant(epsilon));
      const kept =
        decay === 'own'
          ? multiply(
              perStep(({ learningRate }) => 1 - learningRate * weightDecay),
              weights,
            )
          : weights;
      return {
        weights: subtract(kept, divide(multiply(rate, first), spread)),
        slots: { first_moment: first, second_moment: second },
      };
    },
  });

export const adam = adamWith('added');
export const adamw = adamWith('own');
