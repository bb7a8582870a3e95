/** What a training cannot have, with the code that says so, and how a user would write it after a layer that learns. */
export interface RefusedLayer {
  readonly code: 'MODEL_FAILS' | 'MODEL_READS_DATA';
  readonly why: string;
  /** Of one example that it takes. */
  readonly shape: readonly number[];
  readonly layer: string;
}

const NO_GRADIENT = 'tfjs has no gradient of it';

export const REFUSED_LAYERS: Readonly<Record<string, RefusedLayer>> = {
  Conv3DTranspose: {
    code: 'MODEL_FAILS',
    why: NO_GRADIENT,
    shape: [1, 2, 3, 1],
    layer: 'tf.layers.conv3dTranspose({ filters: 1, kernelSize: 2 })',
  },
  ThresholdedReLU: { code: 'MODEL_FAILS', why: NO_GRADIENT, shape: [6], layer: 'tf.layers.thresholdedReLU({ theta: 0.1 })' },
  'dilated convolutions': {
    code: 'MODEL_FAILS',
    why: NO_GRADIENT,
    shape: [6, 1],
    layer: 'tf.layers.conv1d({ filters: 1, kernelSize: 2, dilationRate: 2 })',
  },
  'causal convolutions': {
    code: 'MODEL_FAILS',
    why: NO_GRADIENT,
    shape: [6, 1],
    layer: "tf.layers.conv1d({ filters: 1, kernelSize: 2, padding: 'causal' })",
  },
  Resizing: {
    code: 'MODEL_FAILS',
    why: 'tfjs forgets the batch in the shape of its output',
    shape: [3, 2, 1],
    layer: 'tf.layers.resizing({ height: 2, width: 2 })',
  },
  CategoryEncoding: {
    code: 'MODEL_READS_DATA',
    why: 'it reads values in JavaScript',
    shape: [6],
    layer: "tf.layers.categoryEncoding({ numTokens: 9, outputMode: 'multiHot' })",
  },
};
