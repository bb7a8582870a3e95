/**
 * Owns: how large the products are that a model is made of, from its layers.
 * Does not: decide anything by it (common/thread_count.ts).
 */
import type * as tfjs from '@tensorflow/tfjs';
import type { ModelWork } from '../../common/thread_count.js';

type Shape = readonly (number | null)[];

/** A call of a layer in the model that it is looked at in: the layer may be part of others too. */
interface Call {
  readonly outboundLayer: tfjs.layers.Layer;
  readonly inputShapes: readonly Shape[];
  readonly outputShapes: readonly Shape[];
}

interface LayerInternals {
  /** Of a model: the calls it is made of. A Sequential has them in its inner model, once that is there. */
  readonly nodesByDepth?: Readonly<Record<string, readonly Call[]>>;
  readonly model?: LayerInternals | null;
  readonly layers?: readonly tfjs.layers.Layer[];
  readonly inboundNodes?: readonly Call[];
  readonly dataFormat?: string;
  /** Of a layer that wraps another one. */
  readonly layer?: unknown;
  /** Of a recurrent one: what it computes in each step of time. */
  readonly cell?: unknown;
}

/** Layers whose weights of two axes or more are not multiplied as matrices. */
const NO_PRODUCT: ReadonlySet<string> = new Set(['Embedding', 'PReLU']);

/** Each weight of two axes or more counts as a factor of one product; of a recurrent layer one in each step of time. Not known where an axis has no fixed extent. */
export function workOf(model: tfjs.LayersModel): ModelWork {
  const products = productsIn(model);
  const known = products.filter((each) => each !== null);
  const total = known.reduce((sum, each) => sum + each, 0);
  if (total === 0 || known.length < products.length) return { multiplyAdds: null };
  return { multiplyAdds: known.reduce((sum, each) => sum + each * each, 0) / total };
}

/** Of a model, or of a layer that is called as `call` says; nobody says it of one inside a wrapper. */
function productsIn(layer: tfjs.layers.Layer, call: Call | null = null): (number | null)[] {
  const { layer: wrapped } = layer as unknown as LayerInternals;
  const calls = callsIn(layer);
  if (calls !== null) return calls.flatMap((each) => productsIn(each.outboundLayer, each));
  // Bidirectional has copies of what it wraps.
  if (isLayer(wrapped) && wrapped.weights.length > 0) return productsIn(wrapped);
  if (NO_PRODUCT.has(layer.getClassName())) return [];
  const kernels = layer.weights.filter(({ shape }) => shape.length >= 2);
  return kernels.map(({ shape }) => {
    const places = placesOf(layer, call, shape.length);
    return places === null ? null : places * (shape as number[]).reduce((a, b) => a * b, 1);
  });
}

/** Null for a layer that is no model. */
function callsIn(layer: tfjs.layers.Layer): readonly Call[] | null {
  const { model, nodesByDepth, layers } = layer as unknown as LayerInternals;
  if (nodesByDepth === undefined) return null;
  const own = Object.values((model ?? { nodesByDepth }).nodesByDepth ?? {}).flat();
  if (own.length > 0) return own;
  return (layers ?? []).flatMap((each) => (each as unknown as LayerInternals).inboundNodes?.slice(0, 1) ?? []);
}

/** Positions of one row at which a kernel of so many axes is applied at once. */
function placesOf(layer: tfjs.layers.Layer, call: Call | null, axes: number): number | null {
  const { dataFormat, layer: wrapped, cell } = layer as unknown as LayerInternals;
  // Inside a wrapper or over time: one position after the other, which of images have an extent that nobody says.
  if (call === null || isLayer(wrapped) || cell !== undefined) return axes === 2 ? 1 : null;
  const [shape] = layer.getClassName() === 'Conv2DTranspose' ? call.inputShapes : call.outputShapes;
  const places = dataFormat === 'channelsFirst' ? shape.slice(2) : shape.slice(1, -1);
  return places.reduce<number | null>((all, extent) => (all === null || extent === null ? null : all * extent), 1);
}

function isLayer(value: unknown): value is tfjs.layers.Layer {
  return Array.isArray((value as Partial<tfjs.layers.Layer> | undefined)?.weights);
}
