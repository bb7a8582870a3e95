/**
 * Owns: the classes of tfjs 4.22 by kind, and what each kind is called in a topology. Test: models/class_names.test.ts walks all that tfjs registers.
 */

/** Layers that compute and nothing else: weights, code and addresses cannot hide in their configurations. */
export const LAYERS: ReadonlySet<string> = new Set([
  ...['InputLayer', 'Dense', 'Activation', 'Dropout', 'Flatten', 'Reshape', 'Permute', 'RepeatVector', 'Masking', 'Embedding'],
  ...['SpatialDropout1D', 'GaussianNoise', 'GaussianDropout', 'AlphaDropout'],
  ...['Conv1D', 'Conv2D', 'Conv2DTranspose', 'Conv3D', 'Conv3DTranspose', 'DepthwiseConv2D', 'SeparableConv2D'],
  ...['Cropping2D', 'UpSampling2D', 'ZeroPadding2D', 'Rescaling', 'Resizing', 'CenterCrop'],
  ...['AveragePooling1D', 'AveragePooling2D', 'AveragePooling3D', 'MaxPooling1D', 'MaxPooling2D', 'MaxPooling3D'],
  ...['GlobalAveragePooling1D', 'GlobalAveragePooling2D', 'GlobalMaxPooling1D', 'GlobalMaxPooling2D'],
  ...['Add', 'Multiply', 'Average', 'Maximum', 'Minimum', 'Concatenate', 'Dot'],
  ...['BatchNormalization', 'LayerNormalization'],
  ...['ReLU', 'LeakyReLU', 'PReLU', 'ELU', 'ThresholdedReLU', 'Softmax'],
  ...['SimpleRNN', 'GRU', 'LSTM', 'RNN', 'ConvLSTM2D'],
  ...['TimeDistributed', 'Bidirectional'],
]);

/** What an RNN layer repeats. */
export const CELLS: ReadonlySet<string> = new Set(['SimpleRNNCell', 'GRUCell', 'LSTMCell', 'StackedRNNCells', 'ConvLSTM2DCell']);

export const MODELS: ReadonlySet<string> = new Set(['Sequential', 'Functional', 'Model']);

/** Read their data in `call`, so that no recorded step could repeat them. */
export const READS_DATA: ReadonlySet<string> = new Set(['RandomWidth', 'CategoryEncoding']);

export const INITIALIZERS: ReadonlySet<string> = new Set([
  ...['Zeros', 'Ones', 'Constant', 'RandomUniform', 'RandomNormal', 'TruncatedNormal', 'Identity', 'Orthogonal'],
  ...['VarianceScaling', 'GlorotUniform', 'GlorotNormal', 'HeUniform', 'HeNormal', 'LeCunUniform', 'LeCunNormal'],
]);
export const REGULARIZERS: ReadonlySet<string> = new Set(['L1L2']);
export const CONSTRAINTS: ReadonlySet<string> = new Set(['MaxNorm', 'MinMaxNorm', 'NonNeg', 'UnitNorm']);
export const ACTIVATIONS: ReadonlySet<string> = new Set([
  ...['elu', 'selu', 'relu', 'relu6', 'linear', 'sigmoid', 'hardSigmoid', 'softplus', 'softsign', 'tanh'],
  ...['softmax', 'logSoftmax', 'gelu', 'gelu_new', 'mish', 'swish'],
]);

/** tfjs's own (tfjs-layers utils/generic_utils.ts, toCamelCase): what it does to every key and to every text that is not a `name`. */
export function camelCase(text: string): string {
  return text.length <= 1 || !text.includes('_') ? text : text.replace(/_+(\w|$)/g, (_, next: string) => next.toUpperCase());
}

/** Whether some layer of a topology is of a class that tfjs does not have: a user's own. */
export function hasForeignLayers(topology: string): boolean {
  return firstForeign(JSON.parse(topology), (name) => KNOWN.has(name) || KNOWN.has(camelCase(name))) !== null;
}

const KNOWN: ReadonlySet<string> = new Set(
  [LAYERS, CELLS, MODELS, READS_DATA, INITIALIZERS, REGULARIZERS, CONSTRAINTS, ACTIVATIONS].flatMap((kind) => [...kind]),
);

/** The first class that is not known, of whatever has a class and a configuration. */
export function firstForeign(json: unknown, isKnown: (name: string) => boolean): string | null {
  if (typeof json !== 'object' || json === null) return null;
  const { class_name: className, config } = json as { class_name?: unknown; config?: unknown };
  if (typeof className === 'string' && config !== undefined && !isKnown(className)) return className;
  for (const inner of Object.values(json)) {
    const found = firstForeign(inner, isKnown);
    if (found !== null) return found;
  }
  return null;
}
