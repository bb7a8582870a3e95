/**
 * Owns: tfjs's random layers on keyed numbers, in every training step that gives keys: dropout, noise, and the masks of recurrent layers; outside of
 * one they are tfjs's own. Does not: give keys (the training step) or draw (keyed_random.ts, dropout.ts).
 */
import type * as tfjs from '@tensorflow/tfjs';
import { tf } from '../backend/tfjs.js';
import { keyedDropout } from './dropout.js';
import { BACKEND_NAME, kernelBackend } from '../backend/kernel_backend.js';
import { forAllExamples, keyedNumbers, randomProvider, type DropoutDraw } from './keyed_random.js';
import { replaceKernel } from '../backend/replace_kernel.js';

type Inputs = tfjs.Tensor | tfjs.Tensor[];
type Kwargs = Record<string, unknown>;
interface CallableLayer {
  call(inputs: Inputs, kwargs: Kwargs): Inputs;
  invokeCallHook(inputs: Inputs, kwargs: Kwargs): void;
}
interface DropoutLayer extends CallableLayer {
  rate: number;
  noiseShape?: (number | null)[];
  getNoiseShape(input: tfjs.Tensor): number[] | null | undefined;
}
interface NoiseLayer extends CallableLayer {
  stddev: number;
  rate: number;
  noiseShape?: number[];
}
interface Cell extends CallableLayer {
  dropoutFunc?: (ones: tfjs.Tensor, rate: number) => tfjs.Tensor;
  dropoutMask?: tfjs.Tensor | tfjs.Tensor[] | null;
  recurrentDropoutMask?: tfjs.Tensor | tfjs.Tensor[] | null;
  cells?: Cell[];
}

/** Name of layers made only to find their class; without one, tfjs would count them and number the user's layers differently. */
export const PROBE = 'tfjs_parallel_probe';

export function installRandomLayers(): void {
  installDropout();
  installNoise();
  installRecurrentMasks();
  installMultinomial();
}

function installDropout(): void {
  // SpatialDropout1D inherits from it.
  const dropout = prototypeOf<DropoutLayer>(tf.layers.dropout({ name: PROBE, rate: 0.5 }));
  const plainDropout = dropout.call;
  dropout.call = function (this: DropoutLayer, inputs, kwargs) {
    const provider = randomProvider();
    if (provider === undefined || !kwargs['training'] || this.rate <= 0 || this.rate >= 1)
      return plainDropout.call(this, inputs, kwargs);
    return tf.tidy(() => {
      this.invokeCallHook(inputs, kwargs);
      const x = single(inputs);
      const draw = provider(this as unknown as tfjs.layers.Layer, this.rate);
      const { key, position } = this.noiseShape?.[0] === 1 ? forAllExamples(draw) : draw;
      return keyedDropout(x, this.rate, key, position, this.getNoiseShape(x) ?? x.shape);
    });
  };
}

/** tfjs-layers' formulas (layers/noise.ts). */
function installNoise(): void {
  const normal = (shape: readonly number[], draw: DropoutDraw): tfjs.Tensor => keyedNumbers(shape, 'normal', draw);
  replaceNoise(tf.layers.gaussianNoise({ name: PROBE, stddev: 1 }), ({ stddev }, x, draw) =>
    tf.add(x, tf.mul(normal(x.shape, draw), stddev)),
  );
  replaceNoise(tf.layers.gaussianDropout({ name: PROBE, rate: 0.5 }), ({ rate }, x, draw) =>
    tf.mul(x, tf.add(1, tf.mul(normal(x.shape, draw), Math.sqrt(rate / (1 - rate))))),
  );
  replaceNoise(tf.layers.alphaDropout({ name: PROBE, rate: 0.5 }), ({ rate, noiseShape }, x, draw) => {
    // As in tfjs, whose dropped units are +1.758 (Keras's are −1.758): docs/models.md.
    const saturated = -tf.backend_util.SELU_SCALEALPHA;
    const shared = noiseShape !== undefined && noiseShape[0] === 1;
    const numbers = keyedNumbers(noiseShape ?? x.shape, 'uniform', shared ? forAllExamples(draw) : draw);
    const kept = tf.cast(tf.greaterEqual(numbers, rate), 'float32');
    const scale = ((1 - rate) * (1 + rate * saturated ** 2)) ** -0.5;
    const dropped = tf.add(tf.mul(x, kept), tf.mul(tf.sub(kept, 1), saturated));
    return tf.add(tf.mul(dropped, scale), -scale * saturated * rate);
  });
}

function replaceNoise(
  probe: tfjs.layers.Layer,
  noised: (layer: NoiseLayer, x: tfjs.Tensor, draw: DropoutDraw) => tfjs.Tensor,
): void {
  const prototype = prototypeOf<NoiseLayer>(probe);
  const plainCall = prototype.call;
  prototype.call = function (this: NoiseLayer, inputs, kwargs) {
    const provider = randomProvider();
    const { rate = 0.5 } = this;
    if (provider === undefined || !kwargs['training'] || rate <= 0 || rate >= 1) return plainCall.call(this, inputs, kwargs);
    return tf.tidy(() => {
      this.invokeCallHook(inputs, kwargs);
      return noised(this, single(inputs), provider(undefined, rate));
    });
  };
}

/**
 * A recurrent layer draws one mask per gate and call, for all its steps, and keeps it in its cell until it is called again; a layer made of a cell of
 * its own (tf.layers.rnn) for ever. A recording, and a step that gives keys, must leave nothing behind, and draw anew at each call.
 */
function installRecurrentMasks(): void {
  const cells = [
    tf.layers.simpleRNNCell({ name: PROBE, units: 1 }),
    tf.layers.gruCell({ name: PROBE, units: 1 }),
    tf.layers.lstmCell({ name: PROBE, units: 1 }),
    tf.layers.convLstm2dCell({ name: PROBE, filters: 1, kernelSize: 1 }),
  ];
  for (const cell of cells) {
    const prototype = prototypeOf<Cell>(cell as unknown as tfjs.layers.Layer);
    const plainCall = prototype.call;
    prototype.call = function (this: Cell, inputs, kwargs) {
      const provider = randomProvider();
      if (provider === undefined || this.dropoutFunc) return plainCall.call(this, inputs, kwargs);
      this.dropoutFunc = (ones, rate) => {
        const { key, position } = provider(undefined, rate);
        return keyedDropout(ones, rate, key, position);
      };
      try {
        return plainCall.call(this, inputs, kwargs);
      } finally {
        delete this.dropoutFunc;
      }
    };
  }
  const layers = [
    tf.layers.rnn({ name: PROBE, cell: cells[0] }),
    tf.layers.simpleRNN({ name: PROBE, units: 1 }),
    tf.layers.gru({ name: PROBE, units: 1 }),
    tf.layers.lstm({ name: PROBE, units: 1 }),
    tf.layers.convLstm2d({ name: PROBE, filters: 1, kernelSize: 1 }),
  ];
  for (const layer of layers) {
    const prototype = prototypeOf<CallableLayer & { cell: Cell }>(layer as unknown as tfjs.layers.Layer);
    const plainCall = prototype.call;
    prototype.call = function (this: CallableLayer & { cell: Cell }, inputs, kwargs) {
      if (randomProvider() === undefined && !isRecording()) return plainCall.call(this, inputs, kwargs);
      return withOwnMasks(this.cell, () => plainCall.call(this, inputs, kwargs));
    };
  }
}

function isRecording(): boolean {
  return tf.getBackend() === BACKEND_NAME && kernelBackend().binding.recorder !== undefined;
}

/** What is drawn in `body` ends with it; masks of an earlier call are put aside and back: a recording must not dispose them. */
function withOwnMasks<Result>(cell: Cell, body: () => Result): Result {
  const all = [cell, ...(cell.cells ?? [])];
  const aside = all.map(({ dropoutMask, recurrentDropoutMask }) => ({ dropoutMask, recurrentDropoutMask }));
  for (const one of all) Object.assign(one, NO_MASKS);
  try {
    return body();
  } finally {
    all.forEach((one, index) => {
      for (const mask of [one.dropoutMask, one.recurrentDropoutMask]) if (mask) tf.dispose(mask);
      Object.assign(one, aside[index]);
    });
  }
}

const NO_MASKS = { dropoutMask: null, recurrentDropoutMask: null };

/**
 * tf.multinomial of probabilities, which tfjs-node refuses, and in a training step of keyed numbers: the largest of log p − log(−log u) is drawn with
 * probability p (Gumbel). Each row is an example.
 */
function installMultinomial(): void {
  replaceKernel('Multinomial', (plain) => (args) => {
    const { numSamples, seed, normalized } = args.attrs as { numSamples: number; seed: number; normalized: boolean };
    const given = args.inputs.logits as tfjs.Tensor;
    const provider = randomProvider();
    if (provider === undefined && !normalized) return plain(args);
    return tf.tidy(() => {
      const logits = normalized ? tf.log(given) : given;
      if (provider === undefined)
        return plain({ ...args, inputs: { logits }, attrs: { numSamples, seed, normalized: false } }) as tfjs.Tensor;
      const [rows, outcomes] = logits.shape;
      const numbers = keyedNumbers([rows, numSamples, outcomes], 'uniform', provider(undefined, 0));
      // u lies on a grid of 2^-23; the middle of its cell is never 0 or 1.
      const gumbel = tf.neg(tf.log(tf.neg(tf.log(tf.add(numbers, 2 ** -24)))));
      return tf.argMax(tf.add(tf.reshape(logits, [rows, 1, outcomes]), gumbel), -1);
    });
  });
}

function prototypeOf<Layer>(layer: tfjs.layers.Layer): Layer {
  return Object.getPrototypeOf(layer) as Layer;
}

function single(inputs: Inputs): tfjs.Tensor {
  return Array.isArray(inputs) ? inputs[0] : inputs;
}
