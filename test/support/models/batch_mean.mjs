/** A model that one batch and two halves of it cannot agree on: a layer of its own subtracts the mean over the examples it sees. */
export function createModel(tf) {
  class BatchMean extends tf.layers.Layer {
    static className = 'BatchMean';
    computeOutputShape(shape) {
      return shape;
    }
    call(inputs) {
      const x = Array.isArray(inputs) ? inputs[0] : inputs;
      return tf.tidy(() => tf.sub(x, tf.mean(x, 0, true)));
    }
  }
  return tf.sequential({
    layers: [
      tf.layers.flatten({ inputShape: [28, 28, 1] }),
      tf.layers.dense({ name: 'hidden', units: 8, activation: 'tanh' }),
      new BatchMean({ name: 'batch_mean' }),
      tf.layers.dense({ name: 'out', units: 10 }),
    ],
  });
}
