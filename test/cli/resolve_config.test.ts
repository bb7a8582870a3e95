import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseConfig } from '../../src/cli/config_file.js';
import { checkLayer } from '../../src/cli/config_layers.js';
import { resolveConfig, type ConfigSources } from '../../src/cli/resolve_config.js';
import { ExpectedError } from '../../src/common/errors.js';
import { toSnakeCase } from '../../src/common/snake_case.js';
import { DEFAULT_TRAIN_CONFIG } from '../../src/common/train_config.js';
import { OPTIMIZER_SETTINGS } from '../../src/optimizers/settings.js';
import { packageFolder } from '../../src/system/package_info.js';
import { folderOfTests } from '../support/temporary_folder.js';

const scratch = folderOfTests();

const NOTHING: ConfigSources = { file: null, resume: null, environment: {}, flags: [], sets: [] };

function resolveText(text: string, sources: Partial<ConfigSources> = {}) {
  const file = join(mkdtempSync(join(scratch, 'config-')), 'mine.yaml');
  writeFileSync(file, text);
  return { file, ...resolveConfig({ ...NOTHING, file, ...sources }) };
}

/** The error of `text` as a file called config/mnist.yaml. */
function errorOf(text: string): string {
  return messageOf(() => checkLayer(parseConfig({ text, shownPath: 'config/mnist.yaml' })));
}

function messageOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (error instanceof ExpectedError) return `${error.code}: ${error.message}\n${error.next}`;
    throw error;
  }
  return 'no error';
}

const resolving = (sources: Partial<ConfigSources>) => messageOf(() => resolveConfig({ ...NOTHING, ...sources }));

test('without anything given, train is the reference run from the package', () => {
  const { config, provenance, configName, warnings } = resolveConfig(NOTHING);
  expect(config).toEqual({ ...DEFAULT_TRAIN_CONFIG, saveAbove: 0.993 });
  expect(configName).toBe('mnist');
  expect(warnings).toEqual([]);
  // What belongs to other optimizers than the reference run's may be left out of its file.
  const others = new Set(
    [...OPTIMIZER_SETTINGS].filter(([, { of }]) => !of.includes('sgd')).map(([name]) => `optimizer.${toSnakeCase(name)}`),
  );
  const fromElsewhere = Object.entries(provenance).filter(
    ([path, source]) => !others.has(path) && !/config\/mnist\.yaml:\d+$/.test(source),
  );
  expect(fromElsewhere).toEqual([]);
});

test('the configurations of the package all resolve, without a warning', () => {
  for (const name of ['mnist', 'mnist_quick', 'quickstart']) {
    const resolved = resolveConfig({ ...NOTHING, file: join(packageFolder(), 'config', `${name}.yaml`) });
    expect(resolved.warnings).toEqual([]);
    expect(resolved.configName).toBe(name);
  }
});

test("a run is named after its configuration; without one, after the model or else the data that are not the reference run's", () => {
  const flag = (path: string, value: string) => ({ path, flag: `--${path}`, value });
  const nameWith = (...flags: { path: string; flag: string; value: string }[]) => resolveConfig({ ...NOTHING, flags }).configName;
  expect(nameWith(flag('model', './nets/resnet.mjs'))).toBe('resnet');
  expect(nameWith(flag('model', './resnet.mjs'), flag('data', './cifar.mjs'))).toBe('resnet');
  expect(nameWith(flag('model', 'model.json'))).toBe('model');
  expect(nameWith(flag('model', './my net (2).v1.mjs'))).toBe('my-net-2-.v1');
  expect(nameWith(flag('data', 'synthetic'))).toBe('synthetic');
  expect(nameWith(flag('data', './cifar.mjs'))).toBe('cifar');
  expect(nameWith(flag('model', 'gluon_cnn'), flag('data', 'mnist'), flag('epochs', '3'))).toBe('mnist');
  expect(resolveConfig({ ...NOTHING, environment: { TFJS_PARALLEL_MODEL: './resnet.mjs' } }).configName).toBe('resnet');
  expect(resolveText('data: synthetic\n', { flags: [flag('model', './resnet.mjs')] }).configName).toBe('mine');
});

test('a flag wins over the environment, the environment over the file, the file over the default', () => {
  const { config, provenance, file } = resolveText('batch: 10\nepochs: 10\nseed: 10\n', {
    environment: { TFJS_PARALLEL_BATCH: '20', TFJS_PARALLEL_EPOCHS: '20', TFJS_PARALLEL_SEED: '' },
    flags: [{ path: 'batch', flag: '--batch', value: '30' }],
  });
  expect([config.batch, config.epochs, config.seed, config.keep]).toEqual([30, 20, 10, 3]);
  expect([provenance.batch, provenance.epochs, provenance.seed, provenance.keep]).toEqual([
    'flag --batch',
    'environment TFJS_PARALLEL_EPOCHS',
    `${file}:3`,
    'default',
  ]);
});

test('sections are reached by two underscores, by a dot, and merge key by key', () => {
  const { config, provenance } = resolveText('optimizer: { momentum: 0.5, schedule: { name: cosine } }\n', {
    environment: { TFJS_PARALLEL_OPTIMIZER__LEARNING_RATE: '0.2' },
    sets: ['optimizer.schedule.final_fraction=0.25', 'optimizer.schedule.milestones=[]'],
  });
  expect(config.optimizer).toMatchObject({ name: 'sgd', momentum: 0.5, learningRate: 0.2 });
  expect(config.optimizer.schedule).toMatchObject({ name: 'cosine', finalFraction: 0.25, milestones: [] });
  expect(provenance['optimizer.schedule.final_fraction']).toBe('--set optimizer.schedule.final_fraction');
});

test('JSON is read by the same parser', () => {
  expect(resolveText('{"batch": 7, "optimizer": {"learning_rate": 0.5}}').config).toMatchObject({
    batch: 7,
    optimizer: { learningRate: 0.5, momentum: 0 },
  });
});

test('an empty file is the defaults', () => {
  expect(resolveText('# nothing\n').config).toEqual(DEFAULT_TRAIN_CONFIG);
});

test('text settings are taken as typed, others are read as YAML', () => {
  const { config } = resolveText('gpus: [0, 2]\n', {
    sets: ['name=007', 'save_above=null', 'optimizer.clip_norm=1e1'],
    environment: { TFJS_PARALLEL_DATA_DIR: 'null', TFJS_PARALLEL_COMPILE: 'false' },
  });
  expect(config).toMatchObject({ gpus: '0,2', name: '007', saveAbove: null, dataDir: null, compile: false });
  expect(config.optimizer.clipNorm).toBe(10);
  expect(resolveText('gpus: 0\n').config.gpus).toBe('0');
});

test('a mistyped key is named with line and column, and the nearest one offered', () => {
  expect(errorOf('a: 1\n')).toMatchInlineSnapshot(`
    "CONFIG_UNKNOWN_KEY: unknown key "a" at config/mnist.yaml:1:1
    remove it; config/mnist.yaml shows every setting with its reason"
  `);
  expect(errorOf('seed: 1\n\n\noptimizer:\n  name: sgd\n\n  learning_rte: 0.1\n')).toMatchInlineSnapshot(`
    "CONFIG_UNKNOWN_KEY: unknown key "learning_rte" at config/mnist.yaml:7:3, did you mean learning_rate?
    correct the key, or remove it"
  `);
  expect(errorOf('seed: 1\nlearning_rate: 0.1\n')).toMatchInlineSnapshot(`
    "CONFIG_UNKNOWN_KEY: unknown key "learning_rate" at config/mnist.yaml:2:1, did you mean optimizer.learning_rate?
    correct the key, or remove it"
  `);
  expect(errorOf('lr: 0.1\n')).toMatchInlineSnapshot(`
    "CONFIG_UNKNOWN_KEY: unknown key "lr" at config/mnist.yaml:1:1, did you mean optimizer.learning_rate?
    correct the key, or remove it"
  `);
  expect(errorOf('batch_size: 100\n')).toMatchInlineSnapshot(`
    "CONFIG_UNKNOWN_KEY: unknown key "batch_size" at config/mnist.yaml:1:1, did you mean batch?
    correct the key, or remove it"
  `);
  expect(errorOf('__proto__: 1\n')).toMatchInlineSnapshot(`
    "CONFIG_UNKNOWN_KEY: unknown key "__proto__" at config/mnist.yaml:1:1
    remove it; config/mnist.yaml shows every setting with its reason"
  `);
});

test('a wrong value is named with what was wanted and found', () => {
  expect(errorOf('batch: many\n')).toMatchInlineSnapshot(`
    "CONFIG_WRONG_VALUE: batch must be a whole number of at least 1, found "many" at config/mnist.yaml:1:8
    correct the value; config/mnist.yaml shows every setting with its reason"
  `);
  expect(errorOf('batch: 0\n')).toMatchInlineSnapshot(`
    "CONFIG_WRONG_VALUE: batch must be a whole number of at least 1, found 0 at config/mnist.yaml:1:8
    correct the value; config/mnist.yaml shows every setting with its reason"
  `);
  expect(errorOf('seed: 1.5\n')).toMatchInlineSnapshot(`
    "CONFIG_WRONG_VALUE: seed must be a whole number of at least 0, found 1.5 at config/mnist.yaml:1:7
    correct the value; config/mnist.yaml shows every setting with its reason"
  `);
  expect(errorOf('shards: 1025\n')).toMatchInlineSnapshot(`
    "CONFIG_WRONG_VALUE: shards must be a whole number of at least 1 and at most 1024, found 1025 at config/mnist.yaml:1:9
    correct the value; config/mnist.yaml shows every setting with its reason"
  `);
  expect(errorOf('precision: fp31\n')).toMatchInlineSnapshot(`
    "CONFIG_WRONG_VALUE: precision must be one of fp32, bf16, found "fp31" at config/mnist.yaml:1:12, did you mean fp32?
    correct the value; config/mnist.yaml shows every setting with its reason"
  `);
  expect(errorOf('optimizer: adam\n')).toMatchInlineSnapshot(`
    "CONFIG_WRONG_VALUE: optimizer must be a mapping with a name, such as sgd or adam, found "adam" at config/mnist.yaml:1:12, did you mean optimizer: { name: adam }?
    correct the value; config/mnist.yaml shows every setting with its reason"
  `);
  expect(errorOf('optimizer:\n  momentum: 1\n')).toMatchInlineSnapshot(`
    "CONFIG_WRONG_VALUE: optimizer.momentum must be a number, at least 0 and below 1, found 1 at config/mnist.yaml:2:13
    correct the value; config/mnist.yaml shows every setting with its reason"
  `);
  expect(errorOf('optimizer:\n  schedule:\n    milestones: [60, x]\n')).toMatchInlineSnapshot(`
    "CONFIG_WRONG_VALUE: optimizer.schedule.milestones.1 must be a whole number of at least 1, found "x" at config/mnist.yaml:3:22
    correct the value; config/mnist.yaml shows every setting with its reason"
  `);
  expect(errorOf('save_above: 99.3\n')).toMatchInlineSnapshot(`"no error"`);
  expect(errorOf('name: a/b\n')).toMatchInlineSnapshot(`
    "CONFIG_WRONG_VALUE: name must be letters, digits, dots, dashes and underscores, in quotes where it is a number, found "a/b" at config/mnist.yaml:1:7
    correct the value; config/mnist.yaml shows every setting with its reason"
  `);
  expect(errorOf('name: 7\n')).toMatchInlineSnapshot(`
    "CONFIG_WRONG_VALUE: name must be letters, digits, dots, dashes and underscores, in quotes where it is a number, found 7 at config/mnist.yaml:1:7
    correct the value; config/mnist.yaml shows every setting with its reason"
  `);
  expect(errorOf('model: null\n')).toMatchInlineSnapshot(`
    "CONFIG_WRONG_VALUE: model must be gluon_cnn, a path to model.json, or a path to a module, found null at config/mnist.yaml:1:8
    correct the value; config/mnist.yaml shows every setting with its reason"
  `);
  expect(errorOf('batch:\n')).toMatchInlineSnapshot(`
    "CONFIG_WRONG_VALUE: batch must be a whole number of at least 1, found null at config/mnist.yaml:1:7
    correct the value; config/mnist.yaml shows every setting with its reason"
  `);
  expect(errorOf('- batch\n')).toMatchInlineSnapshot(`
    "CONFIG_WRONG_VALUE: a configuration must be a mapping of keys to values, found ["batch"] at config/mnist.yaml:1:1
    correct the value; config/mnist.yaml shows every setting with its reason"
  `);
  expect(errorOf('batch: -1\nseed: -1\nepochs: -1\n')).toMatchInlineSnapshot(`
    "CONFIG_WRONG_VALUE: epochs must be a whole number of at least 0, found -1 at config/mnist.yaml:3:9 (and 2 more problems)
    correct the value; config/mnist.yaml shows every setting with its reason"
  `);
  expect(errorOf('batch: .nan\n')).toMatchInlineSnapshot(`
    "CONFIG_WRONG_VALUE: batch must be a whole number of at least 1, found NaN at config/mnist.yaml:1:8
    correct the value; config/mnist.yaml shows every setting with its reason"
  `);
});

test('a file that is not YAML is refused where it breaks', () => {
  expect(errorOf('batch: 1\nbatch: 2\n')).toMatchInlineSnapshot(`
    "CONFIG_SYNTAX: map keys must be unique at config/mnist.yaml:2:1
    correct the file; it is read as YAML 1.2, of which JSON is a part"
  `);
  expect(errorOf('batch: [1\n')).toMatchInlineSnapshot(`
    "CONFIG_SYNTAX: flow sequence in block collection must be sufficiently indented and end with a ] at config/mnist.yaml:2:1
    correct the file; it is read as YAML 1.2, of which JSON is a part"
  `);
});

test('the command line and the environment are refused in the same words', () => {
  expect(resolving({ flags: [{ path: 'batch', flag: '--batch', value: 'x' }] })).toMatchInlineSnapshot(`
    "CONFIG_WRONG_VALUE: batch must be a whole number of at least 1, found "x" in --batch
    correct the value; config/mnist.yaml shows every setting with its reason"
  `);
  expect(resolving({ environment: { TFJS_PARALLEL_EPOCHS: 'x' } })).toMatchInlineSnapshot(`
    "CONFIG_WRONG_VALUE: epochs must be a whole number of at least 0, found "x" in TFJS_PARALLEL_EPOCHS
    correct the value; config/mnist.yaml shows every setting with its reason"
  `);
  expect(resolving({ sets: ['optimizer.learning_rte=1'] })).toMatchInlineSnapshot(`
    "CONFIG_UNKNOWN_KEY: unknown key "optimizer.learning_rte" in --set, did you mean optimizer.learning_rate?
    correct the key, or remove it"
  `);
  expect(resolving({ sets: ['optimiser.momentum=1'] })).toMatchInlineSnapshot(`
    "CONFIG_UNKNOWN_KEY: unknown key "optimiser.momentum" in --set, did you mean optimizer.momentum?
    correct the key, or remove it"
  `);
  expect(resolving({ sets: ['momentum=0.9'] })).toMatchInlineSnapshot(`
    "CONFIG_UNKNOWN_KEY: unknown key "momentum" in --set, did you mean optimizer.momentum?
    correct the key, or remove it"
  `);
  expect(resolving({ sets: ['optimizer=adam'] })).toMatchInlineSnapshot(`
    "SET_INVALID: --set optimizer= would set a whole section
    --set optimizer.name=adam"
  `);
  expect(resolving({ sets: ['batch'] })).toMatchInlineSnapshot(`
    "SET_INVALID: --set wants key=value, found "batch"
    for example --set optimizer.momentum=0.9"
  `);
  expect(resolving({ sets: ['__proto__.x=1'] })).toMatchInlineSnapshot(`
    "CONFIG_UNKNOWN_KEY: unknown key "__proto__.x" in --set
    remove it; config/mnist.yaml shows every setting with its reason"
  `);
  expect(resolving({ sets: ['batch=1'], flags: [{ path: 'batch', flag: '--batch', value: '2' }] })).toMatchInlineSnapshot(`
    "CONFIG_GIVEN_TWICE: batch is given twice on the command line: by --batch and by --set batch
    leave one of them out"
  `);
  expect(resolving({ file: 'no/such.yaml' })).toMatchInlineSnapshot(`
    "CONFIG_NOT_FOUND: there is no configuration file no/such.yaml
    check the path given with --config, or leave it out for the reference run"
  `);
  expect(resolving({ file: 'config' })).toMatchInlineSnapshot(`
    "CONFIG_UNREADABLE: config cannot be read (EISDIR)
    give a file you may read"
  `);
});

test('a variable that is nearly a setting is a warning, others are none of ours', () => {
  const { warnings } = resolveText('', {
    environment: { TFJS_PARALLEL_BACTH: '1', TFJS_PARALLEL_TENSORFLOW: '/x', TFJS_PARALLEL_TOKEN: 't', BATCH: '1' },
  });
  expect(warnings).toEqual(['TFJS_PARALLEL_BACTH is not a setting, did you mean TFJS_PARALLEL_BATCH?']);
});

test('a resumed run takes its own configuration and refuses to change what its result depends on', () => {
  const run = mkdtempSync(join(scratch, 'run-'));
  writeFileSync(join(run, 'config.yaml'), 'batch: 50\nworkers: 2\ngpus: none\n');
  const resumed = resolveConfig({ ...NOTHING, resume: run, flags: [{ path: 'workers', flag: '--workers', value: '1' }] });
  expect(resumed.config).toMatchObject({ batch: 50, workers: 1 });
  expect(resumed.provenance.batch).toBe(`${run}/config.yaml:1`);
  const same = resolveConfig({ ...NOTHING, resume: run, flags: [{ path: 'batch', flag: '--batch', value: '50' }] });
  expect(same.config.batch).toBe(50);
  const changed = resolving({ resume: run, flags: [{ path: 'batch', flag: '--batch', value: '60' }] }).replaceAll(
    run,
    'runs/mnist-001',
  );
  expect(changed).toMatchInlineSnapshot(`
    "RESUME_CHANGED: batch is 50 in the run runs/mnist-001, and flag --batch makes it 60
    leave it out to continue the run, or start a new one from its weights, with its model and all its settings but this: --config runs/mnist-001/config.yaml --init-from runs/mnist-001"
  `);
  expect(resolving({ resume: 'no/run' })).toMatchInlineSnapshot(`
    "RUN_NOT_FOUND: no/run does not exist
    give the folder of a run, such as runs/mnist-001; ls shows those there are"
  `);
  expect(resolving({ resume: 'config' })).toMatchInlineSnapshot(`
    "RUN_NOT_FOUND: config is not the folder of a run: it has no config.yaml
    give the folder of a run, such as runs/mnist-001; ls shows those there are"
  `);
  expect(resolving({ resume: 'runs/mnist-001', file: 'config/mnist.yaml' })).toMatchInlineSnapshot(`
    "RESUME_AND_CONFIG: --resume runs/mnist-001 continues with the run's own configuration, and --config config/mnist.yaml names another
    leave out --config to continue; to start anew from those weights use --init-from"
  `);
});

test('devices are one choice: a flag for one kind ends what the file says about the other', () => {
  const devices = (text: string, flag: string, value: string) => {
    const { config } = resolveText(text, { flags: [{ path: flag.slice(2), flag, value }] });
    return { gpus: config.gpus, workers: config.workers };
  };
  expect(devices('gpus: none\nworkers: 2\n', '--gpus', '0,1')).toEqual({ gpus: '0,1', workers: null });
  expect(devices('gpus: none\nworkers: 2\n', '--workers', '3')).toEqual({ gpus: null, workers: 3 });
  expect(devices('gpus: 0-3\n', '--workers', '3')).toEqual({ gpus: null, workers: 3 });
  expect(devices('workers: 2\n', '--gpus', 'none')).toEqual({ gpus: 'none', workers: 2 });
  expect(messageOf(() => resolveText('gpus: 0-3\nworkers: 2\n'))).toContain('GPUS_AND_WORKERS');
});

test('reporters are a list, in a file and on the command line', () => {
  const reporters = (text: string) => resolveText(text).config.reporter;
  expect([reporters(''), reporters('reporter: json\n'), reporters('reporter: [json, text]\n')]).toEqual([
    ...[['text'], ['json'], ['json', 'text']],
  ]);
  const flag = (value: string) => ({ flags: [{ path: 'reporter', flag: '--reporter', value }] });
  expect(resolveConfig({ ...NOTHING, ...flag('text, json') }).config.reporter).toEqual(['text', 'json']);
  const wrong = ['csv', 'text,', 'json,json', 'jsn'].map((value) => resolving(flag(value)).split('\n')[0]);
  expect(wrong).toEqual([
    'CONFIG_WRONG_VALUE: reporter must be text, json, or several joined by commas, each once, found "csv" in --reporter',
    'CONFIG_WRONG_VALUE: reporter must be text, json, or several joined by commas, each once, found "text," in --reporter',
    'CONFIG_WRONG_VALUE: reporter must be text, json, or several joined by commas, each once, found "json,json" in --reporter',
    'CONFIG_WRONG_VALUE: reporter must be text, json, or several joined by commas, each once, found "jsn" in --reporter, did you mean json?',
  ]);
});

test('a file that is small and stands for much is refused by name: aliases of aliases, brackets in brackets', () => {
  const layers = Array.from({ length: 9 }, (_, i) => `l${i + 1}: &l${i + 1} [${Array(9).fill(`*l${i}`).join(', ')}]`);
  const bomb = ['l0: &l0 [x]', ...layers].join('\n');
  expect(messageOf(() => parseConfig({ text: bomb, shownPath: 'config.yaml' }))).toContain(
    'config.yaml cannot be read as settings',
  );
  const deep = `batch: ${'['.repeat(20_000)}${']'.repeat(20_000)}`;
  expect(messageOf(() => checkLayer(parseConfig({ text: deep, shownPath: 'config.yaml' })))).toMatch(
    /CONFIG_SYNTAX|nested too deeply|batch/,
  );
});

test('a run’s own config.yaml that is empty, or no file, is told as that and never waited on', () => {
  const folder = mkdtempSync(join(scratch, 'config-'));
  const file = join(folder, 'config.yaml');
  const resumed = () => messageOf(() => resolveConfig({ file: null, resume: folder, environment: {}, flags: [], sets: [] }));
  writeFileSync(file, '');
  expect(resumed()).toContain('is not the configuration that the run wrote: it is empty');
  writeFileSync(file, '# nothing\n');
  expect(resumed()).toContain('it says nothing');
  rmSync(file);
  execFileSync('mkfifo', [file]);
  expect(resumed()).toContain('it is no file but a pipe');
});

test("the report's rule for saving counts for its own model, data and value alone", () => {
  const ruleOf = (sets: string[]): unknown[] => {
    const { config, provenance } = resolveConfig({ ...NOTHING, sets });
    return [config.saveAbove, provenance.save_above.replace(/^.*(config.mnist.yaml).*/, 'the file')];
  };
  expect(ruleOf(['batch=10'])).toEqual([0.993, 'the file']);
  for (const other of ['model=./m.mjs', 'data=./d.mjs', 'monitor=val_loss']) expect(ruleOf([other])).toEqual([null, 'default']);
  expect(ruleOf(['model=./m.mjs', 'save_above=0.9'])[0]).toBe(0.9);
});
