/** Advice on models, losses, labels and data. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { expect } from 'vitest';
import { loadDataset } from '../../../src/data/load.js';
import { readIdx } from '../../../src/data/idx.js';
import { loadMnist } from '../../../src/data/sources/mnist.js';
import { buildModel } from '../../../src/models/build.js';
import { resolveModelSource } from '../../../src/models/load.js';
import { idxBytes } from '../idx_bytes.js';
import { program, refusal } from '../program_under_test.js';
import { dataFile, filled, flags, folder, modelFile, once, ownLayerFile, SIX, small, type Case, type Cases } from './cases.js';
import { BENCH_CASES } from './bench_cases.js';
import { commandIn, withFlags } from './sources.js';

const NO_LOSS = small('--model', modelFile('linear.mjs', 1), '--data', dataFile('real.mjs', SIX, [1]));
const YES = dataFile('yes.mjs', [0, 1, 1, 0, 1, 0], []);
const ONE = modelFile('one.mjs', 1);
const YES_OR_NO = small('--model', ONE, '--data', YES, '--loss', 'sigmoid_cross_entropy');

/** `--model ./model.mjs` of an error, as a file that is there, with a layer of its own. */
const ownLayerRun = once(() =>
  program(small('--model', ownLayerFile('model.mjs'), '--data', dataFile('square.mjs', SIX, [1]), '--loss', 'mse'), {
    real: true,
  }),
);
const followByModule = async (next: string): Promise<void> => {
  expect(commandIn(next, /(?<=--model \.\/)[\w.]+/)).toBe('model.mjs');
  await ownLayerRun();
};

/** Six pictures of 2 × 3, and three to validate. */
function idxFolder(name: string, shape: readonly number[]): string {
  const path = join(folder, name);
  mkdirSync(path, { recursive: true });
  const files = { 'train-images': [6, ...shape], 'train-labels': [6], 'test-images': [3, ...shape], 'test-labels': [3] };
  for (const [file, of] of Object.entries(files))
    writeFileSync(join(path, file), idxBytes(of, of.length === 1 ? Array.from({ length: of[0] }, (_, i) => i % 2) : undefined));
  return path;
}
const PICTURES = ((): string => {
  const path = join(folder, 'pictures.mjs');
  writeFileSync(
    path,
    'export const createModel = (tf) => tf.sequential({ layers: [tf.layers.flatten({ inputShape: [null, null, 1].map((_, i) => SHAPE[i]) }), tf.layers.dense({ units: 2 })] });\nconst SHAPE = [3, 2, 1];\n',
  );
  return path;
})();
const idxRun = (dir: string, ...more: string[]): string[] =>
  small('--model', PICTURES, '--data', 'idx', '--data-dir', dir, '--loss', 'softmax_cross_entropy', ...more);
/** Turned, as EMNIST's pictures are. */
const turned = once(() => program(idxRun(idxFolder('idx', [2, 3]), '--transpose'), { real: true }));

const followByFolder = async (next: string): Promise<void> => {
  const args = idxRun(idxFolder('idx', [2, 3]), '--transpose');
  expect(args).toContain(commandIn(next, /--data-dir/));
  await turned();
};

const TWO_OUTPUTS = ((): string[] => {
  const [model, data] = [join(folder, 'two.mjs'), join(folder, 'two_data.mjs')];
  writeFileSync(
    model,
    `export function createModel(tf) { const x = tf.input({ shape: [2] });
     return tf.model({ inputs: x, outputs: ['a', 'b'].map((name) => tf.layers.dense({ units: 1, name }).apply(x)) }); }`,
  );
  writeFileSync(
    data,
    'export const train = { x: new Float32Array(12), y: { a: new Float32Array(6), b: new Float32Array(6) } };\nexport const validation = train;\nexport const inputShape = [2];\n',
  );
  return small('--model', model, '--data', data, '--loss', 'a=mse');
})();

/** A Keras model whose loss has a setting that is not ours, or with another layer. */
function kerasFile(name: string, layer = 'Dense'): string {
  const path = join(folder, name);
  const layers = [{ class_name: layer, config: { name: 'd', units: 1, batch_input_shape: [null, 2] } }];
  const training = {
    loss: { class_name: 'Huber', config: { delta: 2 } },
    optimizer_config: { class_name: 'SGD', config: { learning_rate: 0.01 } },
  };
  const topology = { keras_version: '2.15.0', model_config: { class_name: 'Sequential', config: { name: 's', layers } } };
  writeFileSync(path, JSON.stringify({ modelTopology: { ...topology, training_config: training } }));
  return path;
}
const KERAS = small('--model', kerasFile('keras.json'), '--data', dataFile('keras.mjs', SIX, [1]));

const OTHER_LOSS = (begins: string, model: string, data: string, loss: string): Case =>
  flags(
    'src/objective/loss.ts',
    begins,
    small('--model', model, '--data', data, '--loss', loss),
    [/--loss mean_squared_error/],
    true,
  );

/** Labels beyond a model's two classes: with an output for each they do, and as real-valued targets of one output. `positions`: of an example. */
function unfitLabels(file: string, begins: string, labels: readonly number[], positions: number): Case {
  const shape = positions === 1 ? [] : [positions];
  const data = dataFile(
    `labels_${labels.join('_')}_${positions}.mjs`,
    Array.from({ length: positions }, () => labels).flat(),
    shape,
  );
  const args = (outputs: number, loss: string): string[] => {
    const reshape = positions === 1 ? '' : `model.add(tf.layers.reshape({ targetShape: [${positions}, ${outputs}] }))`;
    return small(
      '--model',
      modelFile(`of_${positions}_${outputs}.mjs`, outputs * positions, reshape),
      '--data',
      data,
      '--loss',
      loss,
    );
  };
  return {
    ...flags(file, begins, args(2, 'softmax_cross_entropy'), [], true),
    follow: async (next) => {
      await program(args(Math.max(...labels) + 1, 'softmax_cross_entropy'), { real: true });
      await program(args(1, /(?<=--loss )mean_\w+/.exec(next)?.[0] ?? 'mse'), { real: true });
    },
  };
}

export const MODELS_CASES: Cases = {
  ...BENCH_CASES,
  'labels that start at 1': unfitLabels('src/objective/shapes.ts', 'Where the labels start', [1, 2, 1, 2, 1, 2], 1),
  'labels beyond the classes': unfitLabels('src/objective/shapes.ts', 'Change the last layer', [0, 1, 4, 1, 0, 1], 1),
  'labels of positions that start at 1': unfitLabels('src/objective/labels.ts', 'The labels start at 1', [1, 2, 1, 2, 1, 2], 2),
  'labels of positions beyond the classes': unfitLabels('src/objective/labels.ts', 'Number the classes', [0, 1, 3, 1, 0, 1], 2),
  'no such model': {
    says: [{ file: 'src/models/load.ts', begins: 'use --model gluon_cnn' }],
    provoke: () => refusal(() => resolveModelSource('resnet50')),
    follow: async (next) => {
      expect((await resolveModelSource(commandIn(next, /(?<=--model )\w+/))).kind).toBe('builtin');
      expect((await resolveModelSource(modelFile('any.mjs', 2))).kind).toBe('module');
    },
  },
  'no such module': {
    says: [{ file: 'src/models/load.ts', begins: 'name a module' }],
    provoke: () => refusal(() => resolveModelSource(join(folder, 'nowhere.mjs'))),
    follow: followByModule,
  },
  'a layer of one’s own in a file': {
    says: [{ file: 'src/models/build.ts', begins: 'Pass a module' }],
    provoke: async () => {
      await tf.setBackend('cpu');
      const topology = JSON.stringify({
        class_name: 'Sequential',
        config: { name: 's', layers: [{ class_name: 'Square', config: {} }] },
      });
      return refusal(() => buildModel(tf, { kind: 'topology', name: 'm', topology }, 1));
    },
    follow: followByModule,
  },
  'a layer of one’s own in a file of Keras’s': {
    says: [{ file: 'src/models/keras/layer_rules.ts', begins: 'Leave it out before' }],
    provoke: () => refusal(() => resolveModelSource(kerasFile('own_layer.json', 'Square'))),
    follow: followByModule,
  },
  'no loss': {
    ...flags('src/objective/choose_loss.ts', 'Name it with --loss', NO_LOSS, [], true),
    follow: (next) => program([...NO_LOSS, commandIn(next, /--loss/), commandIn(next, /mean_squared_error/)], { real: true }),
  },
  'an output without a loss': {
    ...flags('src/objective/model_objective.ts', 'Compile the model with one', TWO_OUTPUTS, [], true),
    follow: async (next) => {
      const also = `--loss a=mse,${commandIn(next, /(?<=--loss )b=\w+/)}`;
      await program(withFlags(withFlags(TWO_OUTPUTS, also), commandIn(next, /--loss-weights [\w=]+/)), { real: true });
    },
  },
  'a class among one': flags(
    'src/objective/shapes.ts',
    'Choose --loss sigmoid_cross_entropy',
    small('--model', ONE, '--data', YES, '--loss', 'softmax_cross_entropy'),
    [/--loss sigmoid_cross_entropy/],
    true,
  ),
  'a last layer of one’s own': flags(
    'src/objective/opaque_output.ts',
    'Choose --loss',
    small('--model', ownLayerFile('own_last.mjs'), '--data', YES, '--loss', 'sigmoid_cross_entropy'),
    [/--loss sigmoid_cross_entropy_from_logits/],
    true,
  ),
  'real targets under a cross-entropy': OTHER_LOSS(
    'Write no and yes as 0 and 1',
    modelFile('probability.mjs', 1),
    dataFile('targets.mjs', SIX, [1]),
    'sigmoid_cross_entropy',
  ),
  'rows of real targets under a cross-entropy': OTHER_LOSS(
    'Write one-hot rows',
    modelFile('rows.mjs', 2),
    dataFile('row_targets.mjs', [...SIX, ...SIX], [2]),
    'softmax_cross_entropy',
  ),
  'an accuracy in per cent': {
    ...flags('src/coordinator/require_reachable.ts', 'Write 99.3 %', [...YES_OR_NO, '--target', '99.3'], [], true),
    follow: async (next) => {
      await program([...YES_OR_NO, '--target', '0', commandIn(next, /--monitor/), 'val_acc'], { real: true });
      await program([...YES_OR_NO, '--target', '99.3', commandIn(next, /--monitor/), 'val_loss'], { real: true });
    },
  },
  'a function of the whole batch': flags(
    'src/objective/one_shard.ts',
    'Give --shards 1',
    withFlags(
      small(
        '--model',
        modelFile('whole.mjs', 1, "model.compile({ optimizer: 'sgd', loss: (a, b) => tf.losses.meanSquaredError(a, b) })"),
        '--data',
        dataFile('whole_data.mjs', SIX, [1]),
      ),
      '--shards 2',
    ),
    [/--shards 1/],
    true,
  ),
  'a loss of Keras’s own': {
    ...flags('src/objective/compiled.ts', 'Name a loss with --loss', KERAS, [/--loss mean_squared_error/], true),
  },
  'a file that is not in the folder': {
    says: [{ file: 'src/data/idx.ts', begins: 'Check the folder' }],
    provoke: () => refusal(() => readIdx(join(folder, 'none'), { rows: 'images' })),
    follow: followByFolder,
  },
  'data idx of a library call, without a folder': {
    says: [{ file: 'src/data/sources/idx_folder.ts', begins: 'Add --data-dir' }],
    provoke: () => refusal(() => loadDataset({ data: 'idx', dataDir: null, trainLimit: null, validationLimit: null, seed: 1 })),
    follow: followByFolder,
  },
  'vectors that cannot be turned': {
    ...flags(
      'src/data/sources/idx_folder.ts',
      'Leave out --transpose',
      idxRun(idxFolder('vectors', [6]), '--transpose'),
      [],
      true,
    ),
    follow: async (next) => {
      const model = join(folder, 'vectors.mjs');
      writeFileSync(
        model,
        'export const createModel = (tf) => tf.sequential({ layers: [tf.layers.dense({ units: 2, inputShape: [6] })] });',
      );
      const args = withFlags(idxRun(join(folder, 'vectors'), '--transpose'), `--model ${model}`);
      await program(
        args.filter((word) => word !== commandIn(next, /--transpose/)),
        { real: true },
      );
    },
  },
  'MNIST that nobody serves': {
    says: [{ file: 'src/data/sources/mnist.ts', begins: 'Give a folder' }],
    provoke: () =>
      refusal(() =>
        loadMnist({
          dataDir: null,
          mirrors: ['http://127.0.0.1:1/'],
          cacheDir: join(folder, 'cache'),
          onProgress: () => undefined,
        }),
      ),
    follow: async (next) => {
      const model = join(folder, 'digits.mjs');
      writeFileSync(
        model,
        'export const createModel = (tf) => tf.sequential({ layers: [tf.layers.averagePooling2d({ poolSize: 14, inputShape: [28, 28, 1] }), tf.layers.flatten(), tf.layers.dense({ units: 10 })] });',
      );
      const args = small('--model', model, '--loss', 'softmax_cross_entropy', '--train-limit', '12', '--validation-limit', '6');
      await program([...args, ...commandIn(next, /--data synthetic/).split(' ')], { real: true });
      const { train } = await program(['train', ...filled(next, /--data-dir/, folder)]);
      expect(train?.config.dataDir).toBe(folder);
    },
  },
  'other files under MNIST’s names': {
    says: [{ file: 'src/data/sources/mnist.ts', begins: 'Replace the file' }],
    provoke: () => {
      const path = join(folder, 'like_mnist');
      mkdirSync(path);
      for (const split of ['train', 't10k'])
        for (const [kind, shape] of Object.entries({ 'images-idx3': [6, 2, 3], 'labels-idx1': [6] }))
          writeFileSync(
            join(path, `${split}-${kind}-ubyte`),
            idxBytes(shape, shape.length === 1 ? [0, 1, 0, 1, 0, 1] : undefined),
          );
      return refusal(() => loadMnist({ dataDir: path, onProgress: () => undefined }));
    },
    follow: (next) =>
      program(withFlags(idxRun(join(folder, 'like_mnist'), '--transpose'), commandIn(next, /--data idx/)), { real: true }),
  },
};
