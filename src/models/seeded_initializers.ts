/**
 * Owns: initial weights that depend on the run's seed alone.
 * Does not: change an initializer that has a seed of its own.
 *
 * tfjs initializers without a seed draw from the process's randomness. While a model is built here, each such draw gets a
 * seed from (run seed, how many draws came before), so the same model and seed give the same weights in any thread or process.
 */
import type * as tfjs from '@tensorflow/tfjs';
import { deriveKey, PURPOSE } from '../common/random.js';

interface SeededInitializer {
  seed: number | null | undefined;
  apply(shape: number[], dtype?: string): tfjs.Tensor;
}

/** Runs `build` with every unseeded tfjs initializer seeded; restores tfjs afterwards, also when `build` fails. */
export async function withSeededInitializers<T>(tf: typeof tfjs, seed: number, build: () => T | Promise<T>): Promise<T> {
  const samples = [
    tf.initializers.randomUniform({}),
    tf.initializers.randomNormal({}),
    tf.initializers.truncatedNormal({}),
    tf.initializers.varianceScaling({ scale: 1, mode: 'fanAvg', distribution: 'uniform' }),
    tf.initializers.orthogonal({}),
  ];
  const prototypes = samples.map((sample) => Object.getPrototypeOf(sample) as SeededInitializer);
  const originals = prototypes.map((prototype) => prototype.apply);
  let draws = 0;
  prototypes.forEach((prototype, index) => {
    prototype.apply = function (this: SeededInitializer, shape: number[], dtype?: string): tfjs.Tensor {
      if (this.seed) return originals[index].call(this, shape, dtype);
      const own = this.seed;
      // Never 0: tfjs takes a zero seed for "no seed" and draws from Math.random (tfjs-core/ops/rand_util).
      this.seed = deriveKey({ seed, purpose: PURPOSE.initializer, layer: draws++ }).low || 1;
      try {
        return originals[index].call(this, shape, dtype);
      } finally {
        this.seed = own;
      }
    };
  });
  try {
    return await build();
  } finally {
    prototypes.forEach((prototype, index) => {
      prototype.apply = originals[index];
    });
  }
}
