/**
 * Owns: the benchmark MLP: 784 → 1024 relu → 1024 relu → 10. 1,863,690 values, all trained. The twin of `mlp` in scripts/peers.
 * Does not: train it.
 */
export const exampleShape = [784];

/** @param {typeof import('@tensorflow/tfjs')} tf */
export function createModel(tf) {
  const { dense } = tf.layers;
  return tf.sequential({
    name: 'mlp',
    layers: [
      dense({ name: 'dense1', inputShape: exampleShape, units: 1024, activation: 'relu' }),
      dense({ name: 'dense2', units: 1024, activation: 'relu' }),
      dense({ name: 'dense3', units: 10 }),
    ],
  });
}
