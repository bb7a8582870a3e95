/**
 * Owns: putting the fused ops under tfjs, so that every tf.LayersModel gets them unchanged, and where a training step has batch statistics go.
 * Does not: know the step, the seed or the moving averages of a run.
 */
import type * as tfjs from '@tensorflow/tfjs';
import { tf } from '../backend/tfjs.js';
import { installActivationOps } from './activation_ops.js';
import { batchNormComposed, batchNormLastAxis } from './batch_norm.js';
import { installBiasOps } from './bias_ops.js';
import { BACKEND_NAME } from '../backend/kernel_backend.js';
import { layerNormLastAxis } from './layer_norm.js';
import { installMergeMasks } from '../backend/merge_masks.js';
import { installRandomLayers, PROBE } from './random_layers.js';
import { installRecordableKernels } from '../backend/recordable_kernels.js';
import { installReductionGradients } from './reduction_gradients.js';
import { isDifferentiatedTwice } from '../backend/replace_gradient.js';

export type BatchStatisticsSink = (layer: tfjs.layers.Layer, mean: tfjs.Tensor1D, biasedVariance: tfjs.Tensor1D) => void;

let statisticsSink: BatchStatisticsSink | undefined;
let installed = false;

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
  installBiasOps();
  installRecordableKernels();
  installReductionGradients();
  installBatchNorm();
  installLayerNorm();
  installRandomLayers();
  installMergeMasks({ add: tf.layers.add({ name: PROBE }), concatenate: tf.layers.concatenate({ name: PROBE }) });
}

type Inputs = tfjs.Tensor | tfjs.Tensor[];
type Kwargs = Record<string, unknown>;
interface CallableLayer {
  call(inputs: Inputs, kwargs: Kwargs): Inputs;
  invokeCallHook(inputs: Inputs, kwargs: Kwargs): void;
}
interface LayerNormLayer extends CallableLayer {
  /** Counted from the front once it is built. */
  axis: readonly number[];
  epsilon: number;
  gamma: tfjs.LayerVariable | null;
  beta: tfjs.LayerVariable | null;
}
interface BatchNormLayer extends CallableLayer {
  /** A list of one in every model converted from Keras 2. */
  axis: number | readonly number[];
  epsilon: number;
  momentum: number;
  gamma?: tfjs.LayerVariable;
  beta?: tfjs.LayerVariable;
  movingMean: tfjs.LayerVariable;
  movingVariance: tfjs.LayerVariable;
}

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
      const gamma = (this.gamma?.read() ?? tf.ones([channels])) as tfjs.Tensor1D;
      const beta = (this.beta?.read() ?? tf.zeros([channels])) as tfjs.Tensor1D;
      const parts = { gamma, beta, epsilon: this.epsilon };
      const { normalized, mean, biasedVariance } =
        axis === x.rank - 1 && x.rank > 1 && !isDifferentiatedTwice()
          ? batchNormLastAxis(x, parts)
          : batchNormComposed(x, axis, parts);
      if (statisticsSink !== undefined) statisticsSink(this as unknown as tfjs.layers.Layer, mean, biasedVariance);
      else {
        moveTowards(this.movingMean, mean, this.momentum);
        moveTowards(this.movingVariance, biasedVariance, this.momentum);
      }
      return normalized;
    });
  };
}

/** tfjs-layers' update (layers/normalization.ts): moving −= (moving − value) · (1 − momentum). */
function moveTowards(moving: tfjs.LayerVariable, value: tfjs.Tensor, momentum: number): void {
  const current = moving.read();
  moving.write(tf.sub(current, tf.mul(tf.sub(current, value), 1 - momentum)));
}

/** tfjs's own repeats mean, variance, gamma and beta for every element before it uses them. */
function installLayerNorm(): void {
  const prototype = prototypeOf<LayerNormLayer>(tf.layers.layerNormalization({ name: PROBE }));
  const plainCall = prototype.call;
  prototype.call = function (this: LayerNormLayer, inputs, kwargs) {
    const x = single(inputs);
    const isLastAlone = this.axis.length === 1 && this.axis[0] === x.rank - 1;
    if (!isLastAlone || tf.getBackend() !== BACKEND_NAME || x.dtype !== 'float32' || x.size === 0 || isDifferentiatedTwice())
      return plainCall.call(this, inputs, kwargs);
    const [gamma, beta] = [this.gamma?.read(), this.beta?.read()];
    return tf.tidy(() => layerNormLastAxis(x, { gamma, beta, epsilon: this.epsilon }));
  };
}

function prototypeOf<Layer>(layer: tfjs.layers.Layer): Layer {
  return Object.getPrototypeOf(layer) as Layer;
}

function single(inputs: Inputs): tfjs.Tensor {
  return Array.isArray(inputs) ? inputs[0] : inputs;
}
