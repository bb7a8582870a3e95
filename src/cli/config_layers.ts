/**
 * Owns: the layers a configuration is made of besides the file (environment, `--set`, flags), and the check of any layer against the schema.
 * Does not: read files (config_file.ts) or merge layers (resolve_config.ts).
 */
import { parse } from 'yaml';
import type { z } from 'zod';
import { UsageError } from '../common/errors.js';
import { hintFor, knownElsewhere, type Hint } from '../common/settings/hints.js';
import { configLayerSchema } from '../common/settings/schema.js';
import { FORMER_PATHS, settingAt, SETTING_PATHS, type ConfigLayer } from '../common/settings/table.js';
import { valueAt } from '../common/snake_case.js';
import { suggest } from '../common/suggest.js';

/** One source of settings. Paths are dotted snake_case: `optimizer.learning_rate`. */
export interface Layer {
  /** As nested as in the file; not yet checked. */
  values: unknown;
  /** For provenance: `config/mnist.yaml:12`, `flag --batch`. */
  sourceOf(path: string): string;
  /** For messages, to the column, with its preposition: `at config/mnist.yaml:12:3`, `in --batch`. */
  placeOf(path: string, part: 'key' | 'value'): string;
}

/** One setting given by a flag, with the text as typed; a boolean for flags without a value. */
export interface FlagValue {
  path: string;
  flag: string;
  value: string | boolean;
}

const ENVIRONMENT_PREFIX = 'TFJS_PARALLEL_';

/**
 * `TFJS_PARALLEL_BATCH`, `TFJS_PARALLEL_OPTIMIZER__LEARNING_RATE`, …: two underscores step into a section. Empty means unset.
 * Variables that are nearly a setting's name are returned as warnings.
 */
export function environmentLayer(environment: Record<string, string | undefined>): { layer: Layer; warnings: string[] } {
  const names = new Map([
    ...SETTING_PATHS.map((path) => [variableOf(path), path] as const),
    ...[...FORMER_PATHS].map(([former, path]) => [variableOf(former), path] as const),
  ]);
  const found: { path: string; value: unknown }[] = [];
  const warnings: string[] = [];
  for (const [variable, text] of Object.entries(environment)) {
    if (!variable.startsWith(ENVIRONMENT_PREFIX) || text === undefined || text === '') continue;
    const path = names.get(variable);
    if (path !== undefined) found.push({ path, value: parseSetting(path, text) });
    else {
      const name = variable.slice(ENVIRONMENT_PREFIX.length);
      const nearest = suggest(
        name,
        [...names.keys()].map((known) => known.slice(ENVIRONMENT_PREFIX.length)),
      );
      const path = knownElsewhere(name)?.path;
      const meant = path === undefined ? nearest && `${ENVIRONMENT_PREFIX}${nearest}` : variableOf(path);
      if (meant !== null) warnings.push(`${variable} is not a setting, did you mean ${meant}?`);
    }
  }
  const layer: Layer = {
    values: nest(found),
    sourceOf: (path) => `environment ${variableOf(path)}`,
    placeOf: (path) => `in ${variableOf(path)}`,
  };
  return { layer, warnings };
}

/** Flags and `--set key=value` together: both are the command line. @throws UsageError where one setting is given twice */
export function commandLineLayer({ flags, sets }: { flags: readonly FlagValue[]; sets: readonly string[] }): Layer {
  const given = new Map<string, { shown: string; value: unknown }>();
  const add = (path: string, shown: string, value: unknown) => {
    const before = given.get(path);
    if (before !== undefined) {
      throw new UsageError({
        code: 'CONFIG_GIVEN_TWICE',
        message: `${path} is given twice on the command line: by ${before.shown} and by ${shown}`,
        next: 'leave one of them out',
      });
    }
    given.set(path, { shown, value });
  };
  for (const { path, flag, value } of flags) add(path, flag, typeof value === 'boolean' ? value : parseSetting(path, value));
  for (const assignment of sets) {
    const { path, text } = splitAssignment(assignment);
    add(path, `--set ${path}`, parseSetting(path, text));
  }
  const shownOf = (path: string) => given.get(path)?.shown ?? 'the command line';
  return {
    values: nest([...given].map(([path, { value }]) => ({ path, value }))),
    sourceOf: (path) => (shownOf(path).startsWith('--set') ? shownOf(path) : `flag ${shownOf(path)}`),
    placeOf: (path) => `in ${shownOf(path)}`,
  };
}

/** The layer's values, known to fit the schema. @throws UsageError naming the first wrong place */
export function checkLayer(layer: Layer): ConfigLayer {
  const checked = configLayerSchema.safeParse(withPathsOfToday(layer.values ?? {}));
  if (checked.success) return checked.data;
  const problems = checked.error.issues.map((issue) => describeIssue(issue, layer));
  const [first, ...others] = problems;
  if (others.length === 0) throw first;
  const more = others.length === 1 ? 'one more problem' : `${others.length} more problems`;
  throw new UsageError({ code: first.code, message: `${first.message} (and ${more})`, next: first.next });
}

/** A file of before, as it reads today; where it holds both names, the old one is refused like any other that is not known. */
function withPathsOfToday(values: unknown): unknown {
  if (typeof values !== 'object' || values === null || Array.isArray(values)) return values;
  const read = Object.entries(values).map(([key, value]): [string, unknown] => {
    const path = FORMER_PATHS.get(key);
    return path === undefined || path in values ? [key, value] : [path, value];
  });
  return Object.fromEntries(read);
}

function describeIssue(issue: z.core.$ZodIssue, layer: Layer): UsageError {
  const path = issue.path.join('.');
  if (issue.code === 'unrecognized_keys') {
    const key = issue.keys[0];
    const fullPath = [...issue.path, key].join('.');
    return unknownKey({ key, fullPath, section: path, place: layer.placeOf(fullPath, 'key') });
  }
  const found = valueAt(layer.values, path);
  const label = path === '' ? 'a configuration' : path;
  return new UsageError({
    code: 'CONFIG_WRONG_VALUE',
    message: `${label} must be ${issue.message}, found ${shown(found)} ${layer.placeOf(path, 'value')}${didYouMean(issue, found)}`,
    next: 'correct the value; config/mnist.yaml shows every setting with its reason',
  });
}

function didYouMean(issue: z.core.$ZodIssue, found: unknown): string {
  const section = issue.path.join('.');
  if (issue.code === 'invalid_type' && typeof found === 'string' && isNameOf(section, found))
    return `, did you mean ${section}: { name: ${found} }?`;
  const kind = settingAt(section)?.kind;
  if (kind?.kind === 'names' && kind.known !== null && typeof found === 'string') return nearestIn(found.split(','), kind.known);
  if (issue.code !== 'invalid_value' || typeof found !== 'string') return '';
  const meant = suggest(found, issue.values.map(String));
  return meant === null ? '' : `, did you mean ${meant}?`;
}

/** For the first of the names that is none of the known. */
function nearestIn(names: readonly string[], known: readonly string[]): string {
  const wrong = names.map((name) => name.trim()).find((name) => !known.includes(name)) ?? '';
  const meant = suggest(wrong, known);
  return meant === null ? '' : `, did you mean ${meant}?`;
}

/** `optimizer: adam`, as other tools write it. */
function isNameOf(section: string, value: string): boolean {
  const kind = settingAt(`${section}.name`)?.kind;
  return kind?.kind === 'choice' && kind.names.includes(value);
}

/** `fullPath` is the mistyped path; `section` the part of it that exists, empty for the top. */
function unknownKey({
  key,
  fullPath,
  section,
  place,
}: {
  key: string;
  fullPath: string;
  section: string;
  place: string;
}): UsageError {
  const hint = hintOf({ key, fullPath, section });
  const meant = hint?.path === undefined ? '' : `, did you mean ${hint.path}?`;
  const list = 'config/mnist.yaml shows every setting with its reason';
  const next = hint?.advice ?? (hint === null ? `remove it; ${list}` : 'correct the key, or remove it');
  return new UsageError({
    code: 'CONFIG_UNKNOWN_KEY',
    message: `unknown key "${key}" ${place}${meant}`,
    next: hint?.advice === undefined ? next : `remove it: ${next}`,
  });
}

/** A name of another tool first, then the nearest key of the same section, then of any. A key of the same section is given without its path. */
function hintOf({ key, fullPath, section }: { key: string; fullPath: string; section: string }): Hint | null {
  const prefix = section === '' ? '' : `${section}.`;
  const inSection = (path: string) => ({ path: path.startsWith(prefix) ? path.slice(prefix.length) : path });
  const known = knownElsewhere(key);
  if (known !== null) return known.path === undefined ? known : inSection(known.path);
  const siblings = SETTING_PATHS.filter((path) => path.startsWith(prefix)).map((path) => path.slice(prefix.length).split('.')[0]);
  const sibling = suggest(key, siblings);
  if (sibling !== null) return { path: sibling };
  const path = suggest(fullPath, SETTING_PATHS);
  return path === null ? hintFor(key) : inSection(path);
}

function splitAssignment(assignment: string): { path: string; text: string } {
  const equals = assignment.indexOf('=');
  if (equals < 1) {
    throw new UsageError({
      code: 'SET_INVALID',
      message: `--set wants key=value, found "${assignment}"`,
      next: 'for example --set optimizer.momentum=0.9',
    });
  }
  const typed = assignment.slice(0, equals).trim();
  const path = FORMER_PATHS.get(typed) ?? typed;
  if (SETTING_PATHS.includes(path)) return { path, text: assignment.slice(equals + 1) };
  if (SETTING_PATHS.some((known) => known.startsWith(`${path}.`))) {
    const keys = SETTING_PATHS.filter((known) => known.startsWith(`${path}.`));
    const value = assignment.slice(equals + 1).trim();
    throw new UsageError({
      code: 'SET_INVALID',
      message: `--set ${path}= would set a whole section`,
      next: isNameOf(path, value) ? `--set ${path}.name=${value}` : `set its keys one by one: ${keys.slice(0, 3).join(', ')}, …`,
    });
  }
  throw unknownKey({ key: path, fullPath: path, section: '', place: 'in --set' });
}

/** JSON, but for NaN and infinities, which YAML has and JSON has not. */
function shown(value: unknown): string {
  return typeof value === 'number' ? String(value) : JSON.stringify(value);
}

/** Kinds whose text is theirs to read: `--name 7` and `TFJS_PARALLEL_NAME=7` mean "7". */
const TYPED = new Set<string | undefined>(['text', 'devices', 'names', 'loss', 'weights']);

/** Text settings are taken as typed; others are read as a YAML value: numbers, true, null, [60, 90], and lists and mappings of names: { a: mse }. */
function parseSetting(path: string, text: string): unknown {
  const kind = settingAt(path)?.kind.kind;
  const isCollection = kind !== 'text' && /^\s*[[{]/.test(text);
  if (TYPED.has(kind) && !isCollection) return text === 'null' ? null : text;
  try {
    return parse(text) as unknown;
  } catch {
    return text;
  }
}

function variableOf(path: string): string {
  return ENVIRONMENT_PREFIX + path.replaceAll('.', '__').toUpperCase();
}

/** Dotted paths to nested sections. Paths come from SETTING_PATHS alone, so none can reach a prototype. */
export function nest(entries: Iterable<{ path: string; value: unknown }>): Record<string, unknown> {
  const root: Record<string, unknown> = {};
  for (const { path, value } of entries) {
    const keys = path.split('.');
    let section = root;
    for (const key of keys.slice(0, -1)) section = (section[key] ??= {}) as Record<string, unknown>;
    section[keys[keys.length - 1]] = value;
  }
  return root;
}
