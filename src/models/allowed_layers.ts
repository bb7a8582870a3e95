/**
 * Owns: what a model that came over the wire may be made of, judged as tfjs will read it: its keys and texts after tfjs's change of case.
 * Does not: build it. What is not on the list is refused by name, before anything is built.
 */
import { immodest } from '../common/modest_json.js';
import { ClusterError } from '../common/errors.js';
import { ACTIVATIONS, camelCase, CELLS, CONSTRAINTS, INITIALIZERS, LAYERS, MODELS, REGULARIZERS } from './class_names.js';

const MAX_DEPTH = 64;
const MAX_VALUES = 1_000_000;
const MAX_NUMBER = 2 ** 31;
/** Keys of numbers that are computed with, and say no size. */
const NO_SIZES: ReadonlySet<string> = new Set([
  ...['maskValue', 'value', 'scale', 'offset', 'gain', 'mean', 'stddev', 'minval', 'maxval', 'minValue', 'maxValue'],
  ...['alpha', 'theta', 'l1', 'l2', 'epsilon'],
]);

/** @throws ClusterError MODEL_REFUSED naming the first thing that is not allowed. */
export function requireAllowedLayers(topology: string): void {
  const tooMuch = immodest(topology);
  if (tooMuch !== null) throw refused(`its topology has ${tooMuch}`);
  let parsed: unknown;
  try {
    parsed = JSON.parse(topology);
  } catch {
    throw refused('its topology is not JSON');
  }
  let values = 0;
  const seen = asTfjsReads(parsed, (depth) => {
    if (depth > MAX_DEPTH || ++values > MAX_VALUES) throw refused('its topology is too deep or too long');
  });
  if (!isObject(seen)) throw refused('a topology that is no object');
  const { modelConfig, ...around } = seen;
  judgePart(modelConfig ?? { className: around.className, config: around.config }, MODELS, 'layer');
  for (const [key, value] of Object.entries(around)) if (key !== 'className' && key !== 'config') requirePlain(value);
}

type Json = Readonly<Record<string, unknown>>;

/**
 * tfjs-layers utils/serialization_utils.ts, convertPythonicToTs. Two spellings of one key are refused: which of them counts is nobody's to guess.
 * Names of layers keep their case there; here they are no classes in any case.
 */
function asTfjsReads(value: unknown, count: (depth: number) => void, depth = 0): unknown {
  count(depth);
  if (typeof value === 'string') return camelCase(value);
  if (typeof value === 'number' && !(Math.abs(value) <= MAX_NUMBER)) throw refused(`the number ${value} in its topology`);
  if (Array.isArray(value)) return value.map((item) => asTfjsReads(item, count, depth + 1));
  if (!isObject(value)) return value;
  const read: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  for (const [given, child] of Object.entries(value)) {
    const key = camelCase(given);
    if (['__proto__', 'constructor', 'prototype', 'customObjects'].some((name) => name === key || name === given))
      throw refused(`the key ${given}`);
    if (key in read) throw refused(`the key ${key} in two spellings`);
    const isFree = key === 'seed' || (NO_SIZES.has(key) && Number.isFinite(child));
    read[key] = isFree ? null : asTfjsReads(child, count, depth + 1);
  }
  return read;
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const LAYERS_AND_MODELS: ReadonlySet<string> = new Set([...LAYERS, ...MODELS]);

/** `{ className, config }` of one of the classes that may stand in its place. */
function judgePart(part: unknown, allowed: ReadonlySet<string>, what: string): void {
  const { className, config } = isObject(part) ? part : {};
  if (typeof className !== 'string' || !allowed.has(className))
    throw refused(`the ${what} ${JSON.stringify(className ?? part)?.slice(0, 60)}`);
  if (!isObject(part) || !isObject(config)) throw refused(`the configuration of ${className}`);
  for (const [key, value] of Object.entries(config)) judgeEntry(key, value);
  for (const [key, value] of Object.entries(part)) if (key !== 'className' && key !== 'config') requirePlain(value);
}

/** Where tfjs makes an object of what stands under a key, that must be of the key's kind; everywhere else nothing may look like one. */
function judgeEntry(key: string, value: unknown): void {
  if (value === null || value === undefined) return;
  if (['layers', 'layer', 'forwardLayer', 'backwardLayer'].includes(key)) return judgeAll(value, LAYERS_AND_MODELS, 'layer');
  if (key === 'cell' || key === 'cells') return judgeAll(value, CELLS, 'cell');
  for (const [end, what, allowed] of KINDS) {
    if (!key.toLowerCase().endsWith(end)) continue;
    if (typeof value !== 'string') return judgePart(value, allowed, what);
    if (!named(allowed, value)) throw refused(`the ${what} "${value.slice(0, 60)}"`);
    return;
  }
  requirePlain(value);
}

function judgeAll(value: unknown, allowed: ReadonlySet<string>, what: string): void {
  for (const part of Array.isArray(value) ? (value as unknown[]) : [value]) judgePart(part, allowed, what);
}

/** As tfjs reads them. */
const READ_ACTIVATIONS: ReadonlySet<string> = new Set([...ACTIVATIONS].map(camelCase));
const KINDS: readonly (readonly [end: string, what: string, allowed: ReadonlySet<string>])[] = [
  ['initializer', 'initializer', INITIALIZERS],
  ['regularizer', 'regularizer', REGULARIZERS],
  ['constraint', 'constraint', CONSTRAINTS],
  ['activation', 'activation', READ_ACTIVATIONS],
];

/** A short name is the class's with a small first letter; that of `L1L2` is `l1l2`. */
function named(allowed: ReadonlySet<string>, name: string): boolean {
  return (
    allowed.has(name) ||
    [...allowed].some((known) => known[0].toLowerCase() + known.slice(1) === name || known.toLowerCase() === name)
  );
}

function requirePlain(value: unknown): void {
  if (Array.isArray(value)) return value.forEach(requirePlain);
  if (!isObject(value)) return;
  if ('className' in value) throw refused(`the layer ${JSON.stringify(value.className)?.slice(0, 60)}`);
  Object.values(value).forEach(requirePlain);
}

function refused(what: string): ClusterError {
  return new ClusterError({
    code: 'MODEL_REFUSED',
    message: `this worker does not build the model that the coordinator sent: ${what} is not on its list`,
    next: 'A model with layers of its own needs a module with createModel(tf), the same --model file on the coordinator and on each worker.',
  });
}
