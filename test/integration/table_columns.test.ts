/**
 * Owns: tables for models of several inputs and outputs: columns named by the model's inputs and outputs train to the weights of the same data as arrays, in memory and
 * read from files, on one machine and in a cluster, and resumed.
 */
import { readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { train } from '../../src/index.js';
import type { ConfigLayer } from '../../src/common/settings/table.js';
import { cacheFolder } from '../../src/data/cache_folder.js';
import { endOf, runAt, type Place, type Told } from '../support/run_anywhere.js';
import { temporaryFolder } from '../support/temporary_folder.js';

/** More inputs than 1 MiB holds, which is all that may be in memory where they shall not be. */
const [ROWS, USER, ITEM] = [2000, 90, 50];
const TWO_TOWERS = `export function createModel(tf) {
  const tower = (name, width) => tf.input({ shape: [width], name });
  const dense = (units, more) => tf.layers.dense({ units, ...more });
  const [user, item] = [tower('user', ${USER}), tower('item', ${ITEM})];
  const both = tf.layers.concatenate().apply([user, item].map((input) => dense(3, { activation: 'tanh' }).apply(input)));
  return tf.model({ inputs: [user, item], outputs: dense(1, { name: 'rating' }).apply(both) });
}`;
const VALUE = `const value = (row, column) => Math.round(1e4 * Math.sin(1 + row * 0.37 + column * 1.1)) / 1e4;`;
const ARRAYS = `${VALUE}
const filled = (width, first) => Float32Array.from({ length: ${ROWS} * width }, (_, at) => value(Math.floor(at / width), first + (at % width)));
export const train = { x: { user: filled(${USER}, 0), item: filled(${ITEM}, ${USER}) }, y: filled(1, ${USER + ITEM}) };
export const inputShape = { user: [${USER}], item: [${ITEM}] };
export const labelShape = [1];`;

const COLUMNS = [
  ...Array.from({ length: USER }, (_, at) => `u${at}`),
  ...Array.from({ length: ITEM }, (_, at) => `i${at}`),
  'rating',
];
const named = (name: string, from: number, to: number): string[] => COLUMNS.slice(from, to).map((column) => `${name}=${column}`);
const INPUTS = [...named('user', 0, USER), ...named('item', USER, USER + ITEM)];

const run = (folder: string, place: Place, settings: ConfigLayer, resume?: string): Promise<Told> =>
  runAt(place, {
    settings: { ...{ model: join(folder, 'towers.mjs'), loss: 'mse', batch: 500, epochs: 2, report: ['csv'] }, ...settings },
    runDir: folder,
    ...(resume !== undefined && { resume }),
  });
const hashOf = (told: Told): string => endOf(told).weightsSha256;

/** Where decoded rows are kept: TensorFlow stays where it is. */
async function ownCache(): Promise<void> {
  const [cache, before] = [await temporaryFolder(), process.env.TFJS_PARALLEL_CACHE];
  for (const name of readdirSync(cacheFolder()))
    if (!['rows', 'identities'].includes(name)) symlinkSync(join(cacheFolder(), name), join(cache, name));
  process.env.TFJS_PARALLEL_CACHE = cache;
  onTestFinished(
    () => void (before === undefined ? delete process.env.TFJS_PARALLEL_CACHE : (process.env.TFJS_PARALLEL_CACHE = before)),
  );
}

function table(): string {
  const value = new Function('row', 'column', `${VALUE} return value(row, column);`) as (row: number, column: number) => number;
  const lines = Array.from({ length: ROWS }, (_, row) => COLUMNS.map((_, column) => value(row, column)).join(','));
  return [COLUMNS.join(','), ...lines].join('\n');
}

it('a CSV of two inputs trains to the weights of its arrays: in memory, from files, in a cluster, and gone on with', async () => {
  await ownCache();
  const folder = await temporaryFolder({ 'towers.mjs': TWO_TOWERS, 'arrays.mjs': ARRAYS, 'ratings.csv': table() });
  const arrays = await run(folder, 'machine', { data: join(folder, 'arrays.mjs') });
  const csv = { data: join(folder, 'ratings.csv'), inputs: INPUTS, labels: ['rating'] };
  const memory = await run(folder, 'machine', csv);
  expect(hashOf(memory)).toBe(hashOf(arrays));
  expect(memory.lines.find((line) => line.includes('inputs user (u0, u1, '))).toContain('labels rating');
  const files = await run(folder, 'machine', { ...csv, data_memory: 1, workers: 2, max_steps: 3 });
  expect(hashOf(files)).not.toBe(hashOf(arrays));
  // The same columns in another order are other data.
  const swapped = { ...csv, inputs: [INPUTS[1], INPUTS[0], ...INPUTS.slice(2)] };
  await expect(run(folder, 'machine', swapped, files.runFolder)).rejects.toMatchObject({ code: 'RESUME_CONFIG_DIFFERS' });
  expect(hashOf(await run(folder, 'machine', { ...csv, data_memory: 1 }, files.runFolder))).toBe(hashOf(arrays));
  expect(hashOf(await run(folder, 'cluster', { ...csv, data_memory: 1 }))).toBe(hashOf(arrays));
});

it('Parquet with lists and texts feeds two inputs and two heads, as the library says it', async () => {
  const parquet = fileURLToPath(new URL('../golden/files/columns.parquet', import.meta.url));
  const folder = await temporaryFolder();
  const model = join(folder, 'heads.mjs');
  writeFileSync(
    model,
    `export function createModel(tf) {
      const [camelCase, other] = [tf.input({ shape: [4], name: 'camelCase' }), tf.input({ shape: [1], name: 'other' })];
      const both = tf.layers.concatenate().apply([camelCase, other]);
      const outputs = [tf.layers.dense({ units: 3, activation: 'softmax', name: 'kind' }), tf.layers.dense({ units: 2, name: 'size' })];
      return tf.model({ inputs: [camelCase, other], outputs: outputs.map((layer) => layer.apply(both)) });
    }`,
  );
  const common = {
    ...{ model, batch: 2, shards: 2, workers: 1, threadsPerWorker: 1, gpus: 'none', epochs: 3, runDir: folder },
    loss: { kind: 'softmax_cross_entropy', size: 'mse' },
  };
  const table = await train({
    ...{ ...common, data: parquet },
    inputs: { camelCase: ['length', 'pixels'], other: 'width' },
    labels: { kind: 'kind', size: ['price', 'half'] },
  });
  const x = {
    camelCase: Float32Array.from([1.5, 0, 1, 2, 2.25, 1, 2, 3, -3, 2, 3, 4, 0.1, 3, 4, 5, 1e-3, 4, 5, 6]),
    other: Int32Array.of(1, 2, 3, 4, -5),
  };
  const y = { kind: Int32Array.of(1, 0, 1, 2, 0), size: Float32Array.of(1, 0.5, 2, 1, 3, 2, 4, 3, 5, 4) };
  const arrays = await train({ ...common, data: { train: { x, y }, inputShape: { camelCase: [4], other: [1] } } });
  expect(table.weightsSha256).toBe(arrays.weightsSha256);
  await expect(train({ ...common, data: parquet, labels: { kind: 'kind', size: ['price', 'half'] } })).rejects.toMatchObject({
    code: 'DATA_TABLES',
  });
  await expect(
    train({
      ...common,
      data: parquet,
      inputs: { first: ['length', 'pixels'], other: 'width' },
      labels: { kind: 'kind', size: 'half' },
    }),
  ).rejects.toMatchObject({
    code: 'MODEL_INPUTS',
    message: 'the model has 2 inputs (camelCase, other), columns.parquet has 2 arrays of inputs (first, other)',
    next: expect.stringMatching(
      /^Say with inputs: \{ camelCase: COLUMN, other: COLUMN \} what each takes, a list where it has several; columns.parquet has length, /,
    ) as string,
  });
});
