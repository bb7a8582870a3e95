/**
 * Owns: augmentation through whole runs: one result for any number of replicas, in a cluster, after a resume inside an epoch and after a kill; the same
 * compiled and op by op, in one shard and several, but for rounding; nothing of it in the evaluation.
 */
import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { augmentationList } from '../../src/common/augmentation.js';
import { fit, fitDataset, release } from '../../src/index.js';
import type { ConfigLayer } from '../../src/common/settings/table.js';
import { runCli } from '../support/built_cli.js';
import { trainUntil } from '../support/held_run.js';
import { recordsIn, train, weightsSha256Of } from '../support/real_run.js';
import { endOf, runAt, type Place, type Told } from '../support/run_anywhere.js';

const DATA = `
const set = (n, from) => ({
  x: Uint8Array.from({ length: 64 * n }, (_, i) => (from + i * 73 + (i >> 3) * 41 + (i >> 6) * 17) % 256),
  y: Int32Array.from({ length: n }, (_, i) => i % 3),
});
export const train = set(22, 0);
export const validation = set(6, 5);
export const inputShape = [8, 8, 1];
export const scale = 1 / 255;
`;
const MODEL = `export function createModel(tf) {
  return tf.sequential({ layers: [
    tf.layers.conv2d({ filters: 3, kernelSize: 3, inputShape: [8, 8, 1], activation: 'tanh' }), tf.layers.flatten(),
    tf.layers.dropout({ rate: 0.25 }), tf.layers.dense({ units: 3, activation: 'softmax' }),
  ] });
}
`;
const OWN = `${MODEL}
export const augment = (tf, { inputs: { x }, targets: { y } }, random) =>
  ({ inputs: { x: tf.add(x, random([8, 8, 1], { distribution: 'normal', stddev: 0.1 })) } });
`;
/** Each of them. */
const ALL = augmentationList([
  ...['flip both', { shift: 2, fill: 'reflect' }, { rotate: 15, fill: 'edge' }, 'zoom 0.2', { brightness: 0.2 }, 'contrast 0.3'],
  ...[{ mixup: 0.4 }, 'cutout 3', { label_smoothing: 0.1 }],
]);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'augmentation-'));
  for (const [name, text] of Object.entries({ 'data.mjs': DATA, 'model.mjs': MODEL, 'own.mjs': OWN }))
    writeFileSync(join(folder, name), text);
});
afterAll(() => rm(folder, { recursive: true }));

/** Batches of 8, 8 and 6, in 3 shards. */
const run = (place: Place, settings: ConfigLayer, resume?: string): Promise<Told> =>
  runAt(place, {
    settings: {
      ...{
        model: join(folder, 'own.mjs'),
        data: join(folder, 'data.mjs'),
        batch: 8,
        epochs: 2,
        shards: 3,
        report: ['none'],
        optimizer: { learning_rate: 0.05 },
      },
      ...settings,
    },
    runDir: folder,
    ...(resume !== undefined && { resume }),
  });
const hashOf = (told: Told): string => endOf(told).weightsSha256;
const epochsOf = ({ events }: Told) => events.flatMap((event) => (event.type === 'epoch' ? [event.values] : []));

/** Largest |difference| of two runs' weights. */
function apart(a: Told, b: Told): number {
  return Math.max(
    ...Object.entries(a.weights).map(([name, values]) =>
      Math.max(...values.map((value, i) => Math.abs(value - b.weights[name][i]))),
    ),
  );
}

describe('all augmentations together, a function of the module among them', () => {
  it('give the same bits on 1, 2 and 3 replicas, in a cluster, and resumed on others inside an epoch', async () => {
    const one = await run('machine', { augment: ALL });
    expect(hashOf(await run('machine', { augment: ALL, workers: 3 }))).toBe(hashOf(one));
    expect(hashOf(await run('cluster', { augment: ALL }))).toBe(hashOf(one));
    const begun = await run('machine', { augment: ALL, workers: 2, max_steps: 4 });
    expect(hashOf(await run('machine', { augment: ALL }, begun.runFolder))).toBe(hashOf(one));
    await expect(run('machine', { augment: ALL.slice(1) }, begun.runFolder)).rejects.toMatchObject({
      code: 'RESUME_CONFIG_DIFFERS',
    });
    // In one shard, and op by op, alike but for rounding: six steps of sums of 8 examples, each of magnitude 1.
    expect(apart(one, await run('machine', { augment: ALL, shards: 1 }))).toBeLessThan(2e-5);
    expect(apart(one, await run('machine', { augment: ALL, compile: false }))).toBeLessThan(2e-5);
    // bfloat16 has 8 bits: steps of 0.05 of gradients of magnitude 1.
    const bf16 = await run('machine', { augment: ALL, precision: 'bf16' });
    expect(apart(one, bf16)).toBeLessThan(0.02);
  });

  it('are in the training alone, and of every epoch others', async () => {
    // A rate that changes no output.
    const still = { model: join(folder, 'model.mjs'), optimizer: { learning_rate: 1e-30 }, epochs: 2, shuffle: false, shards: 1 };
    const [plain, augmented] = [await run('machine', still), await run('machine', { ...still, augment: ['brightness 0.5'] })];
    const [before, after] = [epochsOf(plain), epochsOf(augmented)];
    expect(after.map(({ val_loss }) => val_loss)).toEqual(before.map(({ val_loss }) => val_loss));
    expect(after[0].loss).not.toBeCloseTo(before[0].loss, 4);
    expect(after[0].loss).not.toBeCloseTo(after[1].loss, 4);
  });
});

it('a killed run goes on to the bits of one that nobody killed', async () => {
  const args = [
    '--model',
    join(folder, 'own.mjs'),
    '--data',
    join(folder, 'data.mjs'),
    '--augment',
    'flip, shift 2, mixup 0.2',
    '--gpus',
    'none',
  ];
  const settings = [
    '--batch',
    '8',
    '--shards',
    '2',
    '--epochs',
    '12',
    '--threads-per-worker',
    '1',
    '--checkpoint-every',
    '4 steps',
    '--run-dir',
    folder,
  ];
  const killed = await trainUntil(10, [...args, ...settings, '--name', 'killed', '--workers', '2']);
  killed.kill('SIGKILL');
  expect((await killed.ended).signal).toBe('SIGKILL');
  expect((await train(['--resume', join(folder, 'killed'), '--workers', '1'])).code).toBe(0);
  const whole = await train([...args, ...settings, '--name', 'whole', '--workers', '1']);
  expect(recordsIn(whole.out).at(-1)).toMatchObject({ type: 'end', steps: 36 });
  expect(weightsSha256Of(join(folder, 'killed'))).toBe(weightsSha256Of(join(folder, 'whole')));
});

it('the command line refuses what does not fit, before and after the data are known, and verify has it on', () => {
  const cli = (...args: string[]): string => {
    const { code, err, out } = runCli(
      [...args, '--model', join(folder, 'own.mjs'), '--data', join(folder, 'data.mjs'), '--gpus', 'none'],
      { cwd: folder },
    );
    return `${code} ${err}${out}`;
  };
  expect(cli('train', '--augment', 'flip, rotat 5')).toMatch(
    /^2 error CONFIG_WRONG_VALUE: augment must be a list of flip, .* \(did you mean rotate by "rotat"\?\), found "flip, rotat 5" in --augment\n/,
  );
  expect(cli('train', '--augment', 'shift 9')).toMatch(
    /^2 [^]*error AUGMENT_INPUT: shift by 9 pixels leaves nothing of pictures of 8 × 8\n/,
  );
  expect(cli('verify', '--augment', 'flip, rotate 20, mixup 0.2', '--batch', '7', '--shards', '2')).toMatch(
    /^0 [^]*ok: equal to the bit/,
  );
});

it('fit() augments by the list, and fitDataset() says why not', async () => {
  await tf.setBackend('cpu');
  const kernelInitializer = tf.initializers.glorotUniform({ seed: 3 });
  const model = (): tf.LayersModel => {
    const made = tf.sequential({
      layers: [
        tf.layers.flatten({ inputShape: [4, 4, 1] }),
        tf.layers.dense({ units: 3, kernelInitializer, activation: 'softmax' }),
      ],
    });
    made.compile({ optimizer: tf.train.sgd(0.1), loss: 'sparseCategoricalCrossentropy' });
    return made;
  };
  const x = tf.tensor4d(
    Float32Array.from({ length: 12 * 16 }, (_, i) => Math.sin(i)),
    [12, 4, 4, 1],
  );
  const y = tf.tensor1d(Float32Array.from({ length: 12 }, (_, i) => i % 3));
  const hash = async (augment: object[], devices: number): Promise<string> => {
    const of = model();
    const options = { epochs: 2, batchSize: 8, shards: 2, workers: devices, threadsPerWorker: 1, verbose: 0 } as const;
    const { run: told } = await fit(of, x, y, { ...options, augment: augment as Record<string, number>[] });
    await release(of);
    return told.weightsSha256;
  };
  const augment = [{ flip: true }, { shift: 1 }, { labelSmoothing: 0.2 }, { mixup: 0.3 }];
  const one = await hash(augment, 1);
  expect(await hash(augment, 2)).toBe(one);
  expect(await hash([], 1)).not.toBe(one);
  await expect(hash([{ shift: 0.5 }], 1)).rejects.toMatchObject({
    code: 'OPTION_INVALID',
    message: expect.stringContaining('shift takes a whole number') as string,
  });
  const dataset = tf.data.array([{ xs: tf.zeros([4, 4, 1]), ys: 1 }]).batch(1);
  await expect(fitDataset(model(), dataset as never, { epochs: 1, augment } as never)).rejects.toMatchObject({
    code: 'OPTION_REFUSED',
  });
});
