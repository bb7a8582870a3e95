/**
 * Owns: that advice with a command works: each `next` in the sources that has one is provoked, the command is taken out of what was said, run, and does
 * what it promises. What cannot be provoked or run here is listed with the reason; a new `next` with a command fails the first test until it has a case.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { mostCpuReplicas, placeReplicas } from '../../src/api/devices.js';
import type { ExpectedError } from '../../src/common/errors.js';
import { completeConfig } from '../../src/common/settings/table.js';
import { renderConfig } from '../../src/coordinator/storage/run_folder/config_yaml.js';
import { storageError } from '../../src/coordinator/storage/files/storage_error.js';
import { writeProject } from '../../src/init/write_project.js';
import { buildModel } from '../../src/models/build.js';
import { resolveModelSource } from '../../src/models/load.js';
import { weightsByOutput } from '../../src/objective/per_output.js';
import { adviceInSources, commandIn, withFlags, type Advice } from '../support/advice.js';
import { program, refusal } from '../support/program_under_test.js';
import * as tf from '@tensorflow/tfjs';

const ADVICE = adviceInSources();

const folder = mkdtempSync(join(tmpdir(), 'advice-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** `name`, with data of 6 rows of 2 and these labels. */
function dataFile(name: string, labels: readonly number[], labelShape: readonly number[]): string {
  const path = join(folder, name);
  const split = `{ x: Float32Array.from({ length: 12 }, (_, i) => Math.sin(i)), y: Float32Array.of(${labels.join(', ')}) }`;
  writeFileSync(
    path,
    `export const train = ${split};\nexport const validation = train;\nexport const inputShape = [2];\nexport const labelShape = ${JSON.stringify(labelShape)};\n`,
  );
  return path;
}

function modelFile(name: string, units: number, compile = ''): string {
  const path = join(folder, name);
  writeFileSync(
    path,
    `export function createModel(tf) { const model = tf.sequential({ layers: [tf.layers.dense({ units: ${units}, inputShape: [2] })] }); ${compile}; return model; }`,
  );
  return path;
}

/** As a run that began leaves it, as far as the command line looks. */
function runFolder(name: string, settings: object = {}): string {
  const path = join(folder, name);
  mkdirSync(join(path, 'state'), { recursive: true });
  writeFileSync(join(path, 'config.yaml'), renderConfig(completeConfig({ data: 'synthetic', ...settings }), {}));
  return path;
}

const SIX = [0.5, -1, 2, 0.25, 3, -2];
const small = (...args: string[]): string[] => [
  ...['train', '--gpus', 'none', '--workers', '1', '--threads-per-worker', '1', '--batch', '6', '--epochs', '1', '--shards', '1'],
  ...['--set', 'optimizer.learning_rate=0.01', '--run-dir', folder, '--set', 'save_above=null', ...args],
];

interface Case {
  /** How the text begins that this case provokes: in which file. */
  readonly says: readonly { readonly file: string; readonly begins: string }[];
  readonly provoke: () => Promise<ExpectedError>;
  readonly follow: (next: string) => Promise<unknown>;
}

/** A refused command line, and what becomes of it with each of these flags from the advice. */
function flags(file: string, begins: string, args: readonly string[], wanted: readonly RegExp[], real = false): Case {
  return {
    says: [{ file, begins }],
    provoke: () => refusal(() => program(args, { real })),
    follow: async (next) => {
      for (const one of wanted) await program(withFlags(args, commandIn(next, one)), { real });
    },
  };
}

const NO_LOSS = small('--model', modelFile('linear.mjs', 1), '--data', dataFile('real.mjs', SIX, [1]));
const YES_OR_NO = small(
  '--model',
  modelFile('one.mjs', 1),
  '--data',
  dataFile('yes.mjs', [0, 1, 1, 0, 1, 0], []),
  '--loss',
  'sigmoid_cross_entropy',
);
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
const CHECKS = 'src/common/config_checks.ts';
const CASES: Readonly<Record<string, Case>> = {
  'batch and shards': flags(CHECKS, 'give --batch', ['train', '--batch', '2', '--shards', '3'], [/--batch \d+/, /--shards \d+/]),
  'idx without a folder': {
    ...flags(CHECKS, 'add --data-dir FOLDER', ['train', '--data', 'idx'], []),
    follow: async (next) => {
      for (const one of [/--data mnist/, /--data synthetic/])
        await program(withFlags(['train', '--data', 'idx'], commandIn(next, one)));
      const { train } = await program([
        'train',
        '--data',
        'idx',
        ...commandIn(next, /--data-dir FOLDER/)
          .replace('FOLDER', folder)
          .split(' '),
      ]);
      expect(train?.config.dataDir).toBe(folder);
    },
  },
  'a step schedule without steps': flags(
    CHECKS,
    'list the epochs',
    ['train', '--set', 'optimizer.schedule.name=step'],
    [/--set \S+=\[60,90\]/],
  ),
  'GPUs and workers': flags(
    'src/common/device_choice.ts',
    'leave out workers',
    ['train', '--gpus', '0', '--workers', '2'],
    [/--gpus none/],
  ),
  'no list of GPUs': flags('src/common/device_choice.ts', 'give indices', ['train', '--gpus', 'x'], [/--gpus 0,1/, /--gpus 0-3/]),
  'a setting without a value': {
    ...flags('src/cli/config_layers.ts', 'for example --set', ['train', '--set', 'epochs'], []),
    follow: async (next) => {
      const { train } = await program(['train', ...commandIn(next, /--set \S+/).split(' ')]);
      expect(train?.config.optimizer.momentum).toBe(0.9);
    },
  },
  'a whole section': {
    ...flags('src/cli/config_layers.ts', '--set …', ['train', '--set', 'optimizer=adam'], []),
    follow: async (next) => {
      const { train } = await program(['train', ...commandIn(next, /--set \S+/).split(' ')]);
      expect(train?.config.optimizer.name).toBe('adam');
    },
  },
  'no such file': {
    ...flags('src/cli/config_file.ts', 'check the path', ['train', '--config', join(folder, 'none.yaml')], []),
    follow: () => program(['train']),
  },
  'resume and config': {
    says: [{ file: 'src/cli/resolve_config.ts', begins: 'leave out --config' }],
    provoke: () => {
      const run = runFolder('resumed');
      return refusal(() => program(['train', '--resume', run, '--config', join(run, 'config.yaml')]));
    },
    follow: async (next) => {
      const run = runFolder('resumed');
      expect((await program(['train', '--resume', run])).train?.resume).toBe(run);
      const anew = await program(['train', '--config', join(run, 'config.yaml'), commandIn(next, /--init-from/), run]);
      expect(anew.train?.initFrom).toBe(run);
    },
  },
  'a coordinator without shards': {
    ...flags('src/cli/commands/coordinator.ts', 'give --shards N', ['coordinator'], []),
    follow: async (next) => {
      const flag = commandIn(next, /--shards N/).replace('N', '4');
      expect((await program(['coordinator', ...flag.split(' ')])).coordinator?.config.shards).toBe(4);
    },
  },
  'too long a silence': flags(
    'src/cli/commands/coordinator.ts',
    'for example --silence',
    ['coordinator', '--shards', '2', '--silence', '99999999'],
    [/--silence \d+/],
  ),
  'a worker without a coordinator': flags(
    'src/cli/commands/worker.ts',
    'say where',
    ['worker'],
    [/--host 10\S+(?=;)/, /--host 127\.0\.0\.1/],
  ),
  'too long a name': flags(
    'src/cli/commands/worker.ts',
    'for example --worker-name',
    ['worker', '--host', '127.0.0.1', '--worker-name', 'x'.repeat(5_000)],
    [/--worker-name [\w-]+/],
  ),
  'too many replicas': {
    says: [{ file: 'src/api/devices.ts', begins: 'Give --workers' }],
    provoke: () => refusal(() => placeReplicas({ kind: 'cpu', replicas: mostCpuReplicas() + 1 }, null)),
    follow: (next) => {
      const workers = Number(commandIn(next, /--workers \d+/).split(' ')[1]);
      return Promise.resolve(placeReplicas({ kind: 'cpu', replicas: workers }, null));
    },
  },
  'a name that is none': {
    ...flags('src/transport/worker_tokens.ts', 'For example', ['token', 'add', '../x'], []),
    follow: (next) => program([...commandIn(next, /token add [\w-]+/).split(' '), '--token-file', join(folder, 'token')]),
  },
  'a token that is there': {
    says: [{ file: 'src/transport/worker_tokens.ts', begins: 'Copy that file' }],
    provoke: async () => {
      const add = ['token', 'add', 'twice', '--token-file', join(folder, 'token')];
      await program(add);
      return refusal(() => program(add));
    },
    follow: (next) => program(['token', 'add', 'twice', '--token-file', join(folder, 'token'), commandIn(next, /--replace/)]),
  },
  'nobody has a token': {
    ...flags('src/transport/worker_tokens.ts', 'Nobody has', ['token', 'revoke', 'a', '--token-file', join(folder, 'other')], []),
    follow: (next) =>
      program([
        ...commandIn(next, /token add NAME/)
          .replace('NAME', 'a')
          .split(' '),
        '--token-file',
        join(folder, 'other'),
      ]),
  },
  'no such model': {
    says: [{ file: 'src/models/load.ts', begins: 'use --model gluon_cnn' }],
    provoke: () => refusal(() => resolveModelSource('resnet50')),
    follow: async (next) => {
      expect((await resolveModelSource(commandIn(next, /(?<=--model )\w+/))).kind).toBe('builtin');
      expect((await resolveModelSource(modelFile('model.mjs', 2))).kind).toBe('module');
    },
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
    follow: async (next) => {
      const path = join(folder, commandIn(next, /(?<=--model \.\/)[\w.]+/));
      writeFileSync(
        path,
        `export function createModel(tf) { class Square extends tf.layers.Layer { static className = 'Square'; call(x) { return tf.square(Array.isArray(x) ? x[0] : x); } computeOutputShape(shape) { return shape; } }
         return tf.sequential({ layers: [tf.layers.dense({ units: 2, inputShape: [2] }), new Square({})] }); }`,
      );
      const { train } = await program(
        small('--model', path, '--data', dataFile('square.mjs', [...SIX, ...SIX], [2]), '--loss', 'mse'),
        { real: true },
      );
      expect(train).not.toBeNull();
    },
  },
  'no loss': {
    ...flags('src/objective/choose_loss.ts', 'Name it with --loss', NO_LOSS, [], true),
    follow: (next) => program([...NO_LOSS, commandIn(next, /--loss/), commandIn(next, /mean_squared_error/)], { real: true }),
  },
  'an output without a loss': {
    ...flags('src/objective/model_objective.ts', 'Name one with --loss', TWO_OUTPUTS, [], true),
    follow: async (next) => {
      const also = `--loss a=mse,${commandIn(next, /(?<=--loss )b=\w+/)}`;
      await program(withFlags(withFlags(TWO_OUTPUTS, also), commandIn(next, /--loss-weights [\w=]+/)), { real: true });
    },
  },
  'a class among one': flags(
    'src/objective/shapes.ts',
    'Choose --loss sigmoid_cross_entropy',
    small(
      '--model',
      modelFile('one.mjs', 1),
      '--data',
      dataFile('yes.mjs', [0, 1, 1, 0, 1, 0], []),
      '--loss',
      'softmax_cross_entropy',
    ),
    [/--loss sigmoid_cross_entropy/],
    true,
  ),
  'real targets under a cross-entropy': flags(
    'src/objective/loss.ts',
    'Write no and yes as 0 and 1',
    small(
      '--model',
      modelFile('probability.mjs', 1),
      '--data',
      dataFile('targets.mjs', SIX, [1]),
      '--loss',
      'sigmoid_cross_entropy',
    ),
    [/--loss mean_squared_error/],
    true,
  ),
  'rows of real targets under a cross-entropy': flags(
    'src/objective/loss.ts',
    'Write one-hot rows',
    small(
      '--model',
      modelFile('rows.mjs', 2),
      '--data',
      dataFile('row_targets.mjs', [...SIX, ...SIX], [2]),
      '--loss',
      'softmax_cross_entropy',
    ),
    [/--loss mean_squared_error/],
    true,
  ),
  'an accuracy in per cent': {
    ...flags('src/coordinator/start_run.ts', 'Write 99.3 %', [...YES_OR_NO, '--target', '99.3'], [], true),
    follow: async (next) => {
      await program([...YES_OR_NO, '--target', '0', commandIn(next, /--monitor/), 'val_acc'], { real: true });
      await program([...YES_OR_NO, '--target', '99.3', commandIn(next, /--monitor/), 'val_loss'], { real: true });
    },
  },
  'nothing saved yet': {
    says: [{ file: 'src/coordinator/storage/state/saved_weights.ts', begins: 'Train on with tfjs-parallel train --resume' }],
    provoke: () => {
      const plain = {
        model: modelFile('plain.mjs', 1),
        data: dataFile('plain_data.mjs', SIX, [1]),
        loss: 'mse',
        batch: 6,
        epochs: 1,
      };
      return refusal(() =>
        program(['evaluate', runFolder('begun', { ...plain, gpus: 'none', workers: 1, threads_per_worker: 1, shards: 1 })]),
      );
    },
    follow: async (next) => {
      const command = commandIn(next, /train --resume [^\s:]+/).split(' ');
      await program(command, { real: true });
      expect((await program(['evaluate', command[2]])).out).toContain('validation loss');
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
    says: [{ file: 'src/objective/compiled.ts', begins: 'Name a loss with --loss' }],
    provoke: () =>
      refusal(() => program(small('--model', kerasFile(), '--data', dataFile('keras.mjs', SIX, [1])), { real: true })),
    follow: (next) =>
      program(
        small(
          '--model',
          kerasFile(),
          '--data',
          dataFile('keras.mjs', SIX, [1]),
          ...commandIn(next, /--loss mean_squared_error/).split(' '),
        ),
        { real: true },
      ),
  },
  'a loss weight that is no number': {
    says: [{ file: 'src/objective/per_output.ts', begins: 'Write OUTPUT=NUMBER' }],
    provoke: () => refusal(() => weightsByOutput(['a=much'], ['a', 'b'])),
    follow: async (next) => {
      const { train } = await program(['train', ...commandIn(next, /--loss-weights \S+(?=, or)/).split(' ')]);
      expect(weightsByOutput(train?.config.lossWeights ?? [], ['a', 'b'])).toEqual([0.3, 1]);
    },
  },
  'a name that is taken, and a run to go on with': {
    says: [{ file: 'src/coordinator/storage/run_folder/run_folder.ts', begins: 'continue it with --resume' }],
    provoke: async () => {
      const args = named('taken');
      await program(args, { real: true });
      return refusal(() => program(args, { real: true }));
    },
    follow: async (next) => {
      const [flag, path] = commandIn(next, /--resume [^\s,]+/).split(' ');
      const { events } = await program(['train', flag, path, '--epochs', '2'], { real: true });
      expect(events.find(({ type }) => type === 'end')).toMatchObject({ epochs: 2 });
      await program(named(`${commandIn(next, /--name/).slice(2)}-other`), { real: true });
    },
  },
  'a file where init would write one': {
    says: ['Name another folder', 'Name a folder that'].map((begins) => ({ file: 'src/init/write_project.ts', begins })),
    provoke: () => {
      const write = (): unknown => writeProject(join(folder, 'begun-by-hand'), [{ name: 'run.yaml', text: '' }]);
      write();
      return refusal(() => Promise.resolve().then(write));
    },
    follow: (next) => {
      const other = join(folder, commandIn(next, /(?<=tfjs-parallel init )\w+/));
      return Promise.resolve(writeProject(other, [{ name: 'run.yaml', text: '' }]));
    },
  },
  'a folder that cannot be written': {
    says: [
      'use --run-dir with a folder that can be written',
      'use --run-dir with a folder in which',
      'free some space',
      'check the disk (dmesg',
      'give yourself write',
      'use --run-dir with the path',
      'look at the system',
    ].map((begins) => ({ file: 'src/coordinator/storage/files/storage_error.ts', begins })),
    provoke: () => {
      // The texts are one table by the system's code; the one that anybody can have is a file in the folder's place.
      const codes = ['EROFS', 'ENOSPC', 'EIO', 'EACCES', 'ENOTDIR', 'EXYZ'];
      const texts = codes.map(
        (code) => (storageError(Object.assign(new Error(code), { code, syscall: 'open' }), 'write x') as ExpectedError).next,
      );
      for (const text of texts) expect(text).toContain('--run-dir');
      writeFileSync(join(folder, 'file'), '');
      return refusal(() => program([...withFlags(named('in-a-file'), `--run-dir ${join(folder, 'file')}`)], { real: true }));
    },
    follow: (next) =>
      program(withFlags(named('elsewhere'), `${commandIn(next, /--run-dir/)} ${join(folder, 'elsewhere')}`), { real: true }),
  },
};

/** A Keras model whose loss has a setting that is not ours. */
function kerasFile(): string {
  const path = join(folder, 'keras.json');
  const layers = [{ class_name: 'Dense', config: { name: 'd', units: 1, batch_input_shape: [null, 2] } }];
  const training = {
    loss: { class_name: 'Huber', config: { delta: 2 } },
    optimizer_config: { class_name: 'SGD', config: { learning_rate: 0.01 } },
  };
  writeFileSync(
    path,
    JSON.stringify({
      modelTopology: { model_config: { class_name: 'Sequential', config: { name: 's', layers } }, training_config: training },
    }),
  );
  return path;
}

function named(name: string): string[] {
  return small(
    '--model',
    modelFile('plain.mjs', 1),
    '--data',
    dataFile('plain_data.mjs', SIX, [1]),
    '--loss',
    'mse',
    '--name',
    name,
  );
}

/** Not provoked or run here, each with why. The first words stand for the text. */
const NOT_HERE: readonly { readonly file: string; readonly begins: string; readonly why: string }[] = [
  { file: 'src/data/sources/mnist.ts', begins: '', why: 'needs mirrors that fail: test/data/mnist.test.ts' },
  ...['check the driver', 'name GPUs that exist'].map((begins) => ({ file: 'src/api/devices.ts', begins, why: 'needs GPUs' })),
  { file: 'src/cli/terminal/memory_watch.ts', begins: '', why: 'names amounts that nobody can promise: test/cli/memory.test.ts' },
  { file: 'src/api/local_crew.ts', begins: 'Give --workers 2', why: 'test/cluster/audit.test.ts has both' },
  ...[
    ['src/api/cluster_crew.ts', 'Start workers with'],
    ['src/coordinator/cluster/admission.ts', ''],
    ['src/coordinator/cluster/admissions.ts', ''],
    ['src/coordinator/cluster/cluster.ts', ''],
    ['src/coordinator/cluster/session_errors.ts', ''],
    ['src/transport/between.ts', ''],
    ['src/transport/client.ts', ''],
    ['src/transport/server.ts', ''],
    ['src/worker/host/keep_in_touch.ts', ''],
    ['src/models/allowed_layers.ts', ''],
    ['src/common/protocol/frame.ts', ''],
  ].map(([file, begins]) => ({ file, begins, why: 'needs two machines, or one that computes wrongly or is cut off' })),
  ...['computing', 'container', 'gpus', 'limits', 'ports', 'processor', 'tensorflow', 'way'].map((name) => ({
    file: `src/doctor/checks/${name}.ts`,
    begins: '',
    why: 'a finding about machines that are not here: test/doctor/checks.test.ts reads the commands of ours',
  })),
  ...['src/api/cluster_door.ts', 'src/transport/client_tls.ts'].map((file) => ({
    file,
    begins: '',
    why: 'needs certificates: test/cluster/door.test.ts',
  })),
  { file: 'src/transport/token.ts', begins: '', why: 'test/transport/token.test.ts has files of every mode' },
  { file: 'src/cli/run_session.ts', begins: 'train longer', why: 'a value that nobody can promise' },
  ...['do not move or delete', 'check the mount'].map((begins) => ({
    file: 'src/coordinator/storage/files/storage_error.ts',
    begins,
    why: 'needs a folder that goes away under a run',
  })),
  { file: 'src/coordinator/storage/run_folder/run_lock.ts', begins: '', why: 'needs a folder that goes away under a run' },
  {
    file: 'src/coordinator/storage/run_folder/run_folder.ts',
    begins: 'check the disk',
    why: 'needs a damaged disk: test/coordinator/storage',
  },
  {
    file: 'src/coordinator/storage/state/saved_model.ts',
    begins: '',
    why: 'test/integration/refusals.test.ts evaluates with the right model',
  },
  {
    file: 'src/coordinator/storage/state/state_match.ts',
    begins: '',
    why: 'test/coordinator/resume.test.ts and run_folder.test.ts (--init-from)',
  },
  {
    file: 'src/data/sources/idx_folder.ts',
    begins: 'Leave out --transpose',
    why: 'test/data/sources/idx_folder.test.ts has both',
  },
  { file: 'src/data/idx.ts', begins: '', why: 'names a folder to be looked at' },
  { file: 'src/data/sources/idx_folder.ts', begins: '', why: 'the command line says it before (config_checks.ts)' },
  { file: 'src/models/keras/layer_rules.ts', begins: '', why: 'the same as of a layer of one’s own' },
  ...['pip install', 'If Keras 2'].map((begins) => ({
    file: 'src/models/load.ts',
    begins,
    why: 'needs Python with tensorflowjs: scripts/make_keras_models.py runs these converters',
  })),
];

const isOf =
  ({ file, text }: Advice) =>
  (one: { file: string; begins: string }): boolean =>
    one.file === file && text.startsWith(one.begins);

it('every next with a command has a case here, or a reason', () => {
  expect(ADVICE.length).toBeGreaterThan(50);
  const said = Object.values(CASES).flatMap(({ says }) => says);
  const lacking = ADVICE.filter((one) => ![...said, ...NOT_HERE].some(isOf(one)));
  expect(lacking).toEqual([]);
  // And no case or reason for what is not said any more.
  expect([...said, ...NOT_HERE].filter((one) => !ADVICE.some((text) => isOf(text)(one)))).toEqual([]);
});

describe('what is advised works', () => {
  it.each(Object.keys(CASES))('%s', async (name) => {
    const { says, provoke, follow } = CASES[name];
    const { next } = await provoke();
    // The error that was provoked is the one whose text stands in the sources.
    const texts = ADVICE.filter((one) => says.some(isOf(one)));
    const isSaid = texts.some(({ text }) => text.split('…').every((part) => next.includes(part.trim())));
    expect(isSaid, next).toBe(true);
    await follow(next);
  });
});
