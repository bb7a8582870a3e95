/**
 * Owns: how large the products are that a model is made of, from its layers.
 * Does not: decide anything by it (common/thread_count.ts).
 */
import type * as tfjs from '@tensorflow/tfjs';
import type { ModelWork } from '../../common/thread_count.js';
import { flattenLayers } from './model_layout.js';

interface LayerInternals {
  readonly inboundNodes?: readonly { readonly inputShapes: readonly Shape[]; readonly outputShapes: readonly Shape[] }[];
  readonly dataFormat?: string;
  /** Of a layer that wraps another one, which is looked at by itself where it has the weights (Bidirectional has copies of it). */
  readonly layer?: tfjs.layers.Layer;
  /** Of a recurrent one: what it computes in each step of time. */
  readonly cell?: unknown;
}

type Shape = readonly (number | null)[];

/** Layers whose weights of two axes or more are not multiplied as matrices. */
const NO_PRODUCT: ReadonlySet<string> = new Set(['Embedding', 'PReLU']);

/** Each weight of two axes or more counts as a factor of one product; of a recurrent layer one in each step of time. Not known where an axis has no fixed extent. */
export function workOf(model: tfjs.LayersModel): ModelWork {
  const products = flattenLayers(model).flatMap(productsOf);
  const known = products.filter((each) => each !== null);
  if (known.length === 0 || known.length < products.length) return { multiplyAdds: null };
  const total = known.reduce((sum, each) => sum + each, 0);
  return { multiplyAdds: total === 0 ? null : known.reduce((sum, each) => sum + each * each, 0) / total };
}

function productsOf(layer: tfjs.layers.Layer): (number | null)[] {
  const { layer: wrapped } = layer as unknown as LayerInternals;
  if ((wrapped?.weights.length ?? 0) > 0 || NO_PRODUCT.has(layer.getClassName())) return [];
  const kernels = layer.weights.filter(({ shape }) => shape.length >= 2);
  return kernels.map(({ shape }) => {
    const places = placesOf(layer, shape.length);
    return places === null ? null : places * (shape as number[]).reduce((a, b) => a * b, 1);
  });
}

/** Positions of one row at which a kernel of so many axes is applied at once. */
function placesOf(layer: tfjs.layers.Layer, axes: number): number | null {
  const { inboundNodes, dataFormat, layer: wrapped, cell } = layer as unknown as LayerInternals;
  const [node] = inboundNodes ?? [];
  // Inside a wrapper or over time: one position after the other, which of images have an extent that nobody says.
  if (node === undefined || wrapped !== undefined || cell !== undefined) return axes === 2 ? 1 : null;
  const [shape] = layer.getClassName() === 'Conv2DTranspose' ? node.inputShapes : node.outputShapes;
  const places = dataFormat === 'channelsFirst' ? shape.slice(2) : shape.slice(1, -1);
  return places.reduce<number | null>((all, extent) => (all === null || extent === null ? null : all * extent), 1);
}
