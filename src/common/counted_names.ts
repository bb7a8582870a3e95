/**
 * Owns: the names of a model's layers: which of them tfjs gave, counting what the program had made of a class (`dense_Dense3`); and a topology and weights
 * under names that the same layers had elsewhere.
 * Does not: find the same layers in files of other makers (same_layers.ts), or decide what may differ (coordinator/storage/state/saved_names.ts).
 */
import { layersIn, renamedToken, type NamedLayer } from './same_layers.js';

export interface LayerNames {
  /** Of the outermost model; null where it has none. */
  readonly model: string | null;
  /** Of all layers in it, in the order of the topology; of one that it tells twice, twice. */
  readonly layers: readonly NamedLayer[];
  /** Layers that its inputs and its outputs come from; empty for a sequential model, which has one of each. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}

interface ModelConfig {
  name?: string;
  readonly input_layers?: readonly (readonly [string, ...unknown[]])[];
  readonly output_layers?: readonly (readonly [string, ...unknown[]])[];
}

export function layerNames(topology: string): LayerNames {
  const { config } = JSON.parse(topology) as { readonly config?: ModelConfig };
  const layers = layersIn(config);
  const { name = null, input_layers: inputs = [], output_layers: outputs = [] } = config ?? {};
  return { model: name, layers, inputs: inputs.map(([layer]) => layer), outputs: outputs.map(([layer]) => layer) };
}

/** What tfjs counted, and up to where, this layer included; null for a name that somebody gave. (tfjs-layers 4.22: Layer, Input, Sequential, Container) */
export function countedName({ name, className }: NamedLayer): { readonly stem: string; readonly count: number } | null {
  // The input that a sequential model makes is named after its first layer.
  if (className === 'InputLayer' && /_[A-Z]\w*\d_input$/.test(name)) {
    const [, stem, count] = /^(.*?)(\d+)_input$/.exec(name) as unknown as [string, string, string];
    return { stem: `${stem}_input`, count: Number(count) };
  }
  const stems = [`${snakeCase(className)}_${className}`];
  if (className === 'InputLayer') stems.push('input');
  if (className === 'Sequential') stems.push('sequential_');
  if (className === 'Model' || className === 'Functional') stems.push(className.toLowerCase());
  for (const stem of stems)
    if (name.startsWith(stem) && /^\d+$/.test(name.slice(stem.length))) return { stem, count: Number(name.slice(stem.length)) };
  return null;
}

/** As tfjs has it, for a class without `_` before it. */
function snakeCase(className: string): string {
  return className
    .replace(/(.)([A-Z][a-z0-9]+)/g, '$1_$2')
    .replace(/([a-z])([A-Z])/g, '$1_$2')
    .toLowerCase();
}

export interface Renaming {
  readonly model: string | null;
  /** By the present name. */
  readonly layers: ReadonlyMap<string, string>;
}

export function renamedTopology(topology: string, { model, layers }: Renaming): string {
  const json = JSON.parse(topology, (key, value: unknown) =>
    typeof value === 'string' && key !== 'class_name' ? renamedPath(value, layers) : value,
  ) as { config?: ModelConfig };
  if (json.config !== undefined && model !== null) json.config.name = model;
  return JSON.stringify(json);
}

/** `dense_Dense3/kernel`, and paths of layers. */
export function renamedPath(path: string, layers: Renaming['layers']): string {
  return path
    .split('/')
    .map((token) => renamedToken(token, layers))
    .join('/');
}
