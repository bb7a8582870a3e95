/**
 * Duchi, Hazan and Singer: "Adaptive subgradient methods", 2011. In tfjs's form (adagrad_optimizer.ts), epsilon inside the root:
 *   a ← a + g²
 *   w ← w − learning rate · (g / √(a + epsilon))
 */
import { add, constant, divide, multiply, perStep, squareRoot, subtract } from './expression.js';
import { defineOptimizer } from './optimizer.js';
import { EPSILON } from './shared_settings.js';

export const adagrad = defineOptimizer({
  settings: { initialAccumulatorValue: { kind: 'real', atLeast: 0, default: 0.1 }, epsilon: EPSILON },
  decay: 'added',
  tfjs: [
    {
      className: 'Adagrad',
      settings: { initialAccumulatorValue: 'initialAccumulatorValue' },
      memory: { accumulator: { field: 'accumulatedGrads', suffix: 'accumulator' } },
    },
  ],
  slots: ({ initialAccumulatorValue }) => ({ accumulator: initialAccumulatorValue }),
  update({ gradient, weights, slots }, { epsilon }) {
    const accumulator = add(slots.accumulator, multiply(gradient, gradient));
    const step = divide(gradient, squareRoot(add(accumulator, constant(epsilon))));
    const rate = perStep(({ learningRate }) => learningRate);
    return { weights: subtract(weights, multiply(rate, step)), slots: { accumulator } };
  },
});
