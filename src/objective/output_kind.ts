/**
 * Owns: what the graph says about a model's output: a softmax, a sigmoid, values made of one of them, or neither.
 * Does not: run anything: layers that only move, choose, average or scale probabilities leave them probabilities.
 */
import type * as tfjs from '@tensorflow/tfjs';

/**
 * `softmax`, `sigmoid`: the last operation, but for layers that only move whole examples or positions. `from_softmax`, `from_sigmoid`: averaged, joined,
 * pooled or thinned out since. `opaque`: made of probabilities in a way that is not known, or by a layer of the user's: probabilities or not.
 * `unknown`: computed by tfjs's layers otherwise, so that no layer made probabilities of it: logits for instance.
 */
export type OutputKind = 'softmax' | 'sigmoid' | 'from_softmax' | 'from_sigmoid' | 'opaque' | 'unknown';

interface LayerInternals {
  layer?: tfjs.layers.Layer;
  forwardLayer?: tfjs.layers.Layer;
  backwardLayer?: tfjs.layers.Layer;
  cell?: tfjs.layers.Layer;
  cells?: tfjs.layers.Layer[];
  layers?: tfjs.layers.Layer[];
  inputs?: tfjs.SymbolicTensor[];
  outputs?: tfjs.SymbolicTensor[];
}

/** Layers that move or drop whole positions; the last axis stays what it is. */
const POSITIONS_ONLY = ['RepeatVector', 'Masking', 'Cropping2D', 'CenterCrop'];
/** Layers that only move values; where the last axis becomes another, rows are no distributions any more. */
const MOVES = ['Flatten', 'Reshape', 'Permute'];
/** Layers of one input or several whose outputs are chosen from their inputs, or lie between them, or are these scaled; nothing positive becomes less. */
const WITHIN_INPUTS = [
  ...['Concatenate', 'Average', 'Maximum', 'Minimum', 'Multiply', 'Add'],
  ...['Dropout', 'SpatialDropout1D', 'GaussianNoise', 'GaussianDropout', 'AlphaDropout', 'ActivityRegularization'],
  ...['MaxPooling1D', 'MaxPooling2D', 'MaxPooling3D', 'AveragePooling1D', 'AveragePooling2D', 'AveragePooling3D'],
  ...['GlobalMaxPooling1D', 'GlobalMaxPooling2D', 'GlobalAveragePooling1D', 'GlobalAveragePooling2D'],
  ...['UpSampling2D', 'Resizing', 'ZeroPadding2D', 'ReLU', 'LeakyReLU', 'PReLU', 'ELU', 'ThresholdedReLU'],
];
/** Layers whose output is their activation's. */
const ACTIVATED = [
  ...['Activation', 'Dense', 'SimpleRNN', 'SimpleRNNCell', 'Conv1D', 'Conv2D', 'Conv3D', 'Conv2DTranspose', 'Conv3DTranspose'],
  ...['DepthwiseConv2D', 'SeparableConv2D'],
];
/** Layers that scale their activation's values by gates between 0 and 1. */
const GATED = ['LSTM', 'LSTMCell', 'GRU', 'GRUCell', 'ConvLSTM2D', 'ConvLSTM2DCell'];
/** Of what is positive they make the same, or a multiple. */
const POSITIVE_AS_IT_IS = ['linear', 'relu', 'relu6', 'elu', 'selu'];
/** Layers that compute with probabilities, to an end that only their author knows. */
const SCALES = ['Rescaling', 'BatchNormalization', 'LayerNormalization', 'Dot'];
/** The rest of tfjs's. Any other is the user's own. */
const OTHERS = ['Embedding', 'CategoryEncoding', 'RandomWidth'];

/** The kind of what comes into a model that is used as a layer, by its input. */
type Outside = (input: tfjs.layers.Layer) => OutputKind;

export function outputKindOf(model: tfjs.LayersModel, output = 0): OutputKind {
  return kindOf(model.outputs[output], () => 'unknown');
}

function kindOf(tensor: tfjs.SymbolicTensor, outside: Outside): OutputKind {
  const layer = tensor.sourceLayer;
  const inputs = tensor.inputs as tfjs.SymbolicTensor[] | undefined;
  const before = (): OutputKind[] => (inputs ?? []).map((input) => kindOf(input, outside));
  if (MOVES.includes(layer.getClassName())) return moved(before()[0] ?? 'unknown', inputs?.[0], tensor);
  return kindAfter(layer, before, outside, tensor.outputTensorIndex ?? 0);
}

function kindAfter(layer: tfjs.layers.Layer, before: () => OutputKind[], outside: Outside, output = 0): OutputKind {
  const parts = layer as unknown as LayerInternals;
  const name = layer.getClassName();
  if (name === 'InputLayer') return outside(layer);
  if (Array.isArray(parts.layers) && parts.outputs !== undefined) {
    const at = (input: tfjs.layers.Layer): number => (parts.inputs ?? []).findIndex(({ sourceLayer }) => sourceLayer === input);
    return kindOf(parts.outputs[output], (input) => before()[at(input)] ?? 'unknown');
  }
  if (name === 'TimeDistributed' && parts.layer !== undefined) return kindAfter(parts.layer, before, outside);
  if (name === 'Bidirectional')
    return joined([parts.forwardLayer, parts.backwardLayer].map((one) => (one ? kindAfter(one, before, outside) : 'unknown')));
  if (name === 'RNN' && parts.cell !== undefined) return kindAfter(parts.cells?.at(-1) ?? parts.cell, before, outside);
  if (name === 'StackedRNNCells') {
    const last = parts.cells?.at(-1);
    return last === undefined ? 'unknown' : kindAfter(last, before, outside);
  }
  if (POSITIONS_ONLY.includes(name)) return before()[0] ?? 'unknown';
  // Of the last axis: tfjs has no other.
  if (name === 'Softmax') return 'softmax';
  if (ACTIVATED.includes(name)) return ofActivation(layer, before);
  if (GATED.includes(name)) return joined([ofActivation(layer, before)]);
  if (WITHIN_INPUTS.includes(name)) return joined(before());
  if (SCALES.includes(name)) return joined(before()) === 'unknown' ? 'unknown' : 'opaque';
  return OTHERS.includes(name) ? 'unknown' : 'opaque';
}

function moved(kind: OutputKind, from: tfjs.SymbolicTensor | undefined, to: tfjs.SymbolicTensor): OutputKind {
  const { dims } = to.sourceLayer as { dims?: number[] };
  const last = (shape: tfjs.Shape): number | null => shape[shape.length - 1];
  const staysLast = dims === undefined ? from !== undefined && last(from.shape) === last(to.shape) : dims.at(-1) === dims.length;
  return kind === 'softmax' && !staysLast ? 'from_softmax' : kind;
}

function ofActivation(layer: tfjs.layers.Layer, before: () => OutputKind[]): OutputKind {
  const { activation } = layer.getConfig() as { activation?: unknown };
  if (activation === 'softmax' || activation === 'sigmoid') return activation;
  if (activation === 'hardSigmoid' || activation === 'hard_sigmoid') return 'from_sigmoid';
  if (layer.getClassName() !== 'Activation' || joined(before()) === 'unknown') return 'unknown';
  return POSITIVE_AS_IT_IS.includes(String(activation)) ? joined(before()) : 'opaque';
}

/** Probabilities only where every input is made of them. */
function joined(kinds: readonly OutputKind[]): OutputKind {
  if (kinds.length === 0 || kinds.includes('unknown')) return 'unknown';
  if (kinds.includes('opaque')) return 'opaque';
  return kinds.some((kind) => kind === 'softmax' || kind === 'from_softmax') ? 'from_softmax' : 'from_sigmoid';
}
