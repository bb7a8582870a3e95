/**
 * Every layer class of tfjs, each in a branch of its own of one model: a dense layer (what is before the layer learns through it), the layer, a dense
 * layer. The mean squared error of branches side by side has for each the gradient that it has alone, so one run tries them all, and what is wrong names
 * its branch. The first input values are tokens 0 to 4.
 */
const FEATURES = 6;
const OUTPUTS = 2;
const SEQUENCE = [4, 3];
const IMAGE = [3, 2, 2];
const VIDEO = [2, 2, 3, 1];
const VOLUME = [2, 3, 2, 1];

/** By name: what it takes, and the layer. `data`: it takes the data itself, of whose values no gradient is asked. */
const layer = (shape, make) => ({ shape, make: (x, tf, name) => make(tf, name).apply(x) });
const merge = (make) => ({
  shape: [6],
  make: (x, tf, name) =>
    make(tf, name).apply([x, tf.layers.activation({ activation: 'sigmoid', name: `${name}_other` }).apply(x)]),
});

const seeded = (tf, seed) => tf.initializers.randomUniform({ minval: -0.5, maxval: 0.6, seed });
const k = (tf, more = {}) => ({ kernelInitializer: seeded(tf, 3), biasInitializer: seeded(tf, 4), ...more });
const rnn = (tf, more = {}) => ({ units: 2, recurrentInitializer: seeded(tf, 5), ...k(tf), ...more });
const IS = 'sigmoid';

export const CASES = {
  Dense: layer([12], (tf, name) => tf.layers.dense({ name, units: 3, activation: 'tanh', ...k(tf) })),
  'Dense, rank 3': layer(SEQUENCE, (tf, name) => tf.layers.dense({ name, units: 3, activation: 'elu', ...k(tf) })),
  Activation: layer([12], (tf, name) => tf.layers.activation({ name, activation: 'softsign' })),
  ELU: layer([12], (tf, name) => tf.layers.elu({ name })),
  LeakyReLU: layer([12], (tf, name) => tf.layers.leakyReLU({ name, alpha: 0.2 })),
  PReLU: layer([12], (tf, name) => tf.layers.prelu({ name, alphaInitializer: seeded(tf, 6) })),
  ReLU: layer([12], (tf, name) => tf.layers.reLU({ name })),
  Softmax: layer([12], (tf, name) => tf.layers.softmax({ name })),
  Conv1D: layer(SEQUENCE, (tf, name) => tf.layers.conv1d({ name, filters: 2, kernelSize: 2, ...k(tf) })),
  Conv2D: layer(IMAGE, (tf, name) => tf.layers.conv2d({ name, filters: 2, kernelSize: 2, padding: 'same', ...k(tf) })),
  Conv2DTranspose: layer(IMAGE, (tf, name) =>
    tf.layers.conv2dTranspose({ name, filters: 2, kernelSize: 2, strides: 2, ...k(tf) }),
  ),
  Conv3D: layer(VOLUME, (tf, name) => tf.layers.conv3d({ name, filters: 2, kernelSize: 2, ...k(tf) })),
  DepthwiseConv2D: layer(IMAGE, (tf, name) =>
    tf.layers.depthwiseConv2d({
      name,
      kernelSize: 2,
      depthMultiplier: 2,
      depthwiseInitializer: seeded(tf, 7),
      biasInitializer: seeded(tf, 8),
    }),
  ),
  SeparableConv2D: layer(IMAGE, (tf, name) =>
    tf.layers.separableConv2d({
      name,
      filters: 2,
      kernelSize: 2,
      depthwiseInitializer: seeded(tf, 7),
      pointwiseInitializer: seeded(tf, 9),
      biasInitializer: seeded(tf, 8),
    }),
  ),
  ZeroPadding2D: layer(IMAGE, (tf, name) => tf.layers.zeroPadding2d({ name, padding: [1, 2] })),
  Cropping2D: layer(IMAGE, (tf, name) =>
    tf.layers.cropping2D({
      name,
      cropping: [
        [1, 0],
        [0, 1],
      ],
    }),
  ),
  UpSampling2D: layer(IMAGE, (tf, name) => tf.layers.upSampling2d({ name, size: [2, 2] })),
  AveragePooling1D: layer(SEQUENCE, (tf, name) => tf.layers.averagePooling1d({ name, poolSize: 2 })),
  AveragePooling2D: layer(IMAGE, (tf, name) => tf.layers.averagePooling2d({ name, poolSize: 2, strides: 1 })),
  AveragePooling3D: layer(VOLUME, (tf, name) => tf.layers.averagePooling3d({ name, poolSize: 2, strides: 1 })),
  MaxPooling1D: layer(SEQUENCE, (tf, name) => tf.layers.maxPooling1d({ name, poolSize: 2 })),
  MaxPooling2D: layer(IMAGE, (tf, name) => tf.layers.maxPooling2d({ name, poolSize: 2, strides: 1 })),
  MaxPooling3D: layer(VOLUME, (tf, name) => tf.layers.maxPooling3d({ name, poolSize: 2, strides: 1 })),
  GlobalAveragePooling1D: layer(SEQUENCE, (tf, name) => tf.layers.globalAveragePooling1d({ name })),
  GlobalAveragePooling2D: layer(IMAGE, (tf, name) => tf.layers.globalAveragePooling2d({ name })),
  GlobalMaxPooling1D: layer(SEQUENCE, (tf, name) => tf.layers.globalMaxPooling1d({ name })),
  GlobalMaxPooling2D: layer(IMAGE, (tf, name) => tf.layers.globalMaxPooling2d({ name })),
  BatchNormalization: layer([6], (tf, name) =>
    tf.layers.batchNormalization({
      name,
      momentum: 0.8,
      epsilon: 0.01,
      gammaInitializer: seeded(tf, 6),
      betaInitializer: seeded(tf, 7),
    }),
  ),
  'BatchNormalization, rank 4': layer(IMAGE, (tf, name) => tf.layers.batchNormalization({ name, momentum: 0.8, epsilon: 0.01 })),
  LayerNormalization: layer([12], (tf, name) =>
    tf.layers.layerNormalization({ name, epsilon: 0.01, gammaInitializer: seeded(tf, 6), betaInitializer: seeded(tf, 7) }),
  ),
  Embedding: {
    shape: [FEATURES],
    data: true,
    make: (x, tf, name) =>
      tf.layers.embedding({ name, inputDim: 5, outputDim: 2, embeddingsInitializer: seeded(tf, 6) }).apply(x),
  },
  Flatten: layer(IMAGE, (tf, name) => tf.layers.flatten({ name })),
  Permute: layer(SEQUENCE, (tf, name) => tf.layers.permute({ name, dims: [2, 1] })),
  RepeatVector: layer([6], (tf, name) => tf.layers.repeatVector({ name, n: 3 })),
  Reshape: layer([12], (tf, name) => tf.layers.reshape({ name, targetShape: [2, 6] })),
  Masking: {
    shape: [3, 2],
    data: true,
    make: (x, tf, name) =>
      tf.layers
        .lstm({ name: `${name}_rnn`, recurrentActivation: IS, ...rnn(tf) })
        .apply(tf.layers.masking({ name, maskValue: 0 }).apply(x)),
  },
  Rescaling: {
    shape: [6],
    make: (x, tf, name) =>
      new (tf.serialization.SerializationMap.getMap().classNameMap.Rescaling[0])({ name, scale: 0.5, offset: 0.1 }).apply(x),
  },
  CenterCrop: {
    shape: [3, 2, 1],
    data: true,
    make: (x, tf, name) => tf.layers.centerCrop({ name, height: 2, width: 1 }).apply(x),
  },
  SimpleRNN: layer(SEQUENCE, (tf, name) => tf.layers.simpleRNN({ name, ...rnn(tf) })),
  GRU: layer(SEQUENCE, (tf, name) => tf.layers.gru({ name, recurrentActivation: IS, ...rnn(tf) })),
  LSTM: layer(SEQUENCE, (tf, name) => tf.layers.lstm({ name, recurrentActivation: IS, returnSequences: true, ...rnn(tf) })),
  'RNN of SimpleRNNCell': layer(SEQUENCE, (tf, name) =>
    tf.layers.rnn({ name, cell: tf.layers.simpleRNNCell({ name: `${name}_cell`, ...rnn(tf) }) }),
  ),
  'RNN of GRUCell': layer(SEQUENCE, (tf, name) =>
    tf.layers.rnn({ name, cell: tf.layers.gruCell({ name: `${name}_cell`, recurrentActivation: IS, ...rnn(tf) }) }),
  ),
  'RNN of StackedRNNCells': layer(SEQUENCE, (tf, name) =>
    tf.layers.rnn({
      name,
      cell: tf.layers.stackedRNNCells({
        name: `${name}_cells`,
        cells: [1, 2].map((at) => tf.layers.lstmCell({ name: `${name}_cell_${at}`, recurrentActivation: IS, ...rnn(tf) })),
      }),
    }),
  ),
  ConvLSTM2D: layer(VIDEO, (tf, name) =>
    tf.layers.convLstm2d({
      name,
      filters: 1,
      kernelSize: 2,
      padding: 'same',
      recurrentActivation: IS,
      recurrentInitializer: seeded(tf, 5),
      ...k(tf),
    }),
  ),
  Bidirectional: layer(SEQUENCE, (tf, name) =>
    tf.layers.bidirectional({
      name,
      mergeMode: 'concat',
      layer: tf.layers.lstm({ name: `${name}_one`, recurrentActivation: IS, returnSequences: true, ...rnn(tf) }),
    }),
  ),
  TimeDistributed: layer(SEQUENCE, (tf, name) =>
    tf.layers.timeDistributed({ name, layer: tf.layers.dense({ name: `${name}_each`, units: 2, ...k(tf) }) }),
  ),
  Sequential: layer([12], (tf, name) =>
    tf.sequential({
      name,
      layers: [tf.layers.dense({ name: `${name}_in`, units: 3, inputShape: [12], activation: 'tanh', ...k(tf) })],
    }),
  ),
  Model: {
    shape: [12],
    make: (x, tf, name) => {
      const inputs = tf.input({ shape: [12], name: `${name}_entry` });
      const outputs = tf.layers.dense({ name: `${name}_in`, units: 3, activation: 'tanh', ...k(tf) }).apply(inputs);
      return tf.model({ name, inputs, outputs }).apply(x);
    },
  },
  Add: merge((tf, name) => tf.layers.add({ name })),
  Average: merge((tf, name) => tf.layers.average({ name })),
  Concatenate: merge((tf, name) => tf.layers.concatenate({ name })),
  Dot: merge((tf, name) => tf.layers.dot({ name, axes: 1 })),
  Maximum: merge((tf, name) => tf.layers.maximum({ name })),
  Minimum: merge((tf, name) => tf.layers.minimum({ name })),
  Multiply: merge((tf, name) => tf.layers.multiply({ name })),
};

const plain = (name) => name.toLowerCase().replace(/[^a-z0-9]+/g, '_');

/** One branch from the model's input; `frozen`: the layer learns nothing, what is around it does. */
export function branch(tf, entry, { name, frozen }) {
  const { shape, data, make } = CASES[name];
  const own = `${plain(name)}${frozen ? '_frozen' : ''}`;
  const size = shape.reduce((a, b) => a * b, 1);
  let x = entry;
  if (!data) {
    x = tf.layers
      .dense({
        name: `${own}_before`,
        units: size,
        activation: 'tanh',
        kernelInitializer: seeded(tf, 1),
        biasInitializer: seeded(tf, 2),
      })
      .apply(x);
  }
  if (shape.length > 1) x = tf.layers.reshape({ name: `${own}_shape`, targetShape: shape }).apply(x);
  const made = make(x, tf, own);
  let y = made;
  if (frozen) made.sourceLayer.trainable = false;
  if (y.shape.length > 2) y = tf.layers.flatten({ name: `${own}_flat` }).apply(y);
  return tf.layers
    .dense({ name: `${own}_after`, units: OUTPUTS, kernelInitializer: seeded(tf, 10), biasInitializer: seeded(tf, 11) })
    .apply(y);
}

/** All branches; those whose layer has weights a second time, frozen. */
export function branches(tf) {
  return Object.keys(CASES).flatMap((name) => {
    const { sourceLayer } = CASES[name].make(tf.input({ shape: CASES[name].shape }), tf, 'probe');
    return [{ name, frozen: false }, ...(sourceLayer.weights.length > 0 ? [{ name, frozen: true }] : [])];
  });
}

/** tfjs hands the mask of one layer to whatever it calls after it, so that what makes masks has a model of its own (masked_walk.mjs). */
const isMasked = ({ name }) => name === 'Masking';

function modelOf(tf, name, all) {
  const entry = tf.input({ shape: [FEATURES], name: 'entry' });
  const outputs = all.map((one) => branch(tf, entry, one));
  return tf.model({ name, inputs: entry, outputs: tf.layers.concatenate({ name: 'all' }).apply(outputs) });
}

export const createModel = (tf) =>
  modelOf(
    tf,
    'walk',
    branches(tf).filter((one) => !isMasked(one)),
  );
export const createMasked = (tf) => modelOf(tf, 'masked_walk', branches(tf).filter(isMasked));
