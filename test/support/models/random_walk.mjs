/** Every random layer of tfjs, and every recurrent one that drops, in a branch of its own: what learns is before the layer, or in it; one is frozen. */
const SEQUENCE = [4, 3];
const VIDEO = [2, 2, 3, 1];

const RECURRENT = { dropout: 0.4, recurrentDropout: 0.3 };
const sigmoid = { recurrentActivation: 'sigmoid' };
const CASES = {
  dropout: [[12], (tf, name) => tf.layers.dropout({ name, rate: 0.4 })],
  spatial: [SEQUENCE, (tf, name) => tf.layers.spatialDropout1d({ name, rate: 0.4 })],
  noise: [[12], (tf, name) => tf.layers.gaussianNoise({ name, stddev: 0.5 })],
  gaussian: [[12], (tf, name) => tf.layers.gaussianDropout({ name, rate: 0.4 })],
  alpha: [[12], (tf, name) => tf.layers.alphaDropout({ name, rate: 0.4 })],
  simple: [SEQUENCE, (tf, name) => tf.layers.simpleRNN({ name, units: 3, ...RECURRENT })],
  gru: [SEQUENCE, (tf, name) => tf.layers.gru({ name, units: 3, ...sigmoid, ...RECURRENT })],
  lstm: [SEQUENCE, (tf, name) => tf.layers.lstm({ name, units: 3, ...sigmoid, ...RECURRENT })],
  lstm_frozen: [SEQUENCE, (tf, name) => tf.layers.lstm({ name, units: 3, trainable: false, ...sigmoid, ...RECURRENT })],
  cell: [SEQUENCE, (tf, name) => tf.layers.rnn({ name, cell: tf.layers.gruCell({ units: 3, ...sigmoid, ...RECURRENT }) })],
  video: [
    VIDEO,
    (tf, name) => tf.layers.convLstm2d({ name, filters: 1, kernelSize: 2, padding: 'same', ...sigmoid, ...RECURRENT }),
  ],
  both: [
    SEQUENCE,
    (tf, name) =>
      tf.layers.bidirectional({ name, mergeMode: 'concat', layer: tf.layers.lstm({ units: 2, ...sigmoid, ...RECURRENT }) }),
  ],
};

export function createModel(tf) {
  const entry = tf.input({ shape: [6], name: 'entry' });
  const outputs = Object.entries(CASES).map(([name, [shape, make]]) => {
    const size = shape.reduce((a, b) => a * b, 1);
    const before = tf.layers.dense({ name: `${name}_before`, units: size, activation: 'tanh' }).apply(entry);
    const shaped = tf.layers.reshape({ name: `${name}_shape`, targetShape: shape }).apply(before);
    const drawn = make(tf, name).apply(shaped);
    const flat = drawn.shape.length > 2 ? tf.layers.flatten({ name: `${name}_flat` }).apply(drawn) : drawn;
    return tf.layers.dense({ name: `${name}_after`, units: 1 }).apply(flat);
  });
  return tf.model({ name: 'random_walk', inputs: entry, outputs: tf.layers.concatenate({ name: 'all' }).apply(outputs) });
}
