/**
 * Owns: SGD with momentum, Nesterov momentum and weight decay, on one slice.
 * Does not: add shards, divide or clip (step_update.ts has).
 *
 * As torch.optim.SGD (dampening 0), each operation rounded to float32:
 *   g ← g + weight decay · w
 *   v ← momentum · v + g          (v is 0 before the first step)
 *   g ← v, or g + momentum · v with Nesterov
 *   w ← w − learning rate · g
 */
import type { OptimizerConfig } from '../common/train_config.js';
import type { Optimizer } from './optimizer.js';

const { fround } = Math;

export function createSgd(config: Pick<OptimizerConfig, 'momentum' | 'nesterov' | 'weightDecay'>): Optimizer {
  const momentum = fround(config.momentum);
  const weightDecay = fround(config.weightDecay);
  return {
    slotNames: momentum === 0 ? [] : ['velocity'],
    update({ gradient, weights, nextWeights, slots, nextSlots, learningRate }) {
      const rate = fround(learningRate);
      if (weightDecay !== 0) addDecay(gradient, weights, weightDecay);
      if (momentum === 0) return descend(gradient, weights, nextWeights, rate);
      const step = config.nesterov ? descendWithNesterov : descendWithMomentum;
      return step(gradient, weights, nextWeights, slots[0], nextSlots[0], momentum, rate);
    },
  };
}

/** g ← g + decay · w, in place. */
export function addDecay(gradient: Float32Array, weights: Float32Array, decay: number): void {
  for (let i = 0; i < gradient.length; i++) gradient[i] = gradient[i] + fround(decay * weights[i]);
}

// In the loops below x − x is 0 for a finite x and NaN for any other, and a sum that met NaN stays NaN.

function descend(gradient: Float32Array, weights: Float32Array, nextWeights: Float32Array, rate: number): number {
  let probe = 0;
  for (let i = 0; i < gradient.length; i++) {
    const w = fround(weights[i] - fround(rate * gradient[i]));
    nextWeights[i] = w;
    probe += w - w;
  }
  return probe;
}

function descendWithMomentum(
  gradient: Float32Array,
  weights: Float32Array,
  nextWeights: Float32Array,
  velocity: Float32Array,
  nextVelocity: Float32Array,
  momentum: number,
  rate: number,
): number {
  let probe = 0;
  for (let i = 0; i < gradient.length; i++) {
    const v = fround(fround(momentum * velocity[i]) + gradient[i]);
    const w = fround(weights[i] - fround(rate * v));
    nextVelocity[i] = v;
    nextWeights[i] = w;
    probe += w - w;
  }
  return probe;
}

function descendWithNesterov(
  gradient: Float32Array,
  weights: Float32Array,
  nextWeights: Float32Array,
  velocity: Float32Array,
  nextVelocity: Float32Array,
  momentum: number,
  rate: number,
): number {
  let probe = 0;
  for (let i = 0; i < gradient.length; i++) {
    const g = gradient[i];
    const v = fround(fround(momentum * velocity[i]) + g);
    const w = fround(weights[i] - fround(rate * fround(g + fround(momentum * v))));
    nextVelocity[i] = v;
    nextWeights[i] = w;
    probe += w - w;
  }
  return probe;
}
