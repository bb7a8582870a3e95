/**
 * Owns: the benchmark network for a table of 32 columns: 32 → 64 relu → 32 relu → 10. 4,522 values, all trained. The twin of `table` in scripts/peers.
 * Does not: train it.
 */
export const exampleShape = [32];

/** @param {typeof import('@tensorflow/tfjs')} tf */
export function createModel(tf) {
  const { dense } = tf.layers;
  return tf.sequential({
    name: 'table',
    layers: [
      dense({ name: 'dense1', inputShape: exampleShape, units: 64, activation: 'relu' }),
      dense({ name: 'dense2', units: 32, activation: 'relu' }),
      dense({ name: 'dense3', units: 10 }),
    ],
  });
}
