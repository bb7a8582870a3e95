/**
 * Kingma and Ba: "Adam", 2015, section 7.1. In tfjs's form (adamax_optimizer.ts), t counting steps from 1:
 *   m ← beta1 · m + (1 − beta1) · g
 *   u ← max(beta2 · u, |g|)
 *   w ← w − (learning rate / (1 + rate decay · (t − 1)) / (1 − beta1^t)) · (m / (u + epsilon))
 */
import { absolute, add, constant, divide, maximum, multiply, perStep, subtract } from './expression.js';
import { defineOptimizer } from './optimizer.js';
import { BETA1, BETA2, EPSILON } from './shared_settings.js';

export const adamax = defineOptimizer({
  settings: { beta1: BETA1, beta2: BETA2, epsilon: EPSILON, rateDecay: { kind: 'real', atLeast: 0, default: 0 } },
  decay: 'added',
  tfjs: [
    {
      className: 'Adamax',
      settings: { beta1: 'beta1', beta2: 'beta2', epsilon: 'epsilon', rateDecay: 'decay' },
      memory: {
        first_moment: { field: 'accumulatedFirstMoment', suffix: 'm' },
        largest: { field: 'accumulatedWeightedInfNorm', suffix: 'v' },
      },
      counts: { iteration: (steps) => steps, accBeta1: (steps, { beta1 }) => Number(beta1) ** (steps + 1) },
    },
  ],
  slots: () => ({ first_moment: 0, largest: 0 }),
  update({ gradient, weights, slots }, { beta1, beta2, epsilon, rateDecay }) {
    const first = add(multiply(constant(beta1), slots.first_moment), multiply(constant(1 - beta1), gradient));
    const largest = maximum(multiply(constant(beta2), slots.largest), absolute(gradient));
    const rate = perStep(({ learningRate, step }) => learningRate / (1 + rateDecay * step) / (1 - beta1 ** (step + 1)));
    const step = divide(first, add(largest, constant(epsilon)));
    return { weights: subtract(weights, multiply(rate, step)), slots: { first_moment: first, largest } };
  },
});
