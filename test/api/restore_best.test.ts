/** Owns: the model at the end of a run whose early stopping gives the best epoch's back. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { expect, it } from 'vitest';
import { train, type RunEvent } from '../../src/index.js';
import { temporaryFolder } from '../support/temporary_folder.js';

const points = (count: number, from: number): { x: Float32Array; y: Int32Array } => {
  const x = Float32Array.from({ length: count * 2 }, (_, i) => Math.sin((i + from) * 1.7));
  return { x, y: Int32Array.from({ length: count }, (_, i) => (x[2 * i] > x[2 * i + 1] ? 1 : 0)) };
};

it.each([null, 99])(
  'is that of the epoch that is named, also where its last one was saved (save_above %s)',
  async (saveAbove) => {
    const warned: string[] = [];
    const run = await train({
      model: tf.sequential({
        layers: [tf.layers.dense({ units: 2, inputShape: [2], kernelInitializer: tf.initializers.glorotUniform({ seed: 1 }) })],
      }),
      data: { train: points(16, 0), validation: points(8, 3), inputShape: [2] },
      ...{ batch: 4, epochs: 6, workers: 1, threadsPerWorker: 1, learningRate: 0.5, runDir: await temporaryFolder() },
      // The loss of the last epoch is the least, so that its model is saved; what early stopping looks at is a greater loss here.
      ...{ monitor: 'loss', saveAbove, earlyStopping: { patience: 9, monitor: 'val_acc', restoreBest: true } },
      observer: (event: RunEvent) => void (event.type === 'warn' && warned.push(`${event.code} ${event.message}`)),
    });
    const told = warned.map((line) => /^BEST_RESTORED .*epoch-0006, is that of epoch (\d), the best/.exec(line)).find(Boolean);
    const epoch = Number(told?.[1]);
    expect(epoch).toBeLessThan(6);
    const saved = (name: string, file: string): Promise<Buffer> => readFile(join(run.runFolder, 'checkpoints', name, file));
    const weights = await saved('epoch-0006', 'weights.bin');
    expect(weights.equals(await saved(`epoch-000${epoch}`, 'weights.bin'))).toBe(true);
    expect(weights.equals(await saved('last', 'weights.bin'))).toBe(false);
    expect(JSON.parse(String(await saved('epoch-0006', 'model.json')))).toMatchObject({
      userDefinedMetadata: { epoch: 6, weights_of_epoch: epoch },
    });
    const own = run.model.getWeights().flatMap((weight) => [...weight.dataSync()]);
    expect(own).toEqual([...new Float32Array(new Uint8Array(weights).buffer)]);
  },
);
