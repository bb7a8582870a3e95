/**
 * Owns: masks of a model's outputs: which positions of a sequence count, as its layers (Masking, an embedding with maskZero) say and hand on. tfjs
 * computes them on the way and drops them at the end; here the layers of the outputs are listened to.
 * Does not: apply them (objective/example_sums.ts).
 */
import type * as tfjs from '@tensorflow/tfjs';
import { UsageError } from '../../common/errors.js';

interface Listened {
  computeMask(inputs: unknown, mask?: unknown): tfjs.Tensor | (tfjs.Tensor | null)[] | null;
}

export type Outputs = tfjs.Tensor[];

export interface OutputMasks {
  /** By output: whether it may be masked. */
  readonly masked: readonly boolean[];
  /** Outputs of one call of the model, and their masks, null where an output has none. The masks are the caller's to dispose. */
  during(apply: () => Outputs): { readonly outputs: Outputs; readonly masks: readonly (tfjs.Tensor | null)[] };
}

/** `tryOut` applies the model to one example. @throws UsageError MODEL_MASKS */
export function listenToMasks(tf: typeof tfjs, model: tfjs.LayersModel, tryOut: () => Outputs): OutputMasks {
  const sources = model.outputs.map(({ sourceLayer }) => sourceLayer);
  const heard = new Map<tfjs.layers.Layer, (tfjs.Tensor | null)[]>(sources.map((layer) => [layer, []]));
  let listening = false;
  for (const [layer, calls] of heard) {
    const own = layer as unknown as Listened;
    const original = own.computeMask.bind(layer);
    own.computeMask = (inputs, given) => {
      const mask = original(inputs, given);
      const first = Array.isArray(mask) ? mask[0] : mask;
      // The model's own call, with a list of masks; the layer's apply asks too, and knows none. tfjs disposes of masks at the end.
      if (listening && Array.isArray(given)) calls.push(first === null || first === undefined ? null : tf.keep(tf.clone(first)));
      return mask;
    };
  }
  const during = (apply: () => Outputs): ReturnType<OutputMasks['during']> => {
    for (const calls of heard.values()) calls.length = 0;
    listening = true;
    try {
      const outputs = apply();
      const masks = outputs.map((output, at) => positionsOf(heard.get(sources[at])?.at(-1) ?? null, output));
      for (const calls of heard.values()) calls.forEach((mask) => mask !== null && !masks.includes(mask) && mask.dispose());
      return { outputs, masks };
    } finally {
      listening = false;
    }
  };
  const masked = tf.tidy(() => {
    const { masks } = during(tryOut);
    for (const [layer, calls] of heard) requireOnce(layer, calls, masks);
    const found = masks.map((mask) => mask !== null);
    tf.dispose(masks as tfjs.TensorContainer);
    return found;
  });
  return { masked, during };
}

/** A mask of positions that hold several values, `[n, t]` of `[n, t, k]`; of another shape it says nothing about this output. */
function positionsOf(mask: tfjs.Tensor | null, { shape }: tfjs.Tensor): tfjs.Tensor | null {
  return mask !== null && mask.rank < shape.length && mask.shape.every((extent, axis) => extent === shape[axis]) ? mask : null;
}

/** Which of several calls a mask is of could not be told. */
function requireOnce(layer: tfjs.layers.Layer, calls: readonly unknown[], masks: readonly (tfjs.Tensor | null)[]): void {
  if (calls.length < 2 || masks.every((mask) => mask === null)) return;
  throw new UsageError({
    code: 'MODEL_MASKS',
    message: `layer ${layer.name} gives masked outputs of the model in ${calls.length} calls, and their masks cannot be told apart`,
    next: 'End each masked output in a layer of its own, such as tf.layers.activation({ activation: "linear" }).',
  });
}
