/**
 * Owns: that each program in examples/migrate gives the same histories under tfjs's model.fit and under fit, where the order is not drawn; and that
 * it runs as its first lines tell, and ends.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type * as tf from '@tensorflow/tfjs';
import { afterEach, expect, it } from 'vitest';
import { fit, fitDataset, release } from '../../src/index.js';

const FOLDER = fileURLToPath(new URL('../../examples/migrate', import.meta.url));
const PROGRAMS = readdirSync(FOLDER).filter((name) => name !== 'drawn.mjs');

type Fit = (model: tf.LayersModel, ...rest: never[]) => Promise<tf.History>;
type Main = (fits: { fit: Fit; fitDataset: Fit }, options: object) => Promise<tf.History[]>;

const THEIRS = {
  fit: (model: tf.LayersModel, x: tf.Tensor, y: tf.Tensor, options: object) => model.fit(x, y, options),
  fitDataset: (model: tf.LayersModel, data: never, options: never) => model.fitDataset(data, options),
} as unknown as { fit: Fit; fitDataset: Fit };
const OURS = { fit, fitDataset } as unknown as typeof THEIRS;

afterEach(() => release());

it('are eight', () => {
  expect(PROGRAMS).toHaveLength(8);
});

it.each(PROGRAMS)('%s has the same histories under model.fit and under fit', async (name) => {
  const { main } = (await import(pathToFileURL(join(FOLDER, name)).href)) as { main: Main };
  const wanted = await main(THEIRS, { shuffle: false, verbose: 0 });
  const found = await main(OURS, { shuffle: false, verbose: 0, devices: ['CPU:0'], threadsPerWorker: 1 });
  expect(found.map(({ epoch }) => epoch)).toEqual(wanted.map(({ epoch }) => epoch));
  wanted.forEach(({ history }, at) => {
    expect(Object.keys(found[at].history)).toEqual(Object.keys(history));
    for (const [value, ofEpochs] of Object.entries(history)) {
      (ofEpochs as number[]).slice(0, 2).forEach((of, epoch) => {
        const ours = found[at].history[value][epoch] as number;
        expect(Math.abs(ours - of), `${value} of epoch ${epoch} in call ${at}: ${ours}, wanted ${of}`).toBeLessThan(1e-4);
      });
    }
  });
});

it('iris.mjs runs by hand as it says, and ends though its replicas are open', () => {
  const [, usage] = /^ \* Usage: (.+)$/m.exec(readFileSync(join(FOLDER, 'iris.mjs'), 'utf8')) ?? [];
  expect(usage).toBe('node examples/migrate/iris.mjs');
  const ran = spawnSync(process.execPath, ['examples/migrate/iris.mjs'], { encoding: 'utf8' });
  expect(ran.status, ran.stderr).toBe(0);
  expect(ran.stdout.match(/^epoch \d: val_loss /gm)).toHaveLength(4);
});
