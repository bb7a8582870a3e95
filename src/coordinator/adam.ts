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
import type { OptimizerConfig } from '../common/train_config.js';
import type { Optimizer } from './optimizer.js';
import { addDecay } from './sgd.js';

const { fround, sqrt } = Math;

type AdamConfig = Pick<OptimizerConfig, 'weightDecay' | 'beta1' | 'beta2' | 'epsilon'> & {
  /** Into the gradient (Adam), or straight off the weights (AdamW). */
  readonly decay: 'coupled' | 'decoupled';
};

export function createAdam({ weightDecay, beta1, beta2, epsilon, decay }: AdamConfig): Optimizer {
  const constants = {
    beta1: fround(beta1),
    oneMinusBeta1: fround(1 - beta1),
    beta2: fround(beta2),
    oneMinusBeta2: fround(1 - beta2),
    epsilon: fround(epsilon),
  };
  return {
    slotNames: ['first_moment', 'second_moment'],
    update({ gradient, weights, nextWeights, slots, nextSlots, learningRate, step }) {
      if (decay === 'coupled' && weightDecay !== 0) addDecay(gradient, weights, fround(weightDecay));
      return descend({
        gradient,
        weights,
        nextWeights,
        first: slots[0],
        nextFirst: nextSlots[0],
        second: slots[1],
        nextSecond: nextSlots[1],
        ...constants,
        keep: decay === 'decoupled' ? fround(1 - learningRate * weightDecay) : 1,
        rate: fround(learningRate / (1 - beta1 ** (step + 1))),
        secondCorrection: fround(sqrt(1 - beta2 ** (step + 1))),
      });
    },
  };
}

interface AdamSlice {
  gradient: Float32Array;
  weights: Float32Array;
  nextWeights: Float32Array;
  first: Float32Array;
  nextFirst: Float32Array;
  second: Float32Array;
  nextSecond: Float32Array;
  beta1: number;
  oneMinusBeta1: number;
  beta2: number;
  oneMinusBeta2: number;
  epsilon: number;
  /** Part of the weights that decay leaves. */
  keep: number;
  rate: number;
  secondCorrection: number;
}

function descend(slice: AdamSlice): number {
  const { gradient, weights, nextWeights, first, nextFirst, second, nextSecond } = slice;
  const { beta1, oneMinusBeta1, beta2, oneMinusBeta2, epsilon, keep, rate, secondCorrection } = slice;
  let probe = 0;
  for (let i = 0; i < gradient.length; i++) {
    const g = gradient[i];
    const m = fround(fround(beta1 * first[i]) + fround(oneMinusBeta1 * g));
    const v = fround(fround(beta2 * second[i]) + fround(oneMinusBeta2 * fround(g * g)));
    const divisor = fround(fround(fround(sqrt(v)) / secondCorrection) + epsilon);
    const w = fround(fround(keep * weights[i]) - fround(fround(rate * m) / divisor));
    nextFirst[i] = m;
    nextSecond[i] = v;
    nextWeights[i] = w;
    // An infinite v makes the step 0 and w finite: look at both (x − x is 0 for finite x, else NaN).
    const both = w + v;
    probe += both - both;
  }
  return probe;
}
