/**
 * Owns: whether two topologies are the same layers in the same places under other names, and the weights' names of one in the words of the other.
 * Does not: match names (weight_names.ts).
 */
import type { NamedWeight } from './weight_names.js';

/** Of a layer's configuration what says nothing about its weights' places or its computation. */
const ASIDE = /^(name|trainable|dtype|batch_input_shape|seed)$|_(initializer|regularizer|constraint)$/;

interface LayerJson {
  readonly class_name: string;
  readonly config: Readonly<Record<string, unknown>>;
}

/** Null where the topologies are unknown or do not agree layer by layer. */
export function renamedAlike(
  weights: readonly NamedWeight[],
  from: string | null,
  to: string | null,
): readonly NamedWeight[] | null {
  if (from === null || to === null) return null;
  const [here, there] = [from, to].map((topology) => namesIn(topology));
  if (here === null || there === null || here.shape !== there.shape) return null;
  const names = new Map(here.names.map((name, at) => [name, there.names[at]]));
  // One name in two places could be renamed to either.
  if (names.size !== here.names.length) return null;
  return weights.map(({ name, shape }) => {
    const tokens = name.split('/');
    const owner = tokens.slice(0, -1).map((token) => renamedToken(token, names));
    return { name: [...owner, tokens[tokens.length - 1]].join('/'), shape };
  });
}

/** A Bidirectional puts its direction before the name of the layer in it. */
export function renamedToken(token: string, names: ReadonlyMap<string, string>): string {
  const [, direction = '', name] = /^(forward_|backward_)?(.*)$/.exec(token) ?? [];
  return names.get(token) ?? (names.has(name) ? direction + (names.get(name) ?? '') : token);
}

/** Names in order of appearance, and everything else with the names as numbers. */
function namesIn(topology: string): { names: string[]; shape: string } | null {
  const json = JSON.parse(topology) as { model_config?: unknown };
  const model = json.model_config ?? json;
  const names = layersIn(model).map(({ name }) => name);
  const numbers = new Map(names.map((name, at) => [name, at]));
  const plain = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(plain);
    if (typeof value === 'string') return numbers.has(value) ? { layer: numbers.get(value) } : value;
    if (typeof value !== 'object' || value === null) return value;
    const entries = Object.entries(value).filter(
      ([key]) => !ASIDE.test(key) && key !== 'keras_version' && key !== 'frozen_weights',
    );
    return Object.fromEntries(entries.map(([key, inner]) => [key, key === 'class_name' ? inner : plain(inner)]));
  };
  return isLayer(model) ? { names, shape: JSON.stringify(plain(model)) } : null;
}

export interface NamedLayer {
  readonly name: string;
  readonly className: string;
}

/** All layers in a topology or a part of it, in order of appearance; of one that it tells twice, twice. */
export function layersIn(value: unknown): NamedLayer[] {
  if (typeof value !== 'object' || value === null) return [];
  const own =
    isLayer(value) && typeof value.config.name === 'string' ? [{ name: value.config.name, className: value.class_name }] : [];
  return [...own, ...Object.values(value).flatMap(layersIn)];
}

function isLayer(value: unknown): value is LayerJson {
  return (
    typeof value === 'object' && value !== null && 'class_name' in value && 'config' in value && typeof value.config === 'object'
  );
}
