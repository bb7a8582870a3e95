/**
 * Owns: a user's `read(rows)`: its first pass over a split, which hashes every row and keeps the labels, and the rows that a replica reads later.
 * Does not: know where `read` comes from (module.ts, caller.ts).
 */
import { createHash, type Hash } from 'node:crypto';
import { emptyArray, typeOf, type Batch, type DataFields, type Field, type NumericArray } from '../../common/dataset.js';
import { DataError, ExpectedError } from '../../common/errors.js';
import { LIMITS } from '../../common/limits.js';
import { placedReason } from '../../common/user_place.js';
import { byteSlices, product } from '../assemble.js';
import { gather, requireWithin } from '../gather.js';
import { arraysByName, isRecord, pathOf, type Names } from '../named.js';
import { keptAs, requireFinite, text, type Fail, type SourceArray } from '../share.js';
import { INPUT, TARGET } from '../../common/dataset.js';
import { rowsAtOnce } from '../tables/table.js';
import type { OpenedSplit } from './source.js';

/** What a module or a program gives in place of arrays. */
export interface ReadSource {
  readonly count: number;
  /** `{ x, y }` of these examples, in this order: typed arrays, or records or lists of them. The same for the same rows whenever it is asked. */
  read(rows: Int32Array): unknown;
}

export interface FirstRows {
  readonly inputs: Names;
  readonly targets: Names;
  readonly arrays: Batch;
}

export function failureIn(name: string): Fail {
  return (message, cause) =>
    new DataError({
      code: 'DATA_ROWS',
      message: `${name}: ${message}`,
      next: 'Correct read(rows) of the data; docs/data.md, "Rows that are read", says what it gives.',
      cause,
    });
}

/** @throws DataError DATA_ROWS or DATA_EMPTY */
export function requireReadSource(given: unknown, which: string, fail: Fail): asserts given is ReadSource {
  if (!isRecord(given) || typeof given.read !== 'function') throw fail(`${which} is ${text(given)}, wanted { count, read }`);
  const { count } = given;
  if (!Number.isInteger(count) || (count as number) < 0 || (count as number) > LIMITS.maxReadExamples)
    throw fail(`${which}.count is ${text(count)}, wanted the number of examples`);
}

/** Names and types, from the first example. */
export async function firstRow(source: ReadSource, which: string, fail: Fail): Promise<FirstRows> {
  const { inputs, targets } = await called(source, Int32Array.of(0), which, fail);
  const kept = (side: Side): Record<string, NumericArray> =>
    Object.fromEntries(side.names.names.map((name) => [name, converted(side, name, fail)]));
  return { inputs: inputs.names, targets: targets.names, arrays: { inputs: kept(inputs), targets: kept(targets) } };
}

export interface ReadOnce {
  readonly targets: Record<string, NumericArray>;
  /** SHA-256 (hex) of each input. */
  readonly hashes: Record<string, string>;
}

/** Every row once, in order, a bounded number at a time. */
export async function readOnce(source: ReadSource, fields: DataFields, which: string, fail: Fail): Promise<ReadOnce> {
  const { count } = source;
  const hashes: Record<string, Hash> = Object.fromEntries(fields.inputs.map(({ name }) => [name, createHash('sha256')]));
  const targets = Object.fromEntries(
    fields.targets.map(({ name, type, shape }) => [name, emptyArray(type, count * product(shape), { shared: true })]),
  );
  const step = rowsAtOnce([...fields.inputs, ...fields.targets]);
  for (let first = 0; first < count; first += step) {
    const rows = Int32Array.from({ length: Math.min(step, count - first) }, (_, at) => first + at);
    const batch = emptyBatch(fields, rows.length);
    await readInto(source, fields, { rows, into: batch, which, fail });
    for (const { name } of fields.inputs) for (const slice of byteSlices(batch.inputs[name])) hashes[name].update(slice);
    for (const { name, shape } of fields.targets) targets[name].set(batch.targets[name], first * product(shape));
  }
  return { targets, hashes: Object.fromEntries(Object.entries(hashes).map(([name, hash]) => [name, hash.digest('hex')])) };
}

/** Rows as a replica asks for them; their labels must be those of the first pass. */
export function openRead(
  source: ReadSource,
  {
    fields,
    split,
    which,
    fail,
  }: { fields: DataFields; split: { count: number; targets: Batch['targets'] }; which: string; fail: Fail },
): OpenedSplit {
  return {
    count: split.count,
    async read(rows, into) {
      requireWithin(rows, split.count);
      const batch = emptyBatch(fields, rows.length);
      await readInto(source, fields, { rows, into: batch, which, fail });
      for (const { name } of fields.targets) {
        const before = emptyArray(typeOf(batch.targets[name]), batch.targets[name].length);
        gather(split.targets[name], split.count, rows, before);
        const at = before.findIndex((value, index) => value !== batch.targets[name][index]);
        if (at === -1) continue;
        const row = rows[Math.floor(at / (before.length / rows.length))];
        throw fail(
          `read(rows) of ${which} gives example ${row} the label ${batch.targets[name][at]}, and gave ${before[at]} before`,
        );
      }
      for (const side of ['inputs', 'targets'] as const)
        for (const [name, values] of Object.entries(into[side])) values.set(batch[side][name]);
    },
  };
}

function emptyBatch({ inputs, targets }: DataFields, rows: number): Batch {
  const side = (fields: readonly Field[]): Record<string, NumericArray> =>
    Object.fromEntries(fields.map(({ name, type, shape }) => [name, emptyArray(type, rows * product(shape))]));
  return { inputs: side(inputs), targets: side(targets) };
}

interface Asked {
  readonly rows: Int32Array;
  readonly into: Batch;
  readonly which: string;
  readonly fail: Fail;
}

async function readInto(source: ReadSource, fields: DataFields, { rows, into, which, fail }: Asked): Promise<void> {
  const given = await called(source, rows, which, fail);
  for (const side of ['inputs', 'targets'] as const) {
    const { names, label } = given[side];
    if (names.names.join() !== fields[side].map(({ name }) => name).join())
      throw fail(`${label} has ${names.names.join(', ')}, and had ${fields[side].map(({ name }) => name).join(', ')} before`);
    for (const { name, shape, type } of fields[side]) {
      const values = converted(given[side], name, fail);
      const wanted = rows.length * product(shape);
      const path = pathOf(label, names, name);
      if (values.length !== wanted)
        throw fail(`${path} has ${values.length} values, wanted ${wanted}: ${rows.length} examples of [${shape.join(', ')}]`);
      // Whole numbers of a label that is an index stay so, whatever array they come in.
      if (typeOf(values) !== type && !(type === 'int32' && values.every(Number.isInteger)))
        throw fail(`${path} is ${typeOf(values)}, and was ${type} before`);
      into[side][name].set(values);
    }
  }
}

interface Side {
  readonly label: string;
  readonly names: Names;
  readonly arrays: Record<string, unknown>;
}

async function called(source: ReadSource, rows: Int32Array, which: string, fail: Fail): Promise<{ inputs: Side; targets: Side }> {
  let result: unknown;
  try {
    result = await source.read(rows.slice());
  } catch (cause) {
    if (cause instanceof ExpectedError) throw cause;
    throw fail(`read(rows) of ${which} failed for ${rows.length} examples from ${rows[0]}: ${placedReason(cause)}`, cause);
  }
  if (!isRecord(result)) throw fail(`read(rows) of ${which} gave ${text(result)}, wanted { x, y } of typed arrays`);
  if (result.weights !== undefined) throw fail(`read(rows) of ${which} gave weights, which only arrays in memory have`);
  const side = (label: 'x' | 'y', single: string): Side => ({
    label: `${which}.${label}`,
    ...arraysByName(result[label], single),
  });
  return { inputs: side('x', INPUT), targets: side('y', TARGET) };
}

function converted({ label, names, arrays }: Side, name: string, fail: Fail): NumericArray {
  const path = pathOf(label, names, name);
  const type = keptAs(arrays[name]);
  if (type === undefined)
    throw fail(`${path} is ${text(arrays[name])}, wanted a typed array (Uint8Array, Int32Array, Float32Array ...)`);
  const given = arrays[name] as SourceArray;
  const kept = emptyArray(type, given.length);
  kept.set(given);
  requireFinite(kept, given, path, fail);
  return kept;
}
