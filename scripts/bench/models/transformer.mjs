/**
 * Owns: the benchmark transformer encoder: 64 tokens of 48 numbers (an image of 32×32×3 in patches of 4×4), width 384, six heads, six layers; 10,694,794
 * values, all trained. The twin of `transformer` in scripts/peers, whose README.md defines it.
 * Does not: train it.
 */
const [TOKENS, NUMBERS, WIDTH, HEADS, LAYERS, INNER] = [64, 48, 384, 6, 6, 1536];
export const exampleShape = [TOKENS, NUMBERS];

/** @param {typeof import('@tensorflow/tfjs')} tf */
export function createModel(tf) {
  const { layers } = tf;
  const only = (inputs) => (Array.isArray(inputs) ? inputs[0] : inputs);

  /** Adds a learned vector to each token. */
  class Positions extends layers.Layer {
    static className = 'Positions';
    build([, tokens, width]) {
      this.positions = this.addWeight(
        'positions',
        [tokens, width],
        'float32',
        tf.initializers.randomUniform({ minval: -0.02, maxval: 0.02 }),
      );
      this.built = true;
    }
    call(inputs) {
      return tf.add(only(inputs), this.positions.read());
    }
    computeOutputShape(shape) {
      return shape;
    }
  }

  /** Queries, keys and values beside each other in; what the heads found beside each other out. */
  class Attention extends layers.Layer {
    static className = 'Attention';
    call(inputs) {
      return tf.tidy(() => {
        const [batch, tokens, three] = only(inputs).shape;
        const size = three / 3 / HEADS;
        const heads = tf.transpose(tf.reshape(only(inputs), [batch, tokens, 3, HEADS, size]), [2, 0, 3, 1, 4]);
        const [query, key, value] = tf.unstack(heads);
        const weights = tf.softmax(tf.matMul(tf.mul(query, size ** -0.5), key, false, true));
        return tf.reshape(tf.transpose(tf.matMul(weights, value), [0, 2, 1, 3]), [batch, tokens, HEADS * size]);
      });
    }
    computeOutputShape([batch, tokens, three]) {
      return [batch, tokens, three / 3];
    }
  }

  const dense = (name, units, activation) => layers.dense({ name, units, activation });
  const norm = (name) => layers.layerNormalization({ name, epsilon: 1e-5 });
  const apply = (x, ...stack) => stack.reduce((value, layer) => layer.apply(value), x);
  const residual = (x, name, ...stack) =>
    layers.add({ name: `${name}_add` }).apply([x, apply(x, norm(`${name}_norm`), ...stack)]);

  const patches = tf.input({ shape: exampleShape, name: 'patches' });
  let x = apply(patches, dense('embed', WIDTH), new Positions({ name: 'positions' }));
  for (let at = 1; at <= LAYERS; at++) {
    const attention = new Attention({ name: `attention${at}` });
    x = residual(x, `attend${at}`, dense(`queries_keys_values${at}`, 3 * WIDTH), attention, dense(`project${at}`, WIDTH));
    x = residual(x, `feed${at}`, dense(`inner${at}`, INNER, 'relu'), dense(`outer${at}`, WIDTH));
  }
  const logits = apply(x, norm('norm'), layers.globalAveragePooling1d({ name: 'average' }), dense('dense', 10));
  return tf.model({ name: 'transformer', inputs: patches, outputs: logits });
}
