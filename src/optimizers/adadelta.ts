/**
 * Zeiler: "Adadelta", 2012, as tfjs has it (adadelta_optimizer.ts), which is not the paper's: the step is divided by the root of the mean
 * square **before** this gradient was added to it, and both means begin equal, so they stay equal and u is g. Every step is SGD's.
 *   u ← √(d + epsilon) / √(s + epsilon) · g
 *   s ← rho · s + (1 − rho) · g²,  d ← rho · d + (1 − rho) · u²
 *   w ← w − learning rate · u
 */
import { add, constant, divide, multiply, perStep, squareRoot, subtract, type Expression } from './expression.js';
import { defineOptimizer } from './optimizer.js';
import { EPSILON, RHO } from './shared_settings.js';

export const adadelta = defineOptimizer({
  settings: { rho: RHO, epsilon: EPSILON },
  decay: 'added',
  tfjs: [
    {
      className: 'Adadelta',
      settings: { rho: 'rho', epsilon: 'epsilon' },
      memory: {
        mean_square: { field: 'accumulatedGrads', suffix: 'accum_grad' },
        mean_square_step: { field: 'accumulatedUpdates', suffix: 'accum_var' },
      },
    },
  ],
  warning: 'as in tfjs, adadelta takes the steps of sgd: its two means are always equal',
  slots: () => ({ mean_square: 0, mean_square_step: 0 }),
  update({ gradient, weights, slots }, { rho: given, epsilon }) {
    const rho = given ?? 0.95;
    const root = (meanSquare: Expression) => squareRoot(add(meanSquare, constant(epsilon)));
    const average = (mean: Expression, value: Expression) =>
      add(multiply(constant(rho), mean), multiply(constant(1 - rho), multiply(value, value)));
    const step = multiply(divide(root(slots.mean_square_step), root(slots.mean_square)), gradient);
    const rate = perStep(({ learningRate }) => learningRate);
    return {
      weights: subtract(weights, multiply(rate, step)),
      slots: { mean_square: average(slots.mean_square, gradient), mean_square_step: average(slots.mean_square_step, step) },
    };
  },
});
