/**
 * Hinton: "Lecture 6e", 2012; centered: Graves, "Generating sequences with recurrent neural networks", 2013. In tfjs's form
 * (rmsprop_optimizer.ts): epsilon stands inside the root, and momentum adds up steps, not gradients:
 *   s ← rho · s + (1 − rho) · g²,  and centered: c ← rho · c + (1 − rho) · g
 *   v ← momentum · v + learning rate · g / √(s + epsilon),  centered: √(s − (c² + epsilon))
 *   w ← w − v
 * Centered, what stands under the root can be below 0, as in tfjs, and is where a gradient stays 0: then the step is not a number, and the run says so.
 */
import { add, constant, divide, multiply, perStep, squareRoot, subtract, type Expression } from './expression.js';
import { defineOptimizer, type Updated } from './optimizer.js';
import { EPSILON, MOMENTUM, RHO } from './shared_settings.js';

export const rmsprop = defineOptimizer({
  settings: {
    rho: RHO,
    momentum: MOMENTUM,
    epsilon: EPSILON,
    centered: { kind: 'flag', default: false },
  },
  decay: 'added',
  tfjs: [
    {
      className: 'RMSProp',
      settings: { rho: 'decay', momentum: 'momentum', epsilon: 'epsilon', centered: 'centered' },
      memory: {
        mean_square: { field: 'accumulatedMeanSquares', suffix: 'rms' },
        velocity: { field: 'accumulatedMoments', suffix: 'momentum' },
        mean_gradient: { field: 'accumulatedMeanGrads', suffix: 'mg', onlyIf: 'centered' },
      },
    },
  ],
  whenNotFinite: ({ centered }) =>
    centered
      ? {
          next: 'start a new run with --set optimizer.centered=false: centered, it takes the root of a number below 0 where a gradient stays 0, in tfjs too, at any rate',
        }
      : null,
  slots: ({ momentum, centered }): Record<string, number> => ({
    mean_square: 0,
    ...(centered && { mean_gradient: 0 }),
    ...(Math.fround(momentum) !== 0 && { velocity: 0 }),
  }),
  update({ gradient, weights, slots }, { rho: given, momentum, epsilon, centered }): Updated {
    const rho = given ?? 0.9;
    const average = (slot: string, value: Expression) =>
      add(multiply(constant(rho), slots[slot]), multiply(constant(1 - rho), value));
    const meanSquare = average('mean_square', multiply(gradient, gradient));
    const next: Record<string, Expression> = { mean_square: meanSquare };
    let spread = add(meanSquare, constant(epsilon));
    if (centered) {
      const mean = average('mean_gradient', gradient);
      next.mean_gradient = mean;
      spread = subtract(meanSquare, add(multiply(mean, mean), constant(epsilon)));
    }
    const rate = perStep(({ learningRate }) => learningRate);
    let step = divide(multiply(rate, gradient), squareRoot(spread));
    if ('velocity' in slots) {
      step = add(multiply(constant(momentum), slots.velocity), step);
      next.velocity = step;
    }
    return { weights: subtract(weights, step), slots: next };
  },
});
