import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { CommandContext } from '../../src/cli/context.js';
import { coordinatorCommand } from '../../src/cli/commands/coordinator.js';
import { createProgram } from '../../src/cli/program.js';
import { resumeLine } from '../../src/cli/resume_line.js';
import { trainCommand } from '../../src/cli/commands/train.js';
import { SETTING_PATHS } from '../../src/common/settings/table.js';
import { EXIT, ExpectedError } from '../../src/common/errors.js';
import { toSnakeCase } from '../../src/common/snake_case.js';
import type { StopRequest } from '../../src/common/stop_request.js';
import { DEFAULT_TRAIN_CONFIG, type TrainConfig } from '../../src/common/train_config.js';
import { changeConfig, renderConfig } from '../../src/coordinator/storage/run_folder/config_yaml.js';
import { OPTIMIZER_SETTINGS } from '../../src/optimizers/settings.js';
import type { RunRequest } from '../../src/api/run_request.js';
import { captureStream } from '../support/capture_stream.js';
import { SAMPLE_START, sampleEnd } from '../support/run_events_sample.js';
import { folderOfTests } from '../support/temporary_folder.js';

const scratch = folderOfTests();

/** What a resume may be told of the run: it keeps that. */
const KEPT: Record<string, string> = {
  data_dir: 'elsewhere',
  epochs: '9',
  threads_per_worker: '2',
  compile: 'false',
  execution: 'xla',
  audit: '0.5',
  monitor: 'val_loss',
  save_above: 'null',
  target: '0.5',
  keep: '7',
  state_every: '500 steps',
  on_save_failure: 'stop',
  'early_stopping.patience': '4',
  'early_stopping.monitor': 'loss',
  'early_stopping.min_delta': '0.1',
  'early_stopping.baseline': '3',
};
/** What it may be told of this call: the printed line repeats it. */
const REPEATED: Record<string, string> = {
  max_steps: '30',
  data_memory: '64',
  gpus: '0,1',
  workers: '3',
  reporter: 'json,text',
  report: 'csv',
  dashboard: '127.0.0.1:4000',
  histograms: '5',
  log_every: '5',
  gradient_norm: 'true',
};
/** Where and how a run is called does not change by resuming it. */
const WITHOUT_EFFECT: Record<string, string> = { run_dir: 'other', name: 'other' };
/** What the result depends on. */
const REFUSED: Record<string, string> = {
  model: 'm.json',
  data: 'd.mjs',
  validation_file: 'v.npz',
  inputs: 'a,b',
  labels: 'c',
  scale: '0.5',
  label_file: 'l.csv',
  image_size: '32x16',
  image_fit: 'stretch',
  image_channels: 'gray',
  image_depth: '16',
  on_bad_file: 'skip',
  loss: 'mean_squared_error',
  metrics: 'auc',
  loss_weights: '[a=0.5]',
  transpose: 'true',
  batch: '60',
  shards: '3',
  seed: '2',
  shuffle: 'false',
  shuffle_buffer: '50',
  accumulate: '2',
  augment: 'flip',
  batch_norm: 'fixed',
  fast_dev_run: 'true',
  overfit: '9',
  'early_stopping.restore_best': 'true',
  'reduce_on_plateau.patience': '2',
  'reduce_on_plateau.monitor': 'loss',
  'reduce_on_plateau.factor': '0.5',
  'reduce_on_plateau.min_delta': '0.1',
  'reduce_on_plateau.cooldown': '1',
  'reduce_on_plateau.min_learning_rate': '0.01',
  train_limit: '599',
  validation_limit: '99',
  precision: 'bf16',
  'optimizer.name': 'adam',
  'optimizer.learning_rate': '0.5',
  'optimizer.weight_decay': '0.1',
  'optimizer.clip_norm': '1',
  'optimizer.layer_rates': 'dense=2',
  'optimizer.ema_decay': '0.5',
  'optimizer.ema_for': 'model',
  ...ownSettingsOfOptimizers(),
  'optimizer.schedule.name': 'constant',
  'optimizer.schedule.warmup_epochs': '1',
  'optimizer.schedule.milestones': '[2]',
  'optimizer.schedule.decay': '0.5',
  'optimizer.schedule.final_fraction': '0.5',
};

/** A value that is not the default, for each. */
function ownSettingsOfOptimizers(): Record<string, string> {
  const values = [...OPTIMIZER_SETTINGS].map(([name, { setting }]) => [
    `optimizer.${toSnakeCase(name)}`,
    setting.kind === 'flag' ? String(!setting.default) : '0.625',
  ]);
  return Object.fromEntries(values) as Record<string, string>;
}

const RECORDED: TrainConfig = {
  ...DEFAULT_TRAIN_CONFIG,
  ...{ data: 'idx', dataDir: 'there', epochs: 2, maxSteps: 24, shards: 2, batch: 50, trainLimit: 600, validationLimit: 100 },
  ...{ workers: 2, threadsPerWorker: 1, runDir: 'runs', name: 'r', saveAbove: 0.9 },
  optimizer: { ...DEFAULT_TRAIN_CONFIG.optimizer, schedule: { ...DEFAULT_TRAIN_CONFIG.optimizer.schedule, name: 'cosine' } },
};

function runFolder(name = "it's a run"): string {
  const folder = mkdtempSync(join(scratch, `${name}-`));
  writeFileSync(join(folder, 'config.yaml'), renderConfig(RECORDED, { epochs: 'flag --epochs' }));
  return folder;
}

/** `before start`: stopped while it prepared. `interrupted`, `max_steps`: the run's own end. `killed`: no end comes. */
type Fate = 'before start' | 'interrupted' | 'max_steps' | 'killed';

/** One call on the run's folder: keeps what a real run would, and ends as told. Returns what it was asked, and the command that it printed last. */
async function call(args: readonly string[], folder: string, fate: Fate, environment: Record<string, string> = {}) {
  const [stdout, stderr] = [captureStream(), captureStream()];
  const warnings: string[] = [];
  const asked = AbortSignal.abort();
  const stop: StopRequest = { reason: 'interrupted', asked, hurry: new AbortController().signal };
  const context: CommandContext = {
    environment,
    stdout: stdout as unknown as NodeJS.WriteStream,
    stderr: stderr as unknown as NodeJS.WriteStream,
    warn: (text) => warnings.push(text),
    watchStop: async () => ({ request: stop, begin: () => undefined, exitCode: () => EXIT.interrupted, close: () => undefined }),
    finish: () => undefined,
  };
  let request: RunRequest | null = null;
  const run = async (given: RunRequest) => {
    request = given;
    if (fate === 'before start') throw asked.reason;
    const file = join(folder, 'config.yaml');
    if (given.changes.length > 0)
      writeFileSync(file, changeConfig(readFileSync(file, 'utf8'), { changes: given.changes, step: 24 }));
    given.observer({ ...SAMPLE_START, config: given.config, runFolder: folder });
    if (fate === 'killed') throw new Error('killed');
    const end = sampleEnd({ reason: fate });
    given.observer(end);
    return end;
  };
  const commands = [trainCommand(context, async () => run), coordinatorCommand(context, async () => run)];
  await createProgram(context, commands)
    .parseAsync(args, { from: 'user' })
    .catch((error: unknown) => {
      if (fate !== 'killed') throw error;
    });
  const printed = [...stderr.text().matchAll(/(?:resume with: |resume {3}|continue with: )tfjs-parallel (.*)$/gm)].at(-1)?.[1];
  return { request: request as RunRequest | null, printed, warnings, err: stderr.text() };
}

/** As a shell reads it. */
function words(line: string | undefined): string[] {
  const text = execFileSync('sh', ['-c', `for word in ${line ?? ''}; do printf '%s\\n' "$word"; done`], { encoding: 'utf8' });
  return text.trimEnd().split('\n');
}

const set = (path: string, value: string): string[] => ['--set', `${path}=${value}`];

test('each setting is one of these kinds', () => {
  const kinds = [KEPT, REPEATED, WITHOUT_EFFECT, REFUSED].flatMap((kind) => Object.keys(kind));
  expect(kinds.sort()).toEqual([...SETTING_PATHS].sort());
});

for (const fate of ['before start', 'interrupted', 'killed'] as const) {
  test.each(Object.entries({ ...KEPT, ...REPEATED }))(
    `%s, changed by a resume that is stopped (${fate}), is the same in the run that the printed line continues`,
    async (path, value) => {
      const folder = runFolder();
      const changed = await call(['train', '--resume', folder, ...set(path, value)], folder, fate);
      const again = await call(words(changed.printed), folder, 'interrupted');
      expect(changed.request?.config).not.toEqual(RECORDED);
      expect(again.request?.config).toEqual(changed.request?.config);
      expect(again.printed).toBe((await call(words(again.printed), folder, 'interrupted')).printed);
    },
  );
}

test('what the run keeps needs no flag again, what is the call’s does, and config.yaml says where a change came from', async () => {
  const folder = runFolder('run');
  const changes = ['--epochs', '9', '--state-every', '500 steps', '--workers', '3', '--max-steps', '30', '-v'];
  const { printed, request } = await call(['train', '--resume', folder, ...changes], folder, 'interrupted');
  expect(printed).toBe(`train --resume ${folder} --max-steps 30 --workers 3`);
  expect(request?.changes.map(({ path }) => path)).toEqual(['epochs', 'state_every']);
  const text = readFileSync(join(folder, 'config.yaml'), 'utf8');
  expect(text).toContain('\nepochs: 9 # flag --epochs, after step 24; 2 before\n');
  expect(text).toContain('\nstate_every: 500 steps # flag --state-every, after step 24; "epoch,60s" before\n');
  expect(text).toContain('\nworkers: 2 #');
  expect(text).toContain('\nmax_steps: 24 #');
});

test('a variable of the environment is kept or repeated as a flag is', async () => {
  const folder = runFolder('run');
  const environment = { TFJS_PARALLEL_EPOCHS: '9', TFJS_PARALLEL_WORKERS: '3' };
  const { printed } = await call(['train', '--resume', folder], folder, 'interrupted', environment);
  expect(printed).toBe(`train --resume ${folder} --workers 3`);
  expect(readFileSync(join(folder, 'config.yaml'), 'utf8')).toContain(
    'epochs: 9 # environment TFJS_PARALLEL_EPOCHS, after step 24',
  );
});

test('stopped before its first step, nothing is kept and all is repeated', async () => {
  const folder = runFolder('run');
  const before = readFileSync(join(folder, 'config.yaml'), 'utf8');
  const flags = ['--epochs', '9', '--no-compile', '--numerics', 'relaxed'];
  const { printed } = await call(['train', '--resume', folder, ...flags], folder, 'before start');
  expect(printed).toBe(`train --resume ${folder} --epochs 9 --no-compile --numerics relaxed`);
  expect(readFileSync(join(folder, 'config.yaml'), 'utf8')).toBe(before);
});

test('a max_steps that is reached is not repeated, and one that an earlier call was told does not hold the next one', async () => {
  const folder = runFolder('run');
  const reached = await call(['train', '--resume', folder, '--max-steps', '30'], folder, 'max_steps');
  expect(reached.printed).toBe(`train --resume ${folder}`);
  expect(reached.request?.maxStepsRecorded).toBe(false);
  expect((await call(words(reached.printed), folder, 'interrupted')).request?.maxStepsRecorded).toBe(true);
});

test('the coordinator’s line repeats where it listens and how it is encrypted, and no secret', async () => {
  const folder = runFolder('run');
  const flags = ['--listen', '0.0.0.0:29600', '--token-file', 'my token', '--insecure-plaintext', '--min-workers', '2'];
  const typed = await call(['coordinator', '--resume', folder, ...flags], folder, 'interrupted');
  expect(typed.printed).toBe(
    `coordinator --resume ${folder} --listen 0.0.0.0:29600 --min-workers 2 --token-file 'my token' --insecure-plaintext`,
  );
  const environment = { TFJS_PARALLEL_TOKEN: 'x'.repeat(43) };
  const { printed, err } = await call(['coordinator', '--resume', folder], folder, 'interrupted', environment);
  expect(printed).toBe(`coordinator --resume ${folder}`);
  expect(err).toContain('\n  with the token in TFJS_PARALLEL_TOKEN, as this time\n');
  expect(err).not.toContain('xxxx');
});

test.each(Object.entries(WITHOUT_EFFECT))('%s of a resume has no effect, and that is said', async (path, value) => {
  const folder = runFolder('run');
  const { warnings, request } = await call(['train', '--resume', folder, ...set(path, value)], folder, 'interrupted');
  expect(warnings).toEqual([`${path} (--set ${path}) has no effect: the run goes on in ${folder}`]);
  expect(request?.changes).toEqual([]);
});

test.each(Object.entries(REFUSED))('%s cannot be changed by a resume', async (path, value) => {
  const folder = runFolder('run');
  const refused = call(['train', '--resume', folder, ...set(path, value)], folder, 'interrupted');
  await expect(refused).rejects.toThrow(ExpectedError);
  await expect(refused).rejects.toMatchObject({ code: 'RESUME_CHANGED' });
});

test('devices are one choice in the line too', () => {
  const line = (now: Partial<TrainConfig>) =>
    resumeLine(
      { command: 'train', config: { ...RECORDED, ...now }, recorded: RECORDED, typed: [] },
      { run: 'runs/r', kept: true },
    );
  expect(line({})).toBe('tfjs-parallel train --resume runs/r');
  expect(line({ gpus: 'all', workers: null })).toBe('tfjs-parallel train --resume runs/r --gpus all');
  expect(line({ gpus: 'none', workers: 3 })).toBe('tfjs-parallel train --resume runs/r --gpus none --workers 3');
  expect(line({ workers: null })).toBe('tfjs-parallel train --resume runs/r --workers null');
});
