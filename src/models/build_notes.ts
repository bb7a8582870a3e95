/**
 * Owns: what tfjs's own JSON of a model forgets and a build must know: which weights are frozen, which layers compute as in inference.
 * Does not: build (build.ts) or write the JSON (topology.ts).
 *
 * Both stand beside `class_name` and `config` of the outermost model, where tfjs does not look. A frozen weight is frozen as a weight, so that
 * neither a wrapper nor a cell can forget it.
 */
import type * as tfjs from '@tensorflow/tfjs';

export interface BuildNotes {
  /** Names of weights that no layer's `trainable` says are frozen. */
  readonly frozen_weights?: readonly string[];
  /** Layers that Keras calls with `training=False`, each by the names of the models around it and its own. */
  readonly inference_layers?: readonly string[];
}

export interface LayerJson {
  readonly class_name?: string;
  readonly name?: string;
  readonly config: { readonly name?: string; readonly trainable?: boolean; readonly layers?: LayerJson[] } & Record<
    string,
    unknown
  >;
}

/** Parts of tfjs's layers that have no public type. */
interface LayerParts {
  readonly layers?: tfjs.layers.Layer[];
  /** Of TimeDistributed. */
  readonly layer?: tfjs.layers.Layer;
  readonly forwardLayer?: tfjs.layers.Layer;
  readonly backwardLayer?: tfjs.layers.Layer;
  readonly cell?: tfjs.layers.Layer;
  readonly cells?: tfjs.layers.Layer[];
  readonly _trainableWeights?: tfjs.LayerVariable[];
}

function partsOf(layer: tfjs.layers.Layer | tfjs.LayersModel): LayerParts {
  return layer as unknown as LayerParts;
}

/** Layers right inside a model, a wrapper or a recurrent layer. */
export function innerLayers(layer: tfjs.layers.Layer | tfjs.LayersModel): tfjs.layers.Layer[] {
  const { layers, layer: wrapped, forwardLayer, backwardLayer, cell, cells } = partsOf(layer);
  if (forwardLayer && backwardLayer) return [forwardLayer, backwardLayer];
  return layers ?? cells ?? [wrapped, cell].filter((inner) => inner !== undefined);
}

const INFERENCE = Symbol('computes as in inference');

/** Does what a topology says beside tfjs's part of it. @throws Error where it speaks of what the model has not */
export function applyNotes(model: tfjs.LayersModel, json: LayerJson & BuildNotes): void {
  freezeAsWritten(model, json);
  const byName = new Map(model.weights.map((weight) => [weight.originalName, weight]));
  for (const name of json.frozen_weights ?? []) {
    const weight = byName.get(name);
    if (weight === undefined) throw new Error(`its frozen weight ${name} is in no layer`);
    freeze(weight);
  }
  for (const path of json.inference_layers ?? []) computeAsInInference(layerAt(model, path.split('/')));
}

/** `trainable: false` of a nested model, a wrapper or a cell, which tfjs reads past. */
function freezeAsWritten(layer: tfjs.layers.Layer | tfjs.LayersModel, { config }: LayerJson): void {
  if (config.trainable === false) layer.weights.forEach(freeze);
  // A recurrent layer repeats its cell's configuration beside the cell.
  const inner = (config.cell === undefined ? [config.layers, config.layer, config.cells] : [config.cell])
    .flat()
    .filter((part) => part !== undefined) as LayerJson[];
  const present = innerLayers(layer);
  inner.forEach((json, index) => {
    const name = json.config.name ?? json.name;
    const found = present.find((other) => other.name === name);
    if (found !== undefined) freezeAsWritten(found, json);
    // One configuration for both directions of a Bidirectional, and cells that a recurrent layer makes itself.
    else if (config.layer !== undefined) present.forEach((direction) => freezeAsWritten(direction, json));
    else if (present[index] !== undefined && present.length === inner.length) freezeAsWritten(present[index], json);
  });
}

function freeze(weight: { trainable?: boolean }): void {
  weight.trainable = false;
}

function layerAt(model: tfjs.LayersModel, path: readonly string[]): tfjs.layers.Layer {
  let layers = model.layers;
  let found: tfjs.layers.Layer | undefined;
  for (const name of path) {
    found = layers.find((layer) => layer.name === name);
    if (found === undefined) break;
    layers = innerLayers(found);
  }
  if (found === undefined) throw new Error(`there is no layer ${path.join('/')}`);
  return found;
}

function computeAsInInference(layer: tfjs.layers.Layer): void {
  const call = layer.call.bind(layer);
  layer.call = (inputs, kwargs) => call(inputs, { ...kwargs, training: false });
  Object.assign(layer, { [INFERENCE]: true });
}

/** What topologyJson must add to tfjs's own JSON of this model. */
export function notesOf(model: tfjs.LayersModel): BuildNotes {
  const trained = new Set<unknown>(model.trainableWeights);
  const forgotten = model.trainable ? forgottenIn(model, trained) : [];
  const inference = inferenceIn(model, []);
  return {
    ...(forgotten.length > 0 && { frozen_weights: forgotten.map((weight) => weight.originalName) }),
    ...(inference.length > 0 && { inference_layers: inference }),
  };
}

/** Weights that are not trained although every `trainable` that a build heeds says that they are. */
function forgottenIn(layer: tfjs.layers.Layer | tfjs.LayersModel, trained: ReadonlySet<unknown>): tfjs.LayerVariable[] {
  const own = partsOf(layer)._trainableWeights ?? [];
  const inner = innerLayers(layer).filter((part) => part.trainable || isForgotten(layer));
  return [...own.filter((weight) => !trained.has(weight)), ...inner.flatMap((part) => forgottenIn(part, trained))];
}

/** The JSON of these has no `trainable` for the layers in it. */
function isForgotten(layer: tfjs.layers.Layer | tfjs.LayersModel): boolean {
  const { forwardLayer, cell } = partsOf(layer);
  return forwardLayer !== undefined || (cell !== undefined && layer.getClassName() !== 'RNN');
}

function inferenceIn(layer: tfjs.layers.Layer | tfjs.LayersModel, around: readonly string[]): string[] {
  return innerLayers(layer).flatMap((inner) => {
    const path = [...around, inner.name];
    return INFERENCE in inner ? [path.join('/')] : inferenceIn(inner, path);
  });
}
