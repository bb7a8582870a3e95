/** As torch.optim.SGD (dampening 0) and tf.train.momentum: the velocity is a sum of gradients, the rate comes last. */
import { add, constant, multiply, perStep, subtract } from './expression.js';
import { defineOptimizer, type Updated } from './optimizer.js';
import { MOMENTUM, NESTEROV } from './shared_settings.js';

export const sgd = defineOptimizer({
  settings: { momentum: MOMENTUM, nesterov: NESTEROV },
  decay: 'added',
  tfjs: [
    { className: 'SGD', settings: {} },
    {
      className: 'Momentum',
      settings: { momentum: 'momentum', nesterov: 'useNesterov' },
      memory: { velocity: { field: 'accumulations', suffix: 'momentum' } },
    },
  ],
  slots: ({ momentum }): Record<string, number> => (Math.fround(momentum) === 0 ? {} : { velocity: 0 }),
  update({ gradient, weights, slots }, { momentum, nesterov }): Updated {
    const rate = perStep(({ learningRate }) => learningRate);
    if (!('velocity' in slots)) return { weights: subtract(weights, multiply(rate, gradient)), slots: {} };
    const keep = constant(momentum);
    const velocity = add(multiply(keep, slots.velocity), gradient);
    const direction = nesterov ? add(multiply(keep, velocity), gradient) : velocity;
    return { weights: subtract(weights, multiply(rate, direction)), slots: { velocity } };
  },
});
