/**
 * Owns: that a model file is read with nothing believed, and that its weights go where names say, or nowhere.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { createBucketLayout } from '../../../../src/common/bucket_layout.js';
import { saveModel } from '../../../../src/coordinator/storage/state/checkpoint.js';
import { readModel, weightsFor } from '../../../../src/coordinator/storage/state/saved_model.js';
import { MemoryDisk } from '../../../support/memory_disk.js';
import { tinyModel, tinyModelToSave as tiny } from '../../../support/run_state.js';
import { folderOfTests } from '../../../support/temporary_folder.js';

const scratch = folderOfTests();

describe('reading a model', () => {
  let path: string;
  beforeEach(async () => {
    path = await saveModel(tiny(0), { folder: scratch, epoch: 3 });
  });
  const refusal = () =>
    readModel(path).then(
      () => 'accepted',
      (error: { code: string; message: string }) => `${error.code} ${error.message.replace(path, 'RUN')}`,
    );
  const change = (
    edit: (
      json: { weightsManifest: { paths: string[]; weights: Record<string, unknown>[] }[] } & Record<string, unknown>,
    ) => void,
  ) => {
    const file = join(path, 'model.json');
    const json = JSON.parse(readFileSync(file, 'utf8')) as Parameters<typeof edit>[0];
    edit(json);
    writeFileSync(file, JSON.stringify(json));
    return refusal();
  };

  it('accepts a model.json by its own path and weights in several files', async () => {
    writeFileSync(join(path, 'group1-shard2of2.bin'), readFileSync(join(path, 'weights.bin')).subarray(20));
    writeFileSync(join(path, 'weights.bin'), readFileSync(join(path, 'weights.bin')).subarray(0, 20));
    expect(await change((json) => (json.weightsManifest[0].paths = ['weights.bin', 'group1-shard2of2.bin']))).toBe('accepted');
    expect([...(await readModel(join(path, 'model.json'))).values]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  });

  it('takes the latest epoch of a run folder', async () => {
    const disk = new MemoryDisk();
    await disk.createFolder('/run');
    await disk.createFolder('/run/checkpoints');
    for (const epoch of [9, 10_000, 20]) await saveModel(tiny(epoch), { folder: '/run/checkpoints', epoch, fileSystem: disk });
    expect((await readModel('/run', disk)).path).toBe('/run/checkpoints/epoch-10000/model.json');
    expect((await readModel('/run/checkpoints/epoch-0009', disk)).values[0]).toBe(9);
  });

  it('refuses weight files elsewhere', async () => {
    for (const elsewhere of ['../weights.bin', '/etc/passwd', 'https://host/weights.bin', 'a/b', '.hidden', '']) {
      expect(await change((json) => (json.weightsManifest[0].paths = [elsewhere])), elsewhere).toContain(
        'MODEL_FILE_INVALID RUN/model.json: weightsManifest.0.paths.0: a weight file must lie beside model.json',
      );
    }
  });

  it('refuses sizes that do not agree before it takes memory for them', async () => {
    expect(await change((json) => (json.weightsManifest[0].weights[0].shape = [2 ** 30, 2 ** 20]))).toContain(
      'bytes, the files beside it hold 48',
    );
    writeFileSync(join(path, 'weights.bin'), new Uint8Array(47));
    expect(await refusal()).toContain('bytes, the files beside it hold 47');
  });

  it('reads quantized weights as tfjs does, and leaves out what an optimizer saved', async () => {
    // d/kernel [3, 2] in uint8 with scale 0.5 and min −1: 0, 1, 2, 3, 4, 5 are −1, −0.5, 0, 0.5, 1, 1.5; the rest stays float32.
    const rest = readFileSync(join(path, 'weights.bin')).subarray(24);
    const momenta = Buffer.from(Float32Array.of(9, 9).buffer);
    writeFileSync(join(path, 'weights.bin'), Buffer.concat([Buffer.from([0, 1, 2, 3, 4, 5]), rest, momenta]));
    const edited = await change((json) => {
      json.userDefinedMetadata = undefined;
      const [{ weights }] = json.weightsManifest;
      weights[0].quantization = { dtype: 'uint8', scale: 0.5, min: -1, original_dtype: 'float32' };
      weights.push({ name: 'momentum/0', shape: [2], dtype: 'float32', group: 'optimizer' });
    });
    expect(edited).toBe('accepted');
    expect([...(await readModel(path)).values]).toEqual([-1, -0.5, 0, 0.5, 1, 1.5, 6, 7, 8, 9, 10, 11]);
  });

  it('reads float16 weights, subnormal ones too, and refuses what is not finite', async () => {
    const rest = readFileSync(join(path, 'weights.bin')).subarray(24);
    const halved = (...halves: number[]): Promise<string> => {
      writeFileSync(join(path, 'weights.bin'), Buffer.concat([Buffer.from(Uint16Array.from(halves).buffer), rest]));
      return change((json) => {
        json.userDefinedMetadata = undefined;
        json.weightsManifest[0].weights[0].quantization = { dtype: 'float16', original_dtype: 'float32' };
      });
    };
    // 1.5, −2, 2^-24 (the smallest), 65504 (the largest), −65504 or −∞, 0.
    expect(await halved(0x3e00, 0xc000, 0x0001, 0x7bff, 0xfbff, 0)).toBe('accepted');
    expect([...(await readModel(path)).values.subarray(0, 6)]).toEqual([1.5, -2, 2 ** -24, 65504, -65504, 0]);
    expect(await halved(0x3e00, 0xc000, 0x0001, 0x7bff, 0xfc00, 0)).toContain('value 4 of weight dense/kernel is -Infinity');
  });

  it('refuses other types, scales that are missing, and things that are no model', async () => {
    expect(await change((json) => (json.weightsManifest[0].weights[0].dtype = 'complex64'))).toContain(
      'weightsManifest.0.weights.0.dtype',
    );
    expect(
      await change((json) =>
        Object.assign(json.weightsManifest[0].weights[0], { dtype: 'float32', quantization: { dtype: 'uint8' } }),
      ),
    ).toContain('weightsManifest.0.weights.0.quantization.scale');
    writeFileSync(join(path, 'model.json'), '{"weightsManifest":[{"quantization":{"scale":NaN}}]}');
    expect(await refusal()).toContain('as the converter does where a weight was NaN when it was quantized');
    writeFileSync(join(path, 'model.json'), '<html>');
    expect(await refusal()).toContain('MODEL_FILE_INVALID RUN/model.json: not JSON');
    writeFileSync(join(path, 'model.json'), '{"format":"graph-model","modelTopology":{"node":[]}}');
    expect(await refusal()).toBe(
      'MODEL_FORMAT RUN/model.json is a graph model (tf.loadGraphModel): its weights are constants of a fixed graph, which nothing can train',
    );
    rmSync(join(path, 'model.json'));
    await expect(refusal()).resolves.toContain('MODEL_FILE_INVALID');
  });

  it('notices one flipped bit in the weights', async () => {
    const bytes = readFileSync(join(path, 'weights.bin'));
    bytes[13] ^= 4;
    writeFileSync(join(path, 'weights.bin'), bytes);
    expect(await refusal()).toMatch(/its weights hash to [0-9a-f]{12}…, it says [0-9a-f]{12}…: the files are damaged/);
    // tfjs reads our notes with a model and writes them with the weights that it then has.
    const file = JSON.parse(readFileSync(join(path, 'model.json'), 'utf8')) as object;
    writeFileSync(join(path, 'model.json'), JSON.stringify({ ...file, generatedBy: 'TensorFlow.js tfjs-layers v4.22.0' }));
    expect((await readModel(path)).values).toHaveLength(12);
  });

  describe('gives its weights to a model', () => {
    const named = (names: string[], last = [2]) =>
      createBucketLayout({
        weights: names.map((name, at) => ({ name, shape: at === 0 ? [3, 2] : at === 3 ? last : [2] })),
        trained: 2,
      });
    const { slots } = tinyModel.layout;

    it('by name, whatever the order', async () => {
      const swapped = createBucketLayout({ weights: [slots[1], slots[0], ...slots.slice(2)], trained: 2 });
      expect([...weightsFor({ layout: swapped, topology: null }, await readModel(path))]).toEqual([
        6, 7, 0, 1, 2, 3, 4, 5, 8, 9, 10, 11,
      ]);
    });

    it('never because the shapes fit: what has no namesake is listed, of both', async () => {
      const saved = await readModel(path);
      expect(() => weightsFor({ layout: named(['a', 'b', 'c', 'd']), topology: null }, saved)).toThrow(
        `the model's a [3, 2], b [2], c [2], d [2] without a saved weight, the file's ${slots.map(({ name, shape }) => `${name} [${shape.join(', ')}]`).join(', ')} without a place`,
      );
      const shorter = named(slots.slice(0, 3).map(({ name }) => name));
      expect(() => weightsFor({ layout: shorter, topology: null }, saved)).toThrow(
        `the model's nothing without a saved weight, the file's ${slots[3].name} [2] without a place`,
      );
      const wider = named(
        slots.map(({ name }) => name),
        [7],
      );
      expect(() => weightsFor({ layout: wider, topology: null }, saved)).toThrow(
        `the model's ${slots[3].name} [7] has another shape than the file's ${slots[3].name} [2]`,
      );
    });

    it('by place where both topologies are the same layers under other names, whatever the order of the weights', () => {
      // Two dense layers of one shape, as `dense_1, dense_2` there and `a, b` here; the file lists the second first.
      const dense = (name: string) => ({ class_name: 'Dense', config: { name, units: 1, use_bias: false } });
      const model = (...names: string[]) =>
        JSON.stringify({ class_name: 'Sequential', config: { name: 's', layers: names.map(dense) } });
      const weights = ['dense_2/kernel', 'dense_1/kernel'].map((name) => ({ name, shape: [1, 1] }));
      const saved = { path: 'f', weights, values: Float32Array.of(2, 1), topology: model('dense_1', 'dense_2') };
      const layout = createBucketLayout({
        weights: ['a/kernel', 'b/kernel'].map((name) => ({ name, shape: [1, 1] })),
        trained: 2,
      });
      expect([...weightsFor({ layout, topology: model('a', 'b') }, saved)]).toEqual([1, 2]);
      expect(() => weightsFor({ layout, topology: model('a', 'b', 'c') }, saved)).toThrow('without a saved weight');
    });
  });
});
