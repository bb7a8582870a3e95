/**
 * Owns: accumulation, fixed batch norm, overfit and fast_dev_run through whole runs: what each means, the same for any number of replicas and in a cluster.
 */
import { readdirSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ConfigLayer } from '../../src/common/settings/table.js';
import { runCli } from '../support/built_cli.js';
import { endOf, runAt, warningsOf, type Place, type Told } from '../support/run_anywhere.js';

const TRAIN = 22;
const DATA = `
const set = (first, n) => ({
  x: Float32Array.from({ length: 3 * n }, (_, i) => Math.sin(1 + 0.7 * (first * 3 + i)) + 2),
  y: Int32Array.from({ length: n }, (_, i) => (first + i) % 3),
});
export const train = set(0, ${TRAIN});
export const validation = set(${TRAIN}, 6);
export const inputShape = [3];
`;
const MODEL = `export function createModel(tf) {
  return tf.sequential({ layers: [
    tf.layers.dense({ units: 4, inputShape: [3] }), tf.layers.batchNormalization({ momentum: 0.5 }), tf.layers.dropout({ rate: 0.25 }),
    tf.layers.dense({ units: 3, activation: 'softmax' }),
  ] });
}`;
const isMoving = (name: string): boolean => /moving_(mean|variance)$/.test(name);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trials-'));
  writeFileSync(join(folder, 'data.mjs'), DATA);
  writeFileSync(join(folder, 'model.mjs'), MODEL);
});
afterAll(() => rm(folder, { recursive: true }));

/** Batches of 8, 8 and 6. */
const run = (place: Place, settings: ConfigLayer, resume?: string): Promise<Told> =>
  runAt(place, {
    settings: { ...{ model: join(folder, 'model.mjs'), data: join(folder, 'data.mjs'), batch: 8, epochs: 2 }, ...settings },
    runDir: folder,
    ...(resume !== undefined && { resume }),
  });
const hashOf = (told: Told): string => endOf(told).weightsSha256;
const valuesOf = ({ events }: Told): unknown => events.flatMap((event) => (event.type === 'epoch' ? [event.values] : []));

describe('accumulate', () => {
  it('means shards: 2 on each of 2 replicas and 4 shards of one are one result; 4 on one, gone on with by two replicas, are the same', async () => {
    const shards = await run('machine', { shards: 4 });
    const two = await run('machine', { shards: null, accumulate: 2, workers: 2 });
    const begun = await run('machine', { shards: null, accumulate: 4, max_steps: 4 });
    expect([hashOf(two), valuesOf(two)]).toEqual([hashOf(shards), valuesOf(shards)]);
    expect([two, begun].map(({ config }) => config.shards)).toEqual([4, 4]);
    const kept = { shards: 4, accumulate: 4, workers: 2, max_steps: null };
    expect(hashOf(await run('machine', kept, begun.runFolder))).toBe(hashOf(shards));
  });

  it('that does not make the shards given is refused, and in a cluster shards must be given', async () => {
    await expect(run('machine', { shards: 4, accumulate: 3 })).rejects.toMatchObject({ code: 'ACCUMULATE_CONFLICT' });
    const { code, err } = runCli(['coordinator', '--accumulate', '2']);
    expect([code, err]).toEqual([2, expect.stringContaining('error SHARDS_MISSING')]);
  });
});

describe('fixed batch norm', () => {
  const settings = { batch_norm: 'fixed', shards: 4 };

  it('leaves the moving statistics as they are to the bit, and shards change the rest by rounding alone', async () => {
    const initial = await run('machine', { ...settings, epochs: 0 });
    const [one, four] = [await run('machine', { ...settings, shards: 1 }), await run('machine', settings)];
    expect(Object.keys(four.weights).filter(isMoving)).toHaveLength(2);
    for (const [name, values] of Object.entries(four.weights)) {
      if (isMoving(name)) expect(values).toEqual(initial.weights[name]);
      else expect(values).not.toEqual(initial.weights[name]);
      // Six steps on sums of 8 examples, each of magnitude 1.
      values.forEach((value, i) => expect(Math.abs(value - one.weights[name][i])).toBeLessThan(1e-5));
    }
    // In a cluster, and begun on 2 replicas and gone on with by one, inside an epoch.
    expect(hashOf(await run('cluster', settings))).toBe(hashOf(four));
    const begun = await run('machine', { ...settings, workers: 2, max_steps: 2 });
    expect(hashOf(await run('machine', settings, begun.runFolder))).toBe(hashOf(four));
    await expect(run('machine', { shards: 4 }, begun.runFolder)).rejects.toMatchObject({ code: 'RESUME_CONFIG_DIFFERS' });
  });
});

describe('overfit', () => {
  it('trains and validates on the first examples and says so', async () => {
    const few = await run('cluster', { overfit: 10 });
    const cut = await run('machine', { train_limit: 10 });
    expect(hashOf(few)).toBe(hashOf(cut));
    expect(few.events.find(({ type }) => type === 'start')).toMatchObject({ dataset: { train: 10, validation: 10 } });
    expect(warningsOf(few)).toEqual([
      expect.stringContaining('OVERFIT_RUN: trains and validates on the first 10 training examples'),
    ]);
  });
});

describe('fast_dev_run', () => {
  it('takes two steps and evaluates as many examples, and nothing is on the disk', async () => {
    const before = readdirSync(folder).filter((name) => !name.startsWith('token-'));
    const told = await run('cluster', {
      fast_dev_run: true,
      batch: 2,
      max_steps: 1,
      target: 1,
      epochs: 9,
      threads_per_worker: 2,
    });
    expect(endOf(told)).toMatchObject({ steps: 2, epochs: 1, reason: 'done' });
    // The worker was not told a number of threads of its own.
    expect(told.events.find(({ type }) => type === 'start')).toMatchObject({
      numerics: { intraOpThreads: 2 },
      runFolder: '',
      dataset: { train: 4, validation: 4 },
    });
    expect(Object.keys((valuesOf(told) as object[])[0]).sort()).toEqual(['acc', 'loss', 'val_acc', 'val_loss']);
    expect(warningsOf(told)).toEqual([expect.stringContaining('FAST_DEV_RUN: two steps and an evaluation')]);
    expect(readdirSync(folder).filter((name) => !name.startsWith('token-'))).toEqual(before);
  });

  it('of the command line meets no target, prints nothing to resume, and leaves no folder', () => {
    const args = ['train', '--model', join(folder, 'model.mjs'), '--data', join(folder, 'data.mjs'), '--gpus', 'none'];
    const { code, out, err } = runCli([...args, '--batch', '20', '--fast-dev-run', '--target', '1'], { cwd: folder });
    expect([code, err]).toEqual([0, expect.stringContaining('nothing is kept')]);
    expect(err).not.toContain('resume');
    expect(out).toContain('validation set accuracy');
    expect(readdirSync(folder)).not.toContain('runs');
  });
});
