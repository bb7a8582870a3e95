/**
 * Owns: putting weights into a tf.LayersModel by their saved names, and reading them out.
 * Does not: read files (load.ts), match names (common/weight_names.ts) or import tfjs.
 */
import type * as tfjs from '@tensorflow/tfjs';
import { matchWeights, type NamedWeight } from '../common/weight_names.js';

/** `manifest` absent: the values are in `model.weights` order. @throws Error saying which weights have no place */
export function putWeights(
  tf: typeof tfjs,
  model: tfjs.LayersModel,
  { values, manifest = manifestOf(model) }: { values: Float32Array; manifest?: readonly NamedWeight[] | undefined },
): void {
  const places = placesOf(manifestOf(model), manifest);
  const starts: number[] = [];
  let end = 0;
  for (const { shape } of manifest) {
    starts.push(end);
    end += sizeOf(shape);
  }
  if (end !== values.length) throw new Error(`it holds ${values.length} values, its weights' shapes want ${end}`);
  tf.tidy(() => {
    model.weights.forEach((weight, index) => {
      const { shape } = manifest[places[index]];
      const start = starts[places[index]];
      // Not `write`, which holds a weight to its constraint: a constraint is for what a step made.
      (weight as unknown as { val: tfjs.Variable }).val.assign(
        tf.tensor(values.slice(start, start + sizeOf(shape)), [...shape], 'float32'),
      );
    });
  });
}

/** The inverse: the model's weights in the order of `manifest`, which names all of them. */
export function readWeights(model: tfjs.LayersModel, manifest: readonly NamedWeight[] = manifestOf(model)): Float32Array {
  const values = new Float32Array(manifest.reduce((sum, { shape }) => sum + sizeOf(shape), 0));
  let start = 0;
  weightsInOrder(model, manifest).forEach((weight, at) => {
    values.set(weight.read().dataSync(), start);
    start += sizeOf(manifest[at].shape);
  });
  return values;
}

/** The model's weights in the order of `manifest`, which names all of them. */
export function weightsInOrder(model: tfjs.LayersModel, manifest: readonly NamedWeight[]): tfjs.LayersModel['weights'] {
  const ordered: tfjs.LayersModel['weights'] = [];
  placesOf(manifestOf(model), manifest).forEach((place, index) => (ordered[place] = model.weights[index]));
  return ordered;
}

/** By name; by position only between a model and its own copy, whose names are the same to the letter, twice or not. */
function placesOf(wanted: readonly NamedWeight[], found: readonly NamedWeight[]): readonly number[] {
  const isCopy =
    wanted.length === found.length &&
    wanted.every(({ name, shape }, at) => name === found[at].name && String(shape) === String(found[at].shape));
  if (isCopy) return [...wanted.keys()];
  const match = matchWeights(wanted, found);
  if (match.kind === 'unmatched') throw new Error(match.difference);
  return match.places;
}

/** Names and shapes in `model.weights` order. */
export function manifestOf(model: tfjs.LayersModel): NamedWeight[] {
  return model.weights.map(({ originalName, shape }) => ({ name: originalName, shape: shape as number[] }));
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1);
}
