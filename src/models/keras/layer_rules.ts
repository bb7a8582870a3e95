/**
 * Owns: what Keras's layers become in tfjs, one rule a class: converted to the same numbers, or refused with a code.
 * Does not: walk a model (convert.ts does) or know weights.
 */
import { UsageError } from '../../common/errors.js';
import type { Mask } from './reached_masks.js';
import { ACTIVATIONS, camelCase, INITIALIZERS } from '../class_names.js';

export type Config = Record<string, unknown>;

/** What a rule may know of the model around a layer. */
export interface KerasModel {
  /** File, for messages. */
  readonly path: string;
  readonly generation: 2 | 3;
  /** Some layer of it makes a mask. */
  readonly masks: boolean;
}

export interface KerasLayer {
  className: string;
  config: Config;
  /** Of the tensors that it is called on, in a functional model that makes masks. */
  masks?: readonly Mask[];
}

/** Of a layer that tfjs has under the same name and computes otherwise. */
function differs(layer: KerasLayer, model: KerasModel, what: string, next: string): UsageError {
  return new UsageError({
    code: 'MODEL_LAYER_DIFFERS',
    message: `${model.path}: layer ${nameOf(layer)} (${layer.className}) ${what}`,
    next,
  });
}

/** Of what tfjs has not at all. */
export function unknown(layer: KerasLayer, model: KerasModel, what: string): UsageError {
  return new UsageError({
    code: 'MODEL_LAYER_UNKNOWN',
    message: `${model.path}: layer ${nameOf(layer)} is ${what}, which tfjs does not have`,
    next: 'Leave it out before converting, or write the model as a module with createModel(tf) that defines the layer, and pass that: --model ./model.mjs',
  });
}

export function nameOf({ className, config }: KerasLayer): string {
  return typeof config.name === 'string' ? config.name : className;
}

const REBUILD = 'Build the Keras model without it, train or copy its weights, and convert it again.';
const FLOAT32 =
  'Give the Keras layer dtype="float32" and convert the model again; only what goes into it may be whole numbers: Input(shape, dtype="int32").';
type Rule = (layer: KerasLayer, model: KerasModel) => void;

/** Refuses an option unless it has one of the values that mean nothing. */
const only =
  (key: string, neutral: readonly unknown[], what: string): Rule =>
  (layer, model) => {
    const value = layer.config[key];
    const given = Array.isArray(value) && value.every((entry) => entry === value[0]) ? value[0] : value;
    if (value !== undefined && value !== null && !neutral.includes(given)) throw differs(layer, model, what, REBUILD);
  };

const all =
  (...rules: readonly Rule[]): Rule =>
  (layer, model) =>
    rules.forEach((rule) => rule(layer, model));

const noGroups = only('groups', [1], 'has groups, which tfjs ignores');
const keepsNoDims = only('keepdims', [false], 'keeps its dimensions (keepdims), which tfjs ignores');
const transposed = all(
  noGroups,
  only('output_padding', [], 'has output_padding, which tfjs ignores'),
  only('dilation_rate', [1], 'is dilated, which tfjs ignores for transposed convolutions'),
);
const recurrent = all(only('time_major', [false], 'has time first (time_major), which tfjs ignores'), (layer, model) => {
  if (layer.config.zero_output_for_mask === true && layer.config.return_sequences === true && model.masks)
    throw differs(layer, model, 'gives zeros where its input is masked; tfjs repeats the last output', REBUILD);
});
const gru = all(recurrent, (layer, model) => {
  // The default of both Keras: what is reset is U·h, in tfjs h (and there is one bias where Keras has two).
  if (layer.config.reset_after === true || (layer.config.reset_after === undefined && model.generation === 3))
    throw differs(
      layer,
      model,
      'has reset_after=True, Keras’s default; tfjs computes only reset_after=False',
      'Build it with reset_after=False (its weights differ: it must be trained again), or use an LSTM.',
    );
});

const differ = ({ masks = [] }: KerasLayer): boolean => masks.some((mask) => mask !== masks[0]);
/** What counts after inputs of different masks: in tf_keras what counts in all that have one, in Keras 3, and here, what counts in any (merge_masks.ts). */
const sums: Rule = (layer, model) => {
  if (model.generation === 2 && differ(layer))
    throw differs(layer, model, 'joins inputs of different masks; a step that counts in one of them counts here', REBUILD);
};
/** Keras 3 takes them for 1, or for the other input's, where they do not count. */
const leavesOut = all(sums, (layer, model) => {
  if (model.generation === 3 && layer.masks?.some((mask) => mask !== null))
    throw differs(layer, model, 'leaves masked values out; tfjs computes with them', REBUILD);
});
/** Along features what counts is in Keras 3 what counts in any, in tfjs and tf_keras what counts in all. */
const joins: Rule = (layer, model) => {
  if (model.generation === 3 && layer.config.axis !== 1 && differ(layer))
    throw differs(layer, model, 'joins inputs of different masks; a step has to count in all of them in tfjs', REBUILD);
};

const RULES: Readonly<Record<string, Rule>> = {
  Add: sums,
  Average: sums,
  Multiply: leavesOut,
  Maximum: leavesOut,
  Minimum: leavesOut,
  Concatenate: joins,
  Conv1D: noGroups,
  Conv2D: noGroups,
  Conv3D: noGroups,
  DepthwiseConv2D: noGroups,
  SeparableConv2D: all(noGroups, ({ config }) => {
    // tfjs refuses even a null.
    for (const key of ['kernel_initializer', 'kernel_regularizer', 'kernel_constraint']) delete config[key];
  }),
  Conv2DTranspose: transposed,
  Conv3DTranspose: transposed,
  GlobalAveragePooling1D: all(keepsNoDims, (layer, model) => {
    if (model.masks) throw differs(layer, model, 'averages over what is not masked; tfjs averages over everything', REBUILD);
  }),
  GlobalAveragePooling2D: keepsNoDims,
  GlobalMaxPooling1D: keepsNoDims,
  GlobalMaxPooling2D: keepsNoDims,
  UpSampling2D: only('interpolation', ['nearest'], 'interpolates; tfjs takes other sample points than Keras'),
  Resizing: (layer, model) => {
    throw differs(layer, model, 'takes other sample points in tfjs than in Keras', 'Resize the data instead, and leave it out.');
  },
  BatchNormalization: all(only('renorm', [false], 'renormalizes (renorm), which tfjs ignores'), (layer, model) => {
    const { axis } = layer.config;
    if (!Array.isArray(axis)) return;
    if (axis.length !== 1) throw differs(layer, model, `normalizes over the axes ${axis.join(', ')}; tfjs takes one`, REBUILD);
    layer.config.axis = axis[0] as unknown;
  }),
  LayerNormalization: only('rms_scaling', [false], 'scales by the root mean square (rms_scaling), which tfjs ignores'),
  ReLU: rectifier,
  LeakyReLU: ({ config }) => {
    if (config.negative_slope !== undefined) config.alpha = config.negative_slope;
    delete config.negative_slope;
  },
  LSTM: recurrent,
  SimpleRNN: recurrent,
  RNN: recurrent,
  ConvLSTM2D: all(recurrent, noGroups),
  GRU: gru,
  GRUCell: gru,
  Bidirectional: bidirectional,
  Embedding: only('lora_rank', [], 'has LoRA weights, which tfjs ignores'),
  Dense: only('lora_rank', [], 'has LoRA weights, which tfjs ignores'),
};

/** Changes the layer in place. @throws UsageError MODEL_LAYER_DIFFERS or MODEL_LAYER_UNKNOWN */
export function convertLayer(layer: KerasLayer, model: KerasModel): void {
  const { config } = layer;
  for (const [key, value] of Object.entries(config)) {
    if (value === null) continue;
    if (key === 'dtype') config[key] = dtypeOf(layer, model);
    else if (key === 'activity_regularizer')
      throw differs(layer, model, 'has an activity_regularizer, which tfjs leaves out of the loss', REBUILD);
    else if (key === 'quantization_config') throw differs(layer, model, 'is quantized, which tfjs ignores', REBUILD);
    else if (key.endsWith('activation')) config[key] = activationOf(layer, model, value);
    else if (key.endsWith('_initializer')) config[key] = initializerOf(layer, model, value);
    else if (key.endsWith('_regularizer')) config[key] = regularizerOf(layer, model, value);
    else if (key.endsWith('_constraint')) config[key] = partOf(value);
  }
  RULES[layer.className]?.(layer, model);
}

/** f(x) = max_value over it, x over the threshold, slope · (x − threshold) below. */
function rectifier(layer: KerasLayer, model: KerasModel): void {
  const { max_value: most, negative_slope: slope, threshold } = layer.config;
  const [bends, lifts] = [
    slope !== undefined && slope !== null && slope !== 0,
    threshold !== undefined && threshold !== null && threshold !== 0,
  ];
  const name = { name: layer.config.name, trainable: layer.config.trainable };
  if ((bends && lifts) || ((bends || lifts) && most !== null && most !== undefined))
    throw differs(layer, model, 'has a slope or threshold beside another limit, which tfjs ignores', REBUILD);
  if (bends) Object.assign(layer, { className: 'LeakyReLU', config: { ...name, alpha: slope } });
  if (lifts) Object.assign(layer, { className: 'ThresholdedReLU', config: { ...name, theta: threshold } });
}

/** tfjs makes both directions of the first layer's configuration, and puts `forward_` before its name. */
function bidirectional(layer: KerasLayer, model: KerasModel): void {
  const { config } = layer;
  const inner = config.layer as { config: Config };
  const back = config.backward_layer as { config?: Config } | null | undefined;
  const comparable = (given: Config): string =>
    JSON.stringify(
      Object.entries(given)
        .filter(([key]) => !['name', 'go_backwards', 'dtype', 'trainable', 'seed'].includes(key) && !key.endsWith('_initializer'))
        .sort(),
    );
  if (back?.config !== undefined && comparable(back.config) !== comparable(inner.config))
    throw differs(layer, model, 'has a backward layer unlike its forward layer; tfjs makes two of one kind', REBUILD);
  if (inner.config.return_sequences === true && model.masks)
    throw differs(layer, model, 'gives zeros where its input is masked; tfjs repeats the last output', REBUILD);
  delete config.backward_layer;
  if (typeof inner.config.name === 'string') inner.config.name = inner.config.name.replace(/^forward_/, '');
}

function dtypeOf(layer: KerasLayer, model: KerasModel): string {
  const { dtype } = layer.config;
  const name = typeof dtype === 'string' ? dtype : (dtype as { config?: { name?: unknown } }).config?.name;
  if (layer.className === 'InputLayer' && typeof name === 'string') return name === 'int64' ? 'int32' : name;
  // Under a mixed policy the weights are float32; what is computed in is this run's own --precision.
  if (name === 'float32' || name === 'mixed_float16' || name === 'mixed_bfloat16') return 'float32';
  throw differs(layer, model, `has weights in ${String(name)}; tfjs has float32`, FLOAT32);
}

/** `relu`, or `{ class_name: 'function', config: 'relu' }`. */
function activationOf(layer: KerasLayer, model: KerasModel, value: unknown): string {
  const { config, class_name: className } = value as { config?: unknown; class_name?: unknown };
  const name = typeof value === 'string' ? value : typeof config === 'string' ? config : String(className);
  if (name === 'silu') return 'swish';
  if (camelCase(name) === 'hardSigmoid' && model.generation === 3)
    throw differs(layer, model, 'uses hard_sigmoid, whose slope is 1/6 in Keras 3 and 1/5 in tfjs', REBUILD);
  if (ACTIVATIONS.has(name) || ACTIVATIONS.has(camelCase(name))) return name;
  throw unknown(layer, model, `a layer with the activation ${name}`);
}

/** `{ module, class_name, config, registered_name }` without what only Keras reads. */
function partOf(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const { class_name: className, config } = value as { class_name?: unknown; config?: Config };
  return { class_name: className, config: config ?? {} };
}

const INITIALIZER_NAMES: Readonly<Record<string, string>> = {
  LecunNormal: 'LeCunNormal',
  LecunUniform: 'LeCunUniform',
  OrthogonalInitializer: 'Orthogonal',
  IdentityInitializer: 'Identity',
};

function initializerOf(layer: KerasLayer, model: KerasModel, value: unknown): unknown {
  const part = partOf(value) as { class_name: string; config: Config } | string;
  if (typeof part === 'string') return part;
  part.class_name = INITIALIZER_NAMES[part.class_name] ?? part.class_name;
  if (!INITIALIZERS.has(part.class_name)) throw unknown(layer, model, `a layer with the initializer ${part.class_name}`);
  if (typeof part.config.seed === 'object') part.config.seed = null;
  if (part.config.distribution === 'untruncated_normal') part.config.distribution = 'normal';
  return part;
}

function regularizerOf(layer: KerasLayer, model: KerasModel, value: unknown): unknown {
  const part = partOf(value) as { class_name: string; config: Config };
  const { l1 = 0, l2 = 0 } = part.config;
  if (!['L1', 'L2', 'L1L2'].includes(part.class_name))
    throw unknown(layer, model, `a layer with the regularizer ${part.class_name}`);
  return { class_name: 'L1L2', config: { l1, l2 } };
}
