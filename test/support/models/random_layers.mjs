/** Every kind of random numbers that a model can draw: dropout, noise, masks of recurrent layers, and a layer of its own. */
import { keyedRandom } from '../../../build/engine/index.js';

export function createModel(tf) {
  class Jitter extends tf.layers.Layer {
    static className = 'Jitter';
    computeOutputShape(shape) {
      return shape;
    }
    call(inputs, { training }) {
      const x = Array.isArray(inputs) ? inputs[0] : inputs;
      if (!training) return x;
      return tf.tidy(() => tf.add(x, keyedRandom(x.shape, { minval: -0.1, maxval: 0.1 })));
    }
  }
  const lstm = tf.layers.lstm({ units: 6, dropout: 0.2, recurrentDropout: 0.3, returnSequences: true });
  return tf.sequential({
    layers: [
      tf.layers.reshape({ targetShape: [28, 28], inputShape: [28, 28, 1] }),
      tf.layers.averagePooling1d({ poolSize: 7, strides: 7 }),
      tf.layers.spatialDropout1d({ rate: 0.25 }),
      tf.layers.bidirectional({ layer: lstm, mergeMode: 'concat' }),
      tf.layers.gru({ units: 6, dropout: 0.5 }),
      tf.layers.gaussianNoise({ stddev: 0.1 }),
      tf.layers.gaussianDropout({ rate: 0.1 }),
      new Jitter({ name: 'jitter' }),
      tf.layers.alphaDropout({ rate: 0.1 }),
      tf.layers.dense({ name: 'out', units: 10 }),
    ],
  });
}
