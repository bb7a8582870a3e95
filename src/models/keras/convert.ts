/**
 * Owns: a topology as Keras 2 or Keras 3 wrote it, converted to the one that tfjs reads, with the same numbers as Keras's.
 * Does not: convert single layers (layer_rules.ts) or weights' names (weight_paths.ts).
 *
 * Formats: keras/src/models/functional.py and tf_keras/engine/functional.py, get_config.
 */
import { UsageError } from '../../common/errors.js';
import { CELLS, LAYERS, MODELS } from '../class_names.js';
import { makesMask, reachedMasks, type Mask } from './reached_masks.js';
import { convertLayer, nameOf, unknown, type Config, type KerasLayer, type KerasModel } from './layer_rules.js';

interface LayerJson {
  readonly class_name: string;
  readonly config: Config;
  readonly name?: string;
  readonly inbound_nodes?: readonly unknown[];
}

/** The two that a converter wraps. */
interface Topology {
  readonly keras_version?: unknown;
  readonly model_config?: unknown;
}

/** Which Keras wrote it; null for tfjs, whose topologies are taken as they are. */
export function kerasGeneration(topology: Topology): 2 | 3 | null {
  const version = /^(\d+)\./.exec(String(topology.keras_version ?? ''))?.[1];
  if (version !== undefined) return Number(version) >= 3 ? 3 : 2;
  // Keras 3's own config.json names no version.
  return /"(batch_shape|__keras_tensor__|DTypePolicy)"/.test(JSON.stringify(topology)) ? 3 : null;
}

/** The model itself: a converter puts it under `model_config`. */
export function modelOf(topology: Topology): unknown {
  return topology.model_config ?? topology;
}

/**
 * `{ class_name, config }` for tf.models.modelFromJSON.
 * @throws UsageError MODEL_LAYER_DIFFERS, MODEL_LAYER_UNKNOWN or MODEL_CALL_DIFFERS where the numbers would not be Keras's
 */
export function convertTopology(topology: Topology, path: string): object {
  const generation = kerasGeneration(topology);
  const model = modelOf(topology);
  if (generation === null) return model as object;
  const inference: string[] = [];
  const walk = { model: { path, generation, masks: makesMask(model) }, around: [], inference };
  const converted = convert(model as LayerJson, walk);
  return { ...converted, ...(inference.length > 0 && { inference_layers: inference }) };
}

interface Walk {
  readonly model: KerasModel;
  /** Names of the models and wrappers that a layer is in, the outermost left out. */
  readonly around: readonly string[];
  /** Paths of layers that are called with `training=False` (build_notes.ts), found so far. */
  readonly inference: string[];
}

function convert({ class_name: className, config: given }: LayerJson, walk: Walk, masks?: readonly Mask[]): object {
  const layer: KerasLayer = { className, config: { ...given }, ...(masks && { masks }) };
  if (MODELS.has(className)) return { class_name: className, config: convertModel(layer, walk) };
  const { config } = layer;
  if (!LAYERS.has(className) && !CELLS.has(className)) throw unknown(layer, walk.model, `a ${className}`);
  if (config.batch_shape !== undefined) config.batch_input_shape = config.batch_shape;
  delete config.batch_shape;
  const inside = { ...walk, around: [...walk.around, nameOf(layer)] };
  for (const key of ['layer', 'cell', 'backward_layer']) if (isLayer(config[key])) config[key] = convert(config[key], inside);
  for (const key of ['cell', 'cells'])
    if (Array.isArray(config[key])) config[key] = (config[key] as LayerJson[]).map((cell) => convert(cell, inside));
  convertLayer(layer, walk.model);
  return { class_name: layer.className, config: layer.config };
}

function isLayer(value: unknown): value is LayerJson {
  return typeof value === 'object' && value !== null && 'class_name' in value && 'config' in value;
}

/** Layers of a model, and how they are joined. */
function convertModel({ className, config }: KerasLayer, walk: Walk): Config {
  const { model, around } = walk;
  const { name, trainable } = config;
  const given = config.layers as LayerJson[];
  // tfjs counts the call that a model is made of; Keras 3 does not.
  const shifted = new Set(
    given.filter((layer) => model.generation === 3 && MODELS.has(layer.class_name)).map((layer) => layer.config.name),
  );
  const place = ([layer, node, tensor]: readonly unknown[]): unknown[] => [
    layer,
    Number(node) + (shifted.has(layer) ? 1 : 0),
    tensor,
  ];
  const callsOf = given.map(({ inbound_nodes: nodes = [], ...layer }) => nodes.map((node) => callOf(node, layer, model)));
  const masks = model.masks ? masksIn(given, callsOf, around.length > 0) : null;
  const layers = given.map(({ inbound_nodes: nodes, ...layer }, at) => {
    const nested = { ...walk, around: MODELS.has(layer.class_name) ? [...around, String(layer.config.name)] : around };
    const converted = convert(layer, nested, masks?.get(String(layer.config.name)));
    if (nodes === undefined) return converted;
    noteInference(layer, callsOf[at], walk);
    const inbound = callsOf[at].map(({ places }) => places.map((at) => [...place(at), {}]));
    return { ...converted, name: layer.name ?? layer.config.name, inbound_nodes: inbound };
  });
  if (className === 'Sequential') return { name, trainable, layers };
  const ends = (key: string): unknown[] => endsOf(config[key], key, model).map(place);
  return { name, trainable, layers, input_layers: ends('input_layers'), output_layers: ends('output_layers') };
}

function masksIn(
  given: readonly LayerJson[],
  callsOf: readonly (readonly Call[])[],
  outside: boolean,
): ReadonlyMap<string, readonly Mask[]> {
  const layers = given.map((layer, at) => ({
    ...{ name: String(layer.config.name), className: layer.class_name, config: layer.config },
    on: callsOf[at].flatMap(({ places }) => places.map(([name]) => String(name))),
  }));
  return reachedMasks(layers, { outside, isModel: (className) => MODELS.has(className) });
}

function noteInference(layer: LayerJson, calls: readonly Call[], { model, around, inference }: Walk): void {
  const as = calls.filter((call) => call.inference).length;
  if (as === 0) return;
  if (as < calls.length) throw calledOtherwise(layer, model, 'with training=False in one place and without in another');
  inference.push([...around, String(layer.config.name)].join('/'));
}

/** `[['a', 0, 0]]`, or Keras 3's `['a', 0, 0]` where it is but one, and `{ a: ['a', 0, 0] }` where they have names. */
function endsOf(value: unknown, key: string, model: KerasModel): unknown[][] {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return endsOf(Object.values(value), key, model);
  if (Array.isArray(value) && typeof value[0] === 'string') return [value];
  if (Array.isArray(value) && value.every((end) => Array.isArray(end) && typeof end[0] === 'string')) return value as unknown[][];
  throw new UsageError({
    code: 'MODEL_INPUTS',
    message: `${model.path}: its ${key} are nested; a list or a record of tensors is supported`,
    next: 'Make a Keras model whose inputs and outputs are a tensor, a list or a record of them, and convert that.',
  });
}

interface Call {
  /** `[layer, node, tensor]` of each tensor that it takes. */
  readonly places: readonly (readonly unknown[])[];
  /** It is called with `training=False`. */
  readonly inference: boolean;
}

function callOf(node: unknown, layer: LayerJson, model: KerasModel): Call {
  if (Array.isArray(node)) {
    const tensors = (typeof node[0] === 'string' ? [node] : node) as unknown[][];
    const kwargs = tensors.map(([, , , given]) => isInference((given ?? {}) as Config, layer, model));
    return { places: tensors.map((tensor) => tensor.slice(0, 3)), inference: kwargs.includes(true) };
  }
  const { args, kwargs } = node as { args: unknown[]; kwargs: Config };
  const places: unknown[][] = [];
  const gather = (value: unknown): void => {
    if (value === null || value === undefined) return;
    if (Array.isArray(value)) return value.forEach(gather);
    const history = (value as { config?: { keras_history?: unknown[] } }).config?.keras_history;
    if (history === undefined) throw calledOtherwise(layer, model, `with ${JSON.stringify(value).slice(0, 60)} beside its input`);
    places.push(history);
  };
  gather(args);
  return { places, inference: isInference(kwargs, layer, model) };
}

/** `training: false` is heeded where the model is built; whatever else tfjs would drop is refused. */
function isInference(kwargs: Config, layer: LayerJson, model: KerasModel): boolean {
  const given = Object.entries(kwargs).filter(([, value]) => value !== null && value !== undefined);
  const other = given.find(([key, value]) => key !== 'training' || value !== false);
  if (other !== undefined) throw calledOtherwise(layer, model, `with ${other[0]} ${JSON.stringify(other[1]).slice(0, 60)}`);
  return given.length > 0;
}

function calledOtherwise({ class_name: className, config }: LayerJson, { path }: KerasModel, how: string): UsageError {
  return new UsageError({
    code: 'MODEL_CALL_DIFFERS',
    message: `${path}: layer ${nameOf({ className, config })} (${className}) is called ${how}, which tfjs ignores`,
    next: 'Build the Keras model without that, and convert it again; or write it as a module with createModel(tf).',
  });
}
