/**
 * Owns: that files which tensorflowjs_converter made of Keras models predict what Keras predicts. Made by scripts/make_keras_models.py
 * (tf_keras 2.21.0, keras 3.15.1, tensorflowjs 4.22.0), which states versions and command.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { BACKEND_NAME } from '../../src/engine/backend/kernel_backend.js';
import { installEngine, type Engine } from '../../src/engine/index.js';
import { buildModel } from '../../src/models/build.js';
import { resolveModelSource } from '../../src/models/load.js';
import { topologyJson } from '../../src/models/topology.js';

const FOLDER = join(import.meta.dirname, 'keras');
const FOLDERS = readdirSync(FOLDER);

interface Values {
  shape: number[];
  values: number[];
}

let engine: Engine;
beforeAll(() => {
  engine = installEngine();
});
afterAll(() => engine.dispose());
beforeEach(() => tf.setBackend('cpu'));

async function build(folder: string): Promise<tf.LayersModel> {
  return buildModel(tf, await resolveModelSource(join(FOLDER, folder, 'model.json')), 1);
}

interface Expected {
  readonly input: Values;
  readonly output: Values;
}

/** `outputs`: of a model of several, by Keras's names, in the order of the model. */
function expected(folder: string): Expected & { readonly outputs: readonly Values[] } {
  const found = JSON.parse(readFileSync(join(FOLDER, folder, 'expected.json'), 'utf8')) as Expected & {
    outputs?: Record<string, Values>;
  };
  return { ...found, outputs: found.outputs === undefined ? [found.output] : Object.values(found.outputs) };
}

/** Six places are written; float32 sums of at most 200 products of values below 2 in another order differ by less than 200 · 2 · 2^-24 = 2.4e-5. */
const TOLERANCE = 3e-5;

describe.each(['cpu', BACKEND_NAME])('on the backend %s predictions of', (backend) => {
  it.each(FOLDERS)('%s are Keras’s', async (folder) => {
    await tf.setBackend(backend);
    const model = await build(folder);
    const { input, outputs } = expected(folder);
    const given = [model.predict(tf.tensor(input.values, input.shape))].flat();
    expect(given.map(({ shape }) => shape)).toEqual(outputs.map(({ shape }) => shape));
    outputs.forEach((output, at) => {
      const values = given[at].dataSync();
      output.values.forEach((value, index) => expect(Math.abs(values[index] - value)).toBeLessThan(TOLERANCE));
    });
  });
});

describe('a base that Keras calls with training=False', () => {
  it.each(FOLDERS.filter((folder) => folder.endsWith('transfer')))(
    'computes as in inference while its head trains (%s)',
    async (folder) => {
      const source = await resolveModelSource(join(FOLDER, folder, 'model.json'));
      const built = await buildModel(tf, source, 1);
      // A copy by way of its JSON, as a saved model is.
      const again = await buildModel(tf, { ...source, topology: topologyJson(built) } as typeof source, 1);
      const { input, output } = expected(folder);
      for (const model of [built, again]) {
        // Dropout of a half would change every output that is not 0.
        const given = (model.apply(tf.tensor(input.values, input.shape), { training: true }) as tf.Tensor).dataSync();
        output.values.forEach((value, index) => expect(Math.abs(given[index] - value)).toBeLessThan(TOLERANCE));
        expect(model.trainableWeights.map(({ name }) => name.replace(/_\d+$/, ''))).toEqual(['head/kernel', 'head/bias']);
      }
    },
  );
});
