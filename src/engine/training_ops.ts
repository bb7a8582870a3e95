/**
 * Owns: putting the fused ops under tfjs, so that every tf.LayersModel gets them unchanged, and what a training step binds around a model:
 * dropout keys and the place where batch statistics go. Does not: know the step, the seed or the moving averages of a run.
 */
import * as tf from '@tensorflow/tfjs';
import { UsageError } from '../common/errors.js';
import type { PhiloxKey } from '../common/random.js';
import { installActivationOps, isDifferentiatedTwice } from './activation_ops.js';
import { batchNormComposed, batchNormLastAxis } from './batch_norm.js';
import { keyedDropout } from './dropout.js';
import { BACKEND_NAME } from './kernel_backend.js';
import { installRecordableKernels } from './recordable_kernels.js';

export interface DropoutDraw {
  key: PhiloxKey;
  /** int32 [4]: step low word, step high word, index of the first example in the global batch, 0. */
  position: tf.Tensor;
}
export type DropoutProvider = (layer: tf.layers.Layer, rate: number) => DropoutDraw;
export type BatchStatisticsSink = (layer: tf.layers.Layer, mean: tf.Tensor1D, biasedVariance: tf.Tensor1D) => void;

let dropoutProvider: DropoutProvider | undefined;
let statisticsSink: BatchStatisticsSink | undefined;
let installed = false;

/** Dropout layers called in `body` with training = true draw keyed masks. */
export function withDropout<Result>(provider: DropoutProvider, body: () => Result): Result {
  const outer = dropoutProvider;
  dropoutProvider = provider;
  try {
    return body();
  } finally {
    dropoutProvider = outer;
  }
}

/** Batch-norm layers called in `body` with training = true report their batch's statistics and leave their moving statistics as they are. */
export function withBatchStatistics<Result>(sink: BatchStatisticsSink, body: () => Result): Result {
  const outer = statisticsSink;
  statisticsSink = sink;
  try {
    return body();
  } finally {
    statisticsSink = outer;
  }
}

/** Once per thread; the kernels it replaces are those of the engine's backend. */
export function installTrainingOps(): void {
  if (installed) return;
  installed = true;
  installActivationOps();
  installRecordableKernels();
  installBatchNorm();
  installDropout();
}

type Inputs = tf.Tensor | tf.Tensor[];
type Kwargs = Record<string, unknown>;
interface CallableLayer {
  call(inputs: Inputs, kwargs: Kwargs): Inputs;
  invokeCallHook(inputs: Inputs, kwargs: Kwargs): void;
}
interface BatchNormLayer extends CallableLayer {
  /** A list of one in every model converted from Keras 2. */
  axis: number | readonly number[];
  epsilon: number;
  momentum: number;
  gamma?: tf.LayerVariable;
  beta?: tf.LayerVariable;
  movingMean: tf.LayerVariable;
  movingVariance: tf.LayerVariable;
}
interface DropoutLayer extends CallableLayer {
  rate: number;
  getNoiseShape(input: tf.Tensor): number[] | null | undefined;
}

/** Name of layers made only to find their class; without one, tfjs would count them and number the user's layers differently. */
const PROBE = 'tfjs_parallel_probe';

function installBatchNorm(): void {
  const prototype = prototypeOf<BatchNormLayer>(tf.layers.batchNormalization({ name: PROBE }));
  const plainCall = prototype.call;
  prototype.call = function (this: BatchNormLayer, inputs, kwargs) {
    const x = single(inputs);
    if (!kwargs['training'] || tf.getBackend() !== BACKEND_NAME || x.dtype !== 'float32' || x.size === 0)
      return plainCall.call(this, inputs, kwargs);
    return tf.tidy(() => {
      const given = typeof this.axis === 'number' ? this.axis : this.axis[0];
      const axis = given < 0 ? given + x.rank : given;
      const channels = x.shape[axis];
      const gamma = (this.gamma?.read() ?? tf.ones([channels])) as tf.Tensor1D;
      const beta = (this.beta?.read() ?? tf.zeros([channels])) as tf.Tensor1D;
      const parts = { gamma, beta, epsilon: this.epsilon };
      const { normalized, mean, biasedVariance } =
        axis === x.rank - 1 && x.rank > 1 && !isDifferentiatedTwice()
          ? batchNormLastAxis(x, parts)
          : batchNormComposed(x, axis, parts);
      if (statisticsSink !== undefined) statisticsSink(this as unknown as tf.layers.Layer, mean, biasedVariance);
      else {
        moveTowards(this.movingMean, mean, this.momentum);
        moveTowards(this.movingVariance, biasedVariance, this.momentum);
      }
      return normalized;
    });
  };
}

/** tfjs-layers' update (layers/normalization.ts): moving −= (moving − value) · (1 − momentum). */
function moveTowards(moving: tf.LayerVariable, value: tf.Tensor, momentum: number): void {
  const current = moving.read();
  moving.write(tf.sub(current, tf.mul(tf.sub(current, value), 1 - momentum)));
}

function installDropout(): void {
  // SpatialDropout1D inherits from it.
  const dropout = prototypeOf<DropoutLayer>(tf.layers.dropout({ name: PROBE, rate: 0.5 }));
  const plainDropout = dropout.call;
  dropout.call = function (this: DropoutLayer, inputs, kwargs) {
    if (dropoutProvider === undefined || !kwargs['training'] || this.rate <= 0 || this.rate >= 1) {
      return plainDropout.call(this, inputs, kwargs);
    }
    const provider = dropoutProvider;
    return tf.tidy(() => {
      this.invokeCallHook(inputs, kwargs);
      const x = single(inputs);
      const { key, position } = provider(this as unknown as tf.layers.Layer, this.rate);
      return keyedDropout(x, this.rate, key, position, this.getNoiseShape(x) ?? x.shape);
    });
  };
  const noisy = [
    tf.layers.gaussianNoise({ name: PROBE, stddev: 1 }),
    tf.layers.gaussianDropout({ name: PROBE, rate: 0.5 }),
    tf.layers.alphaDropout({ name: PROBE, rate: 0.5 }),
  ];
  for (const layer of noisy) {
    const prototype = prototypeOf<CallableLayer>(layer);
    const plainCall = prototype.call;
    const name = layer.getClassName();
    prototype.call = function (this: CallableLayer, inputs, kwargs) {
      if (dropoutProvider !== undefined && kwargs['training']) {
        throw new UsageError({
          code: 'LAYER_DRAWS_RANDOM',
          message: `${name} draws random numbers that depend on who computes`,
          next: 'Use a dropout layer: its masks are keyed by seed, step and example.',
        });
      }
      return plainCall.call(this, inputs, kwargs);
    };
  }
}

function prototypeOf<Layer>(layer: tf.layers.Layer): Layer {
  return Object.getPrototypeOf(layer) as Layer;
}

function single(inputs: Inputs): tf.Tensor {
  return Array.isArray(inputs) ? inputs[0] : inputs;
}
