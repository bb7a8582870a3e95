/**
 * Owns: reading a configuration file, YAML or JSON, with the line and column of everything in it.
 * Does not: check it against the schema (config_layers.ts), or merge it with flags (resolve_config.ts).
 */
import { lstatSync, readFileSync, type Stats } from 'node:fs';
import { relative, resolve } from 'node:path';
import { isMap, isScalar, isSeq, LineCounter, parseDocument, type Document, type Node } from 'yaml';
import { errorMessage } from '../common/error_facts.js';
import { StorageError, UsageError } from '../common/errors.js';
import { LIMITS } from '../common/limits.js';
import type { Layer } from './config_layers.js';

/** JSON is YAML 1.2, so one parser reads both. @throws UsageError CONFIG_NOT_FOUND, CONFIG_UNREADABLE, CONFIG_SYNTAX */
export function readConfigFile(path: string): Layer {
  return parseConfig({ text: readText(path), shownPath: shownPathOf(path) });
}

/** The config.yaml that a run wrote, in whose place may lie anything by now. @throws UsageError as `readConfigFile`; StorageError RUN_CONFIG_DAMAGED */
export function readRunConfig(path: string): Layer {
  const damaged = (what: string): StorageError =>
    new StorageError({
      code: 'RUN_CONFIG_DAMAGED',
      message: `${shownPathOf(path)} is not the configuration that the run wrote: ${what}`,
      next: "Put the run's own file back, or start a new run from its weights.",
    });
  // A pipe would be waited on for ever, and a link may lead anywhere.
  const found = lstatSync(path);
  if (!found.isFile()) throw damaged(`it is no file but ${kindOf(found)}`);
  if (found.size === 0) throw damaged('it is empty');
  if (found.size > LIMITS.maxConfigBytes) throw damaged(`it has ${found.size} bytes, and no configuration has`);
  const layer = readConfigFile(path);
  if (layer.values === null || layer.values === undefined) throw damaged('it says nothing');
  return layer;
}

function kindOf(found: Stats): string {
  if (found.isFIFO()) return 'a pipe';
  if (found.isSocket()) return 'a socket';
  if (found.isSymbolicLink()) return 'a link';
  return found.isDirectory() ? 'a folder' : 'a device';
}

export function parseConfig({ text, shownPath }: { text: string; shownPath: string }): Layer {
  const lines = new LineCounter();
  const tooDeep = (cause: unknown): UsageError =>
    new UsageError({
      code: 'CONFIG_SYNTAX',
      message: `${shownPath} cannot be read as settings: it is nested too deeply`,
      next: 'Write the settings as they are in config/mnist.yaml.',
      cause,
    });
  let document: Document.Parsed;
  try {
    document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  } catch (cause) {
    throw tooDeep(cause);
  }
  const at = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return { line, place: `at ${shownPath}:${line}:${col}` };
  };
  const [error] = document.errors;
  if (error !== undefined) {
    throw new UsageError({
      code: 'CONFIG_SYNTAX',
      message: `${lowerFirst(error.message)} ${at(error.pos[0]).place}`,
      next: 'correct the file; it is read as YAML 1.2, of which JSON is a part',
    });
  }
  const places = new Map<string, { key: number; value: number }>();
  try {
    if (document.contents !== null) collectPlaces({ node: document.contents, path: '', keyOffset: 0, places });
  } catch (cause) {
    if (cause instanceof RangeError) throw tooDeep(cause);
    throw cause;
  }
  const offsetOf = (path: string, part: 'key' | 'value') => places.get(path)?.[part] ?? 0;
  return {
    values: valuesOf(document, shownPath),
    sourceOf: (path) => `${shownPath}:${at(offsetOf(path, 'key')).line}`,
    placeOf: (path, part) => at(offsetOf(path, part)).place,
  };
}

/** Aliases that would make a small file large are refused by the parser's own count. */
function valuesOf(document: Document, shownPath: string): unknown {
  try {
    return document.toJS() as unknown;
  } catch (cause) {
    throw new UsageError({
      code: 'CONFIG_SYNTAX',
      message: `${shownPath} cannot be read as settings: ${lowerFirst(errorMessage(cause))}`,
      next: 'write the values out, without aliases',
      cause,
    });
  }
}

function collectPlaces(found: {
  node: Node;
  path: string;
  keyOffset: number;
  places: Map<string, { key: number; value: number }>;
}): void {
  const { node, path, keyOffset, places } = found;
  places.set(path, { key: keyOffset, value: node.range?.[0] ?? keyOffset });
  const step = (key: unknown) => (path === '' ? String(key) : `${path}.${String(key)}`);
  if (isMap(node)) {
    for (const { key, value } of node.items) {
      if (!isScalar(key)) continue;
      const offset = key.range?.[0] ?? keyOffset;
      const inner = value as Node | null;
      if (inner === null) places.set(step(key.value), { key: offset, value: offset });
      else collectPlaces({ node: inner, path: step(key.value), keyOffset: offset, places });
    }
  } else if (isSeq(node)) {
    node.items.forEach((item, index) => collectPlaces({ node: item as Node, path: step(index), keyOffset, places }));
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const missing = code === 'ENOENT';
    throw new UsageError({
      code: missing ? 'CONFIG_NOT_FOUND' : 'CONFIG_UNREADABLE',
      message: missing ? `there is no configuration file ${shownPathOf(path)}` : `${shownPathOf(path)} cannot be read (${code})`,
      next: missing ? 'check the path given with --config, or leave it out for the reference run' : 'give a file you may read',
      cause,
    });
  }
}

/** As people would type it: relative inside the working folder, absolute outside. */
export function shownPathOf(path: string): string {
  const shown = relative(process.cwd(), path);
  return shown === '' || shown.startsWith('..') ? resolve(path) : shown;
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
