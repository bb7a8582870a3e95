/**
 * Owns: `--data ./data.mjs`: a user's module that makes a data set.
 * Does not: check the arrays themselves (arrays.ts does).
 *
 * The path comes from the command line or the configuration of this machine, never from the wire: running it is running the user's code.
 */
import { existsSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Dataset } from '../common/dataset.js';
import { isErrorLike } from '../common/error_facts.js';
import { DataError, ExpectedError } from '../common/errors.js';
import { typeScriptError } from '../common/typescript_module.js';
import { datasetFromArrays, type ArraysSource } from './arrays.js';

const EXAMPLE =
  'It must export train and validation, each { x, y } of typed arrays, and inputShape; or a default function that returns these.';

/** What a module may give beside ArraysSource: a set may carry `shape`, the shape of one example, in place of `inputShape`. */
type Exports = Partial<ArraysSource> & { readonly default?: unknown };

/** @throws DataError DATA_MISSING, DATA_MODULE, or what datasetFromArrays throws. */
export async function loadDataModule(path: string): Promise<Dataset> {
  const absolute = resolve(path);
  if (!existsSync(absolute))
    throw new DataError({ code: 'DATA_MISSING', message: `${path}: no such data module`, next: EXAMPLE });
  const exports = await runUserCode(path, async () => (await import(pathToFileURL(absolute).href)) as Exports);
  const made = await runUserCode(path, () => resultOf(exports));
  if (!isObject(made) || made.train === undefined || made.validation === undefined) {
    throw new DataError({ code: 'DATA_MODULE', message: `${path}: exports no train and validation sets`, next: EXAMPLE });
  }
  const source = made as unknown as ArraysSource;
  return datasetFromArrays({
    ...source,
    name: source.name ?? basename(path),
    inputShape: source.inputShape ?? shapeInSets(path, made),
  });
}

/** The module itself where it has the sets, otherwise its default export or what that returns. */
async function resultOf(exports: Exports): Promise<unknown> {
  if (exports.train !== undefined || exports.default === undefined) return exports;
  if (typeof exports.default !== 'function') return exports.default;
  return (exports.default as () => unknown)();
}

async function runUserCode<T>(path: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (cause) {
    if (cause instanceof ExpectedError) throw cause;
    const untyped = typeScriptError(cause, { path, what: '--data' });
    if (untyped !== null) throw untyped;
    const reason = isErrorLike(cause) ? `${cause.name}: ${cause.message}` : String(cause);
    throw new DataError({
      code: 'DATA_MODULE',
      message: `${path}: failed: ${reason}`,
      next: 'Correct the module; -v shows where it failed.',
      cause,
    });
  }
}

function shapeInSets(path: string, made: Record<string, unknown>): readonly number[] {
  const [train, validation] = [made.train, made.validation].map((set) => (isObject(set) ? set.shape : undefined));
  if (!Array.isArray(train) || JSON.stringify(train) !== JSON.stringify(validation ?? train)) {
    const message = `${path}: inputShape is missing, and the sets do not share a shape (train ${JSON.stringify(train)}, validation ${JSON.stringify(validation)})`;
    throw new DataError({ code: 'DATA_MODULE', message, next: 'Export inputShape, the shape of one example, e.g. [28, 28, 1].' });
  }
  return train as number[];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
