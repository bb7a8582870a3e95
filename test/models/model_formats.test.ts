/**
 * Owns: that what is no tf.LayersModel file is named as what it is, with the command that makes one of it, and that missing weights are a data error.
 */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { resolveModelSource } from '../../src/models/load.js';
import { temporaryFolder } from '../support/temporary_folder.js';

async function refusal(model: string): Promise<{ exitCode: number; code: string; message: string; next: string }> {
  const error: unknown = await resolveModelSource(model).catch((reason: unknown) => reason);
  const { exitCode, code, message, next } = error as { exitCode: number; code: string; message: string; next: string };
  return { exitCode, code, message, next };
}

it.each([
  [
    'net.h5',
    'net.h5 is a Keras HDF5 file',
    'tensorflowjs_converter --input_format keras --output_format tfjs_layers_model net.h5 converted',
  ],
  [
    'net.keras',
    'net.keras is a Keras 3 file',
    'tensorflowjs_converter --input_format keras_keras --output_format tfjs_layers_model net.keras converted',
  ],
  ['net.onnx', 'net.onnx is no tf.LayersModel file', 'createModel(tf)'],
])('%s', async (model, message, next) => {
  const refused = await refusal(model);
  expect(refused).toMatchObject({ exitCode: 2, code: 'MODEL_FORMAT', message });
  expect(refused.next).toContain(next);
});

it('a SavedModel and a graph model', async () => {
  const folder = await temporaryFolder({
    'saved_model.pb': '',
    'graph.json': JSON.stringify({ format: 'graph-model', modelTopology: { node: [] }, weightsManifest: [] }),
  });
  expect(await refusal(folder)).toMatchObject({ code: 'MODEL_FORMAT', message: `${folder} is a TensorFlow SavedModel` });
  expect((await refusal(join(folder, 'graph.json'))).message).toContain('is a graph model (tf.loadGraphModel)');
});

it('weights that are not there, in one file and in several', async () => {
  const weights = [{ name: 'd/kernel', shape: [1, 1], dtype: 'float32' }];
  const file = (paths: string[]) =>
    JSON.stringify({ modelTopology: { class_name: 'Sequential', config: {} }, weightsManifest: [{ paths, weights }] });
  const folder = await temporaryFolder({ 'model.json': file(['a.bin']), 'two.json': file(['b.bin', 'c.bin']), 'b.bin': '1234' });
  expect(await refusal(join(folder, 'model.json'))).toEqual({
    exitCode: 4,
    code: 'MODEL_WEIGHTS_MISSING',
    message: `${folder}/model.json keeps its weights in ${folder}/a.bin, which is not there`,
    next: `Copy that file beside ${folder}/model.json; or take weightsManifest out of it, to begin with new weights.`,
  });
  expect((await refusal(join(folder, 'two.json'))).message).toContain('c.bin, which is not there');
});

it('a folder stands for the model.json in it', async () => {
  const folder = await temporaryFolder({
    'model.json': JSON.stringify({ class_name: 'Sequential', config: { name: 's', layers: [] } }),
  });
  expect(await resolveModelSource(folder)).toMatchObject({ kind: 'topology', name: join(folder, 'model.json') });
});
