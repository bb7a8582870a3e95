import { createRequire } from 'node:module';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { createBucketLayout } from '../../../../src/common/bucket_layout.js';
import { clearRemains } from '../../../../src/coordinator/storage/files/atomic_file.js';
import { saveModel } from '../../../../src/coordinator/storage/state/checkpoint.js';
import { readModel, weightsFor } from '../../../../src/coordinator/storage/state/saved_model.js';
import { MemoryDisk, SimulatedCrash } from '../../../support/memory_disk.js';
import { tinyModelToSave as tiny } from '../../../support/run_state.js';
import { folderOfTests } from '../../../support/temporary_folder.js';

const scratch = folderOfTests();

describe('a saved model', () => {
  it('is loaded by tf.loadLayersModel and computes what the model computed', async () => {
    const model = tf.sequential();
    model.add(tf.layers.conv2d({ inputShape: [6, 6, 1], filters: 2, kernelSize: 3, activation: 'tanh' }));
    model.add(tf.layers.batchNormalization());
    model.add(tf.layers.flatten());
    model.add(tf.layers.dense({ units: 3 }));
    const values = Float32Array.from({ length: model.countParams() }, (_, at) => ((at * 7) % 11) / 11 + 0.1);
    const weights = model.weights.map(({ originalName, name, shape }) => ({
      name: originalName ?? name,
      shape: shape as number[],
    }));
    const layout = createBucketLayout({ weights, trained: 6 });
    model.setWeights(
      layout.slots.map(({ shape, offset, size }) => tf.tensor(values.subarray(offset, offset + size), [...shape])),
    );
    const topology = JSON.stringify(model.toJSON(null, false));
    const path = await saveModel(
      { topology, layout, values, notes: { epoch: 120, val_acc: 0.995 }, generatedBy: 'a test' },
      { folder: scratch, epoch: 120 },
    );
    expect(path).toBe(join(scratch, 'epoch-0120'));
    expect(readdirSync(path).sort()).toEqual(['model.json', 'weights.bin']);

    // tfjs-node's own reader of file:// URLs, without its native part.
    const files = createRequire(import.meta.url)('@tensorflow/tfjs-node-gpu/dist/io/file_system.js') as {
      fileSystem: (path: string) => tf.io.IOHandler;
    };
    const loaded = await tf.loadLayersModel(files.fileSystem(join(path, 'model.json')));
    const input = tf.tensor(
      Float32Array.from({ length: 72 }, (_, at) => (at % 5) / 5),
      [2, 6, 6, 1],
    );
    const [wanted, got] = [model, loaded].map((each) => (each.predict(input) as tf.Tensor).dataSync());
    expect([...got]).toEqual([...wanted]);
    expect(loaded.getUserDefinedMetadata()).toMatchObject({ epoch: 120, val_acc: 0.995 });
    const read = await readModel(path);
    expect(read.topology).toBe(topology);
    expect(weightsFor({ layout, topology }, read)).toEqual(values);
  });

  it('is left alone when it is there already, and replaced when it is another', async () => {
    const disk = new MemoryDisk();
    await disk.createFolder('/checkpoints');
    const target = { folder: '/checkpoints', epoch: 3, fileSystem: disk };
    await saveModel(tiny(0), target);
    let renames = 0;
    disk.failWith = (call) => {
      if (call === 'rename') renames++;
      return null;
    };
    await saveModel(tiny(0), target);
    expect(renames).toBe(0);
    await saveModel(tiny(5), target);
    expect(renames).toBe(2);
    expect(disk.names('/checkpoints')).toEqual(['epoch-0003']);
    expect((await readModel('/checkpoints/epoch-0003', disk)).values[0]).toBe(5);
  });

  it('is whole or absent, old or new, whichever two file-system calls a crash falls between', async () => {
    const firsts = new Set<number | null>();
    for (const before of ['nothing', 'another'] as const) {
      for (let nth = 1, finished = false; !finished; nth++) {
        const disk = new MemoryDisk();
        await disk.createFolder('/checkpoints');
        const target = { folder: '/checkpoints', epoch: 3, fileSystem: disk };
        if (before === 'another') await saveModel(tiny(0), target);
        await disk.syncFolder('/');
        disk.crashAtCall = disk.calls + nth;
        finished = await saveModel(tiny(5), target).then(
          () => true,
          (error: unknown) => {
            if (!(error instanceof SimulatedCrash)) throw error;
            return false;
          },
        );
        disk.crashAtCall = Infinity;
        disk.afterCrash({ keepNames: disk.unsyncedNames, keepBytes: 'none' });
        await clearRemains('/checkpoints', disk);
        const names = disk.names('/checkpoints');
        if (before === 'another') expect(names).toEqual(['epoch-0003']);
        else expect(names.filter((name) => name !== 'epoch-0003')).toEqual([]);
        firsts.add(names.length === 0 ? null : (await readModel('/checkpoints/epoch-0003', disk)).values[0]);
      }
    }
    expect([...firsts].sort()).toEqual([0, 5, null]);
  });
  it('is whole or absent when any call fails, and those before stay', async () => {
    for (let nth = 1; nth <= 14; nth++) {
      const disk = new MemoryDisk();
      await disk.createFolder('/checkpoints');
      await saveModel(tiny(0), { folder: '/checkpoints', epoch: 2, fileSystem: disk });
      const failing = disk.calls + nth;
      disk.failWith = (_call, _path, call) => (call === failing ? 'ENOSPC' : null);
      const saved = await saveModel(tiny(5), { folder: '/checkpoints', epoch: 3, fileSystem: disk }).catch(
        (error: unknown) => error,
      );
      expect(saved).toMatchObject({
        code: 'DISK_FULL',
        message: expect.stringContaining('the models saved before are intact') as string,
      });
      const names = disk.names('/checkpoints');
      expect(names[0]).toBe('epoch-0002');
      // Only the last call, the sync of the parent folder, can fail after the name is there.
      expect(names.slice(1)).toEqual(nth === 14 ? ['epoch-0003'] : []);
      if (nth === 14) expect((await readModel('/checkpoints/epoch-0003', disk)).values[0]).toBe(5);
    }
  });
});
