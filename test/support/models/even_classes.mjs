/** Owns: a model for which no class is more likely than another: over as many examples of each the gradient of the bias is next to nothing. */
export function createModel(tf) {
  const kernelInitializer = tf.initializers.randomNormal({ stddev: 1e-4, seed: 1 });
  return tf.sequential({ layers: [tf.layers.dense({ name: 'dense', units: 4, inputShape: [8], kernelInitializer })] });
}
