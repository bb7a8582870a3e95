/**
 * Owns: that report.html says of a finished classifier what plain tfjs makes of its weights, on one machine and in a cluster; that asking changes no bit of
 * the run; and that the section outlives a resume with nothing to do. (That a model which tells no classes has none: compiled_models.test.ts.)
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, expect, it } from 'vitest';
import { endOf, PLACES, runAt, type Told } from '../support/run_anywhere.js';
import { folderOfTests } from '../support/temporary_folder.js';

const folder = folderOfTests();
beforeAll(async () => {
  await tf.setBackend('cpu');
  writeFileSync(join(folder, 'data.mjs'), DATA);
  writeFileSync(join(folder, 'classes.mjs'), MODEL);
});

/** Pictures of 4 × 5 pixels; 13 of them do not divide by 2 shards or by the batch of 6. */
const N = 13;
const DATA = `
const x = Uint8Array.from({ length: ${N * 20} }, (_, i) => 127.5 + 127.5 * Math.sin(i * i));
const y = Float32Array.from({ length: ${N * 3} }, (_, i) => (i % 3 === Math.floor(i / 3) % 3 ? 1 : 0));
export const train = { x, y };
export const validation = { x, y };
export const inputShape = [4, 5, 1];
`;
const X = Float32Array.from(Uint8Array.from({ length: N * 20 }, (_, i) => 127.5 + 127.5 * Math.sin(i * i)));

const MODEL = `
export function createModel(tf) {
  const model = tf.sequential({ layers: [
    tf.layers.flatten({ inputShape: [4, 5, 1] }),
    tf.layers.dense({ name: 'out', units: 3, activation: 'softmax', kernelInitializer: tf.initializers.glorotUniform({ seed: 1 }) }),
  ]});
  model.compile({ optimizer: tf.train.sgd(0.01), loss: 'categoricalCrossentropy' });
  return model;
}
`;

const settings = (model: string, more: object = {}) => ({
  ...{ model: join(folder, `${model}.mjs`), data: join(folder, 'data.mjs'), batch: 6, epochs: 2, ...more },
});

const pageOf = ({ runFolder }: Told): string => readFileSync(join(runFolder, 'report.html'), 'utf8');

/** What plain tfjs says with the run's last weights: which class, and how surely. */
function truth({ weights }: Told): { said: number[]; surely: number[] } {
  const kernel = Object.keys(weights).find((name) => name.endsWith('kernel'))!;
  const bias = Object.keys(weights).find((name) => name.endsWith('bias'))!;
  const shares = tf.softmax(tf.add(tf.matMul(tf.tensor(X, [N, 20]), tf.tensor(weights[kernel], [20, 3])), weights[bias]));
  return { said: [...tf.argMax(shares, -1).dataSync()], surely: [...tf.max(shares, -1).dataSync()] };
}

let alone: Told;

it.each(PLACES)('on one %s, counts and examples are those of plain tfjs', async (place) => {
  const run = await runAt(place, { settings: settings('classes'), runDir: folder });
  if (place === 'machine') alone = run;
  const { said, surely } = truth(run);
  const wrong = [...said.keys()].filter((row) => said[row] !== row % 3).sort((a, b) => surely[b] - surely[a]);
  expect(wrong.length).toBeGreaterThan(0);
  const page = pageOf(run);
  expect(page).toContain(`After epoch 2, step 6: ${N - wrong.length} of ${N} right`);
  const shown = [...page.matchAll(/is (\d), said (\d)<br>([\d.]+) %, row (\d+)</g)].map(([, is, to, , row]) => [+row, +is, +to]);
  expect(shown).toEqual(wrong.map((row) => [row, row % 3, said[row]]));
  expect(page.match(/<img alt="" src="data:image\/png;base64,/g)?.length).toBe(wrong.length);
  expect(run.events.filter(({ type }) => type === 'warn')).toEqual([]);
});

it('changes no bit of the run, and stays where a resume has nothing left to compute', async () => {
  const silent = await runAt('machine', { settings: settings('classes', { report: ['csv'] }), runDir: folder });
  expect(endOf(silent).weightsSha256).toBe(endOf(alone).weightsSha256);
  const before = pageOf(alone);
  const section = before.slice(before.indexOf('<!-- classes -->'), before.indexOf('<!-- /classes -->'));
  const kept = settings('classes', { optimizer: { learning_rate: 0.01 } });
  await runAt('machine', { settings: kept, resume: alone.runFolder, runDir: folder });
  expect(pageOf(alone)).toContain(section);
});
