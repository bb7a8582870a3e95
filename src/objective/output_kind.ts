/**
 * Owns: what the graph says about a model's output: a softmax, a sigmoid, values made of one of them, or neither.
 * Does not: run anything: layers that only move, choose, average or scale probabilities leave them probabilities.
 */
import type * as tfjs from '@tensorflow/tfjs';

/**
 * `softmax`, `sigmoid`: the last operation, but for layers that only reshape. `from_softmax`, `from_sigmoid`: averaged, joined, pooled or thinned out
 * since. `unknown`: anything else, logits for instance.
 */
export type OutputKind = 'softmax' | 'sigmoid' | 'from_softmax' | 'from_sigmoid' | 'unknown';

interface LayerInternals {
  layer?: tfjs.layers.Layer;
  layers?: tfjs.layers.Layer[];
  outputs?: tfjs.SymbolicTensor[];
}

/** Layers that only move values. */
const SHAPE_ONLY = ['Flatten', 'Reshape', 'Permute', 'RepeatVector', 'Masking'];
/** Layers of one input or several whose outputs are chosen from their inputs, or lie between them, or are these scaled. */
const WITHIN_INPUTS = [
  ...['Concatenate', 'Average', 'Maximum', 'Minimum', 'Multiply', 'Add'],
  ...['Dropout', 'SpatialDropout1D', 'GaussianNoise', 'GaussianDropout', 'AlphaDropout', 'ActivityRegularization'],
  ...['MaxPooling1D', 'MaxPooling2D', 'MaxPooling3D', 'AveragePooling1D', 'AveragePooling2D', 'AveragePooling3D'],
  ...['GlobalMaxPooling1D', 'GlobalMaxPooling2D', 'GlobalAveragePooling1D', 'GlobalAveragePooling2D'],
  ...['UpSampling2D', 'Cropping2D', 'ZeroPadding2D'],
];
/** Layers whose output is their activation's: of an LSTM or a GRU it is not. */
const ACTIVATED = [
  ...['Activation', 'Dense', 'SimpleRNN', 'Conv1D', 'Conv2D', 'Conv3D', 'Conv2DTranspose', 'Conv3DTranspose'],
  ...['DepthwiseConv2D', 'SeparableConv2D'],
];

export function outputKindOf(model: tfjs.LayersModel, output = 0): OutputKind {
  return kindOf(model.outputs[output], () => 'unknown');
}

/** `outside` is the kind of what comes into a model that is used as a layer. */
function kindOf(tensor: tfjs.SymbolicTensor, outside: () => OutputKind): OutputKind {
  const layer = tensor.sourceLayer;
  const before = (): OutputKind[] => tensor.inputs.map((input) => kindOf(input, outside));
  return kindAfter(layer, before, outside);
}

function kindAfter(layer: tfjs.layers.Layer, before: () => OutputKind[], outside: () => OutputKind): OutputKind {
  const { layers, outputs, layer: wrapped } = layer as unknown as LayerInternals;
  const name = layer.getClassName();
  if (name === 'InputLayer') return outside();
  if (Array.isArray(layers) && outputs?.length === 1)
    return kindOf(outputs[0], () => (before().length === 1 ? before()[0] : 'unknown'));
  if (name === 'TimeDistributed' && wrapped !== undefined) return kindAfter(wrapped, before, outside);
  if (SHAPE_ONLY.includes(name)) return before()[0] ?? 'unknown';
  if (name === 'Softmax') return 'softmax';
  if (ACTIVATED.includes(name)) return ofActivation(layer, before);
  return WITHIN_INPUTS.includes(name) ? joined(before()) : 'unknown';
}

function ofActivation(layer: tfjs.layers.Layer, before: () => OutputKind[]): OutputKind {
  const { activation } = layer.getConfig() as { activation?: unknown };
  if (activation === 'softmax' || activation === 'sigmoid') return activation;
  if (activation === 'hardSigmoid' || activation === 'hard_sigmoid') return 'from_sigmoid';
  if (layer.getClassName() === 'Activation' && (activation === 'linear' || activation === 'relu')) return joined(before());
  return 'unknown';
}

/** Probabilities only where every input is made of them. */
function joined(kinds: readonly OutputKind[]): OutputKind {
  if (kinds.length === 0 || kinds.includes('unknown')) return 'unknown';
  return kinds.some((kind) => kind === 'softmax' || kind === 'from_softmax') ? 'from_softmax' : 'from_sigmoid';
}
