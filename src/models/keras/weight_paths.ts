/**
 * Owns: the names that tfjs gives to the weights of a Keras model, from those in its file: a `.keras` file's `layers/dense_1/vars/0`,
 * which counts classes, and the names of stacked cells.
 * Does not: match names (common/weight_names.ts) or convert layers (convert.ts).
 */
import type { NamedWeight } from '../../common/weight_names.js';
import { MODELS } from '../class_names.js';
import type { Config } from './layer_rules.js';

interface LayerJson {
  readonly class_name: string;
  readonly config: Config;
}

/** `names` in the same order; those that are of no layer stay as they are. */
export function renameKerasWeights(weights: readonly NamedWeight[], model: unknown): NamedWeight[] {
  const byPath = new Map<string, string>();
  visit(model as LayerJson, { path: [], owner: [], byPath });
  const cells = cellNames(model as LayerJson, []);
  return weights.map(({ name, shape }) => ({ name: byPath.get(name) ?? renameCell(name, cells), shape }));
}

interface Visit {
  /** In the .keras file. */
  readonly path: readonly string[];
  /** Layers' own names, outermost first. */
  readonly owner: readonly string[];
  readonly byPath: Map<string, string>;
}

/** keras/src/saving/saving_lib.py, _save_state: attributes and containers are folders, a layer's own weights are `vars`. */
function visit(layer: LayerJson, { path, owner, byPath }: Visit): void {
  const { class_name: className, config } = layer;
  const inside = (folder: readonly string[], inner: unknown, name: string | undefined): void => {
    if (isLayer(inner))
      visit(inner, { path: [...path, ...folder], owner: name === undefined ? owner : [...owner, name], byPath });
  };
  if (MODELS.has(className)) {
    const seen = new Map<string, number>();
    for (const inner of config.layers as LayerJson[]) {
      const kind = snakeCase(inner.class_name);
      const nth = seen.get(kind) ?? 0;
      seen.set(kind, nth + 1);
      inside(['layers', nth === 0 ? kind : `${kind}_${nth}`], inner, String(inner.config.name));
    }
    return;
  }
  if (className === 'Bidirectional') {
    const name = String((config.layer as LayerJson | undefined)?.config.name).replace(/^forward_/, '');
    inside(['forward_layer'], config.layer, `forward_${name}`);
    inside(['backward_layer'], config.layer, `backward_${name}`);
    return;
  }
  inside(['layer'], config.layer, undefined);
  inside(['cell'], config.cell, undefined);
  (Array.isArray(config.cells) ? config.cells : []).forEach((cell: unknown, index, cells: unknown[]) => {
    if (!isLayer(cell)) return;
    const kind = snakeCase(cell.class_name);
    const before = cells.slice(0, index).filter((other) => isLayer(other) && other.class_name === cell.class_name).length;
    inside(['cells', before === 0 ? kind : `${kind}_${before}`], cell, `RNNCell_${index}`);
  });
  const folders = ['SimpleRNN', 'GRU', 'LSTM', 'ConvLSTM2D'].includes(className) ? [...path, 'cell'] : path;
  leavesOf(layer).forEach((leaf, index) => byPath.set([...folders, 'vars', String(index)].join('/'), [...owner, leaf].join('/')));
}

/** A layer's weights in the order in which Keras makes them. */
function leavesOf({ class_name: className, config }: LayerJson): string[] {
  const bias = config.use_bias === false ? [] : ['bias'];
  switch (className.replace(/Cell$/, '')) {
    case 'SeparableConv2D':
      return ['depthwise_kernel', 'pointwise_kernel', ...bias];
    case 'SimpleRNN':
    case 'GRU':
    case 'LSTM':
    case 'ConvLSTM2D':
      return ['kernel', 'recurrent_kernel', ...bias];
    case 'BatchNormalization':
    case 'LayerNormalization': {
      const own = [...(config.scale === false ? [] : ['gamma']), ...(config.center === false ? [] : ['beta'])];
      return className === 'LayerNormalization' ? own : [...own, 'moving_mean', 'moving_variance'];
    }
    case 'Embedding':
      return ['embeddings'];
    case 'PReLU':
      return ['alpha'];
    default:
      return ['kernel', ...bias];
  }
}

/** keras/src/utils/naming.py */
function snakeCase(name: string): string {
  return name
    .replace(/\W+/g, '')
    .replace(/(.)([A-Z][a-z]+)/g, '$1_$2')
    .replace(/([a-z])([A-Z])/g, '$1_$2')
    .toLowerCase();
}

function isLayer(value: unknown): value is LayerJson {
  return typeof value === 'object' && value !== null && 'class_name' in value && 'config' in value;
}

interface Cells {
  readonly layer: string;
  readonly names: readonly string[];
}

/** The cells that some RNN layer stacks, by that layer's name: tfjs numbers them. */
function cellNames(layer: LayerJson, outer: Cells[]): Cells[] {
  const { class_name: className, config } = layer;
  const parts = [...((config.layers as unknown[] | undefined) ?? []), config.layer, config.cell].filter(isLayer);
  const inner = parts.flatMap((part) => cellNames(part, outer));
  const stacked = isLayer(config.cell) ? config.cell.config.cells : config.cells;
  if (className !== 'RNN' || !Array.isArray(stacked)) return inner;
  return [...inner, { layer: String(config.name), names: stacked.filter(isLayer).map((cell) => String(cell.config.name)) }];
}

function renameCell(name: string, all: readonly Cells[]): string {
  const tokens = name.split('/');
  for (const { layer, names } of all) {
    if (!tokens.includes(layer)) continue;
    const at = tokens.findIndex((token, index) => index > tokens.indexOf(layer) && names.includes(token));
    if (at !== -1) return [...tokens.slice(0, at), `RNNCell_${names.indexOf(tokens[at])}`, tokens.at(-1)].join('/');
  }
  return name;
}
