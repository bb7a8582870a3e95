/**
 * Owns: `--data ./data.mjs`: a user's module that makes a data set, of arrays, of rows that are read, or of examples one after the other.
 * Does not: check the arrays themselves (../arrays.ts does), the rows (read_rows.ts) or sequences (../sequence).
 *
 * The path comes from the command line or the configuration of this machine, never from the wire: running it is running the user's code.
 */
import { existsSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { DataFields, Dataset, SplitName, StoredSplit } from '../../common/dataset.js';
import { DataError, ExpectedError, invariant } from '../../common/errors.js';
import { typeScriptError } from '../../common/typescript_module.js';
import { placedReason } from '../../common/user_place.js';
import { placeIn } from '../../system/user_module.js';
import { datasetFromArrays, type ArraysSource } from '../arrays.js';
import { isRecord } from '../named.js';
import { isRead, readDataset } from './read_dataset.js';
import { failureIn, openRead, requireReadSource } from './read_rows.js';
import { isSequence } from '../sequence/sequence_source.js';
import { openSequences, type SequenceReaders, type SequencesSource } from '../sequence/sequence_dataset.js';
import type { DataConfig, OpenedSplit, SourceRow } from './source.js';

export const module: SourceRow = {
  says: 'the path of a module such as ./data.mjs',
  isMeant: (data) => /\.([cm]?[jt]s)$/.test(data),
  everywhere: false,
  load: (config) => loadDataModule(config.data, config),
  open: openModule,
};

const EXAMPLE =
  'It must export train, { x, y } of typed arrays, { count, read } or a sequence, inputShape, and validation where there is one; or a default function that returns these.';

/** What a module may give beside ArraysSource: a set may carry `shape`, the shape of one example, in place of `inputShape`. */
type Exports = Partial<ArraysSource> & { readonly default?: unknown };

/** @throws DataError DATA_MISSING, DATA_MODULE, DATA_ROWS, DATA_SEQUENCE, DATA_SEQUENTIAL, or what datasetFromArrays throws. */
export async function loadDataModule(
  path: string,
  { sequences = 'refused', ...limits }: Pick<DataConfig, 'sequences' | 'overfit'> = {},
): Promise<Dataset> {
  const absolute = resolve(path);
  if (!existsSync(absolute))
    throw new DataError({ code: 'DATA_MISSING', message: `${path}: no such data module`, next: EXAMPLE });
  const made = await madeBy(path);
  if (isSequence(made.train)) {
    const { dataset, readers } = await openSequences(sequencesIn(path, made), sequences, limits);
    if (readers === undefined || dataset.sequence === undefined) return dataset;
    return { ...dataset, sequence: { ...dataset.sequence, where: { path: absolute } satisfies SequenceWhere } };
  }
  const source = { ...made, name: made.name ?? basename(path), inputShape: made.inputShape ?? shapeInSets(path, made) };
  if (!isRead(made.train)) return datasetFromArrays(source);
  const where = (which: SplitName): Where => ({ path: absolute, which, name: source.name });
  return readDataset(source, (which) => ({ source: 'module', where: where(which) }));
}

export interface SequenceWhere {
  readonly path: string;
}

/** What the thread reads that runs the module anew (sequence/sequence_thread.ts). */
export async function openModuleSequences({ path }: SequenceWhere): Promise<SequenceReaders> {
  const { readers } = await openSequences(sequencesIn(path, await madeBy(path)), 'streamed', {});
  invariant(readers, 'a module that gave a sequence gives it again');
  return readers;
}

function sequencesIn(path: string, made: object): SequencesSource {
  const source = made as SequencesSource;
  return { ...source, name: source.name ?? basename(path) };
}

interface Where {
  readonly path: string;
  readonly which: SplitName;
  readonly name: string;
}

/** In a replica's thread: the module is run there too. */
async function openModule({ where, ...split }: StoredSplit, fields: DataFields): Promise<OpenedSplit> {
  const { path, which, name } = where as Where;
  const fail = failureIn(name);
  const set: unknown = (await madeBy(path))[which];
  requireReadSource(set, which, fail);
  return openRead(set, { fields, split, which, fail });
}

async function madeBy(path: string): Promise<ArraysSource & Record<string, unknown>> {
  const absolute = resolve(path);
  const exports = await runUserCode(path, async () => (await import(pathToFileURL(absolute).href)) as Exports);
  const made = await runUserCode(path, () => resultOf(exports));
  if (isRecord(made) && made.train !== undefined) return made as unknown as ArraysSource & Record<string, unknown>;
  throw new DataError({ code: 'DATA_MODULE', message: `${path}: exports no train set`, next: EXAMPLE });
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
    throw new DataError({
      code: 'DATA_MODULE',
      message: `${path}: failed: ${placedReason(cause, await placeIn(path, cause))}`,
      next: 'Correct the module; -v shows where it failed.',
      cause,
    });
  }
}

function shapeInSets(path: string, made: Record<string, unknown>): readonly number[] {
  const [train, validation] = [made.train, made.validation].map((set) => (isRecord(set) ? set.shape : undefined));
  if (!Array.isArray(train) || JSON.stringify(train) !== JSON.stringify(validation ?? train)) {
    const message = `${path}: inputShape is missing, and the sets do not share a shape (train ${JSON.stringify(train)}, validation ${JSON.stringify(validation)})`;
    throw new DataError({ code: 'DATA_MODULE', message, next: 'Export inputShape, the shape of one example, e.g. [28, 28, 1].' });
  }
  return train as number[];
}
