/**
 * Owns: putting weights into a tf.LayersModel by their saved names, as tf.loadLayersModel does; position counts only where names say nothing.
 * Does not: read files (load.ts) or import tfjs.
 */
import type * as tfjs from '@tensorflow/tfjs';

/** As in a weights manifest; `values` of all follow one another in this order. */
export interface NamedWeight {
  readonly name: string;
  readonly shape: readonly number[];
}

/** `manifest` absent: the values are in `model.weights` order. @throws Error saying which weight does not fit */
export function putWeights(
  tf: typeof tfjs,
  model: tfjs.LayersModel,
  { values, manifest = manifestOf(model) }: { values: Float32Array; manifest?: readonly NamedWeight[] | undefined },
): void {
  const wanted = manifestOf(model).reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  if (wanted !== values.length) throw new Error(`it holds ${values.length} weights, the topology wants ${wanted}`);
  tf.tidy(() => {
    let offset = 0;
    const tensors = manifest.map(({ shape }) => {
      offset += sizeOf(shape);
      return tf.tensor(values.slice(offset - sizeOf(shape), offset), [...shape], 'float32');
    });
    const byName = new Map(manifest.map(({ name }, index) => [name, tensors[index]]));
    if (byName.size === manifest.length && model.weights.every(({ originalName }) => byName.has(originalName))) {
      write(
        model,
        model.weights.map(({ originalName }) => byName.get(originalName) as tfjs.Tensor),
      );
    } else if (manifest.every(({ shape }, index) => String(shape) === String(model.weights[index]?.shape))) {
      write(model, tensors);
    } else {
      // Keras has names of its own, and tfjs knows them.
      model.loadWeights(Object.fromEntries(byName));
    }
  });
}

/** Names and shapes in `model.weights` order. */
export function manifestOf(model: tfjs.LayersModel): NamedWeight[] {
  return model.weights.map(({ originalName, shape }) => ({ name: originalName, shape: shape as number[] }));
}

function write(model: tfjs.LayersModel, tensors: readonly tfjs.Tensor[]): void {
  model.weights.forEach((weight, index) => {
    if (String(weight.shape) !== String(tensors[index].shape))
      throw new Error(
        `weight ${weight.originalName} is [${tensors[index].shape.join(', ')}], the topology wants [${weight.shape.join(', ')}]`,
      );
    weight.write(tensors[index]);
  });
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1);
}
