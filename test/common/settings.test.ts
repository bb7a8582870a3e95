import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { settingsPage } from '../../scripts/settings_page.mjs';
import { hintFor, knownElsewhere } from '../../src/common/settings/hints.js';
import { configLayerSchema, workerSettingSchemas } from '../../src/common/settings/schema.js';
import { GROUPS } from '../../src/common/settings/setting.js';
import { completeConfig, SETTING_LIST, SETTING_PATHS, workerSettings } from '../../src/common/settings/table.js';
import { renameKeys, toSnakeCase, valueAt } from '../../src/common/snake_case.js';
import { OPTIMIZER_SETTINGS } from '../../src/optimizers/settings.js';

test('docs/settings.md is what the table says (else: npm run build && node scripts/settings_page.mjs)', () => {
  expect(readFileSync('docs/settings.md', 'utf8')).toBe(settingsPage(SETTING_LIST, GROUPS));
});

test('every default fits its own schema, and a configuration of nothing has all of them', () => {
  const config = completeConfig({});
  const layer = renameKeys(config, toSnakeCase);
  expect(configLayerSchema.parse(layer)).toEqual(layer);
  for (const { path, setting } of SETTING_LIST) expect(valueAt(layer, path)).toEqual(setting.default);
});

test('config/mnist.yaml has every setting, but those of other optimizers alone', () => {
  const file: unknown = parse(readFileSync('config/mnist.yaml', 'utf8'));
  const others = new Set(
    [...OPTIMIZER_SETTINGS].filter(([, { of }]) => !of.includes('sgd')).map(([name]) => `optimizer.${toSnakeCase(name)}`),
  );
  expect(SETTING_PATHS.filter((path) => valueAt(file, path) === undefined && !others.has(path))).toEqual([]);
});

test('no two settings have one flag, and no alias stands for two of them or is itself a setting', () => {
  const flags = SETTING_LIST.flatMap(({ setting }) => (setting.flag === null ? [] : [setting.flag.split(' ')[0]]));
  expect(new Set(flags).size).toBe(flags.length);
  const aliases = SETTING_LIST.flatMap(({ setting }) => setting.aliases);
  expect(aliases.filter((alias, at) => aliases.indexOf(alias) !== at)).toEqual([]);
  expect(aliases.filter((alias) => SETTING_PATHS.includes(alias))).toEqual([]);
  expect(aliases.filter((alias) => alias !== toSnakeCase(alias) || alias.includes('-'))).toEqual([]);
});

test('flags and commands go together', () => {
  expect(SETTING_LIST.filter(({ setting }) => (setting.flag === null) !== (setting.commands.length === 0))).toEqual([]);
});

test('a job carries what workers need, and no other setting', () => {
  expect(Object.keys(workerSettingSchemas()).sort()).toEqual(Object.keys(workerSettings(completeConfig({}))).sort());
  expect(Object.keys(workerSettingSchemas())).toEqual(expect.arrayContaining(['loss', 'seed', 'precision', 'compile']));
});

test.each([
  ['--batch-size', 'batch'],
  ['batchSize', 'batch'],
  ['BATCH_SIZE', 'batch'],
  ['--optimizer', 'optimizer.name'],
  ['--momentum', 'optimizer.momentum'],
  ['learning_rte', 'optimizer.learning_rate'],
  ['learningRate', 'optimizer.learning_rate'],
  ['lr', 'optimizer.learning_rate'],
  ['num_train_epochs', 'epochs'],
  ['--max-grad-norm', 'optimizer.clip_norm'],
  ['num_workers', 'workers'],
  ['output_dir', 'run_dir'],
  ['--checkpoint-dir', 'run_dir'],
  ['--data-path', 'data'],
  ['shuffle', 'shuffle'],
  ['--no-jit', 'compile'],
  ['epchs', 'epochs'],
  ['max_norm', 'optimizer.clip_norm'],
  ['lr_max', 'optimizer.learning_rate'],
  ['lr_factor', 'optimizer.schedule.decay'],
  ['sched', 'optimizer.schedule.name'],
  ['opt_func', 'optimizer.name'],
  ['ctx', 'gpus'],
  ['eval_metric', 'metrics'],
  ['data_seed', 'seed'],
  ['path', 'data'],
  ['validationSteps', 'validation_limit'],
  ['jit_compile', 'compile'],
  ['save_strategy', 'state_every'],
])('%s is taken for %s', (word, path) => {
  expect(hintFor(word)).toEqual({ path });
});

test.each([
  ['--rank', 'tfjs-parallel worker --host'],
  ['--nproc-per-node', 'tfjs-parallel worker --host'],
  ['MASTER_ADDR', 'tfjs-parallel worker --host'],
  ['strategy', '--gpus'],
  ['--deterministic', 'equal bits'],
  ['eval_steps', 'each epoch ends with a validation'],
  ['--warmup-steps', 'optimizer.schedule.warmup_epochs'],
  ['warmupRatio', 'optimizer.schedule.warmup_epochs'],
  ['--wandb', '--dashboard'],
  ['dropout', 'a layer of the model'],
  ['classWeight', 'classWeight'],
  ['--resume-from', '--resume RUN'],
  ['resumeFromCheckpoint', '--resume RUN'],
  ['pretrained', '--init-from MODEL'],
  ['drop_last', 'the last batch'],
  ['callbacks', 'train({ callbacks })'],
  ['yieldEvery', 'train({ callbacks })'],
  ['initialEpoch', '--resume RUN'],
  ['stepsPerEpoch', 'train_limit'],
  ['per_device_eval_batch_size', 'accumulate'],
  ['micro_batch_size', 'accumulate'],
  ['max_time', '--resume RUN'],
  ['save_last', 'checkpoints/last'],
  ['clipvalue', 'optimizer.clip_norm'],
  ['amsgrad', 'adamax'],
  ['T_max', 'optimizer.schedule'],
  ['label_smoothing_factor', '--augment'],
  ['greater_is_better', 'which way it is better'],
  ['mode', 'which way it is better'],
  ['no_cuda', '--gpus none'],
  ['evaluate', 'tfjs-parallel evaluate'],
  ['kvstore', '--gpus'],
])('%s is answered with how it is done here', (word, told) => {
  expect(hintFor(word)?.advice).toContain(told);
});

test('what another tool has and this one does otherwise is said, and nonsense is not guessed at', () => {
  expect(knownElsewhere('validationSplit')?.advice).toContain('the data says what is validated');
  expect(knownElsewhere('--validation-split')?.advice).toContain('the data says what is validated');
  expect([hintFor('xyzzy'), hintFor('__proto__'), hintFor('a'), hintFor('')]).toEqual([null, null, null, null]);
});
