/**
 * Owns: which layers a model that came over the wire may be made of.
 * Does not: build it. What is not on the list is refused by name, before anything is built.
 */
import { ClusterError } from '../common/errors.js';

/** tfjs's own layers that compute and nothing else. Weights, code and addresses cannot hide in their configurations. */
const ALLOWED = new Set([
  ...['Sequential', 'Functional', 'Model', 'InputLayer'],
  ...['Dense', 'Activation', 'Dropout', 'Flatten', 'Reshape', 'Permute', 'RepeatVector', 'Masking', 'Embedding'],
  ...['SpatialDropout1D', 'GaussianNoise', 'GaussianDropout', 'AlphaDropout'],
  ...['Conv1D', 'Conv2D', 'Conv2DTranspose', 'Conv3D', 'Conv3DTranspose', 'DepthwiseConv2D', 'SeparableConv2D'],
  ...['Cropping2D', 'UpSampling2D', 'ZeroPadding2D', 'Rescaling'],
  ...['AveragePooling1D', 'AveragePooling2D', 'AveragePooling3D', 'MaxPooling1D', 'MaxPooling2D', 'MaxPooling3D'],
  ...['GlobalAveragePooling1D', 'GlobalAveragePooling2D', 'GlobalMaxPooling1D', 'GlobalMaxPooling2D'],
  ...['Add', 'Subtract', 'Multiply', 'Average', 'Maximum', 'Minimum', 'Concatenate', 'Dot'],
  ...['BatchNormalization', 'LayerNormalization'],
  ...['ReLU', 'LeakyReLU', 'PReLU', 'ELU', 'ThresholdedReLU', 'Softmax'],
]);

/** Values besides layers that have a class: how weights begin and are held. */
const ALLOWED_PARTS = new Set([
  ...['Zeros', 'Ones', 'Constant', 'RandomUniform', 'RandomNormal', 'TruncatedNormal', 'Identity', 'Orthogonal'],
  ...['VarianceScaling', 'GlorotUniform', 'GlorotNormal', 'HeUniform', 'HeNormal', 'LeCunUniform', 'LeCunNormal'],
  ...['L1L2', 'L1', 'L2', 'MaxNorm', 'MinMaxNorm', 'NonNeg', 'UnitNorm'],
]);

const MAX_DEPTH = 64;
const MAX_VALUES = 1_000_000;
const MAX_NUMBER = 2 ** 31;

/** @throws ClusterError MODEL_REFUSED naming the first thing that is not allowed. */
export function requireAllowedLayers(topology: string): void {
  let parsed: unknown;
  try {
    parsed = JSON.parse(topology);
  } catch {
    throw refused('its topology is not JSON');
  }
  let values = 0;
  const visit = (value: unknown, depth: number): void => {
    if (depth > MAX_DEPTH || ++values > MAX_VALUES) throw refused('its topology is too deep or too long');
    if (typeof value === 'number' && !(Math.abs(value) <= MAX_NUMBER)) throw refused(`the number ${value} in its topology`);
    if (value === null || typeof value !== 'object') return;
    for (const [key, child] of Object.entries(value)) {
      if (key === '__proto__' || key === 'constructor' || key === 'prototype') throw refused(`the key ${key}`);
      if ((key === 'class_name' || key === 'className') && !isAllowed(child))
        throw refused(`the layer ${JSON.stringify(child)?.slice(0, 60)}`);
      visit(child, depth + 1);
    }
  };
  visit(parsed, 0);
}

function isAllowed(name: unknown): boolean {
  return typeof name === 'string' && (ALLOWED.has(name) || ALLOWED_PARTS.has(name));
}

function refused(what: string): ClusterError {
  return new ClusterError({
    code: 'MODEL_REFUSED',
    message: `this worker does not build the model that the coordinator sent: ${what} is not on its list`,
    next: 'A model with layers of its own needs the same --model file on this worker as on the coordinator.',
  });
}
