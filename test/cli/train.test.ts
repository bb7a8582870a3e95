import { expect, test } from 'vitest';
import { EXIT, ExpectedError, type ExitCode } from '../../src/common/errors.js';
import type { StopRequest } from '../../src/common/stop_request.js';
import type { CommandContext } from '../../src/cli/context.js';
import { createProgram } from '../../src/cli/program.js';
import { trainCommand, type RunTraining } from '../../src/cli/commands/train.js';
import type { TrainingRequest } from '../../src/api/run_request.js';
import { captureStream } from '../support/capture_stream.js';
import { SAMPLE_START, sampleEnd, sampleEpoch } from '../support/run_events_sample.js';

const NEVER: StopRequest = { reason: null, asked: new AbortController().signal, hurry: new AbortController().signal };

/** Runs `tfjs-parallel train …args` with a training that tells one epoch of 97.53 % and ends; returns what it was asked and what came out. */
async function train(args: readonly string[], { end = sampleEnd({ best: null }), stop = NEVER, fail = null as unknown } = {}) {
  const [stdout, stderr] = [captureStream(), captureStream()];
  const warnings: string[] = [];
  let request: TrainingRequest | null = null;
  let code: ExitCode | null = null;
  let watching = 0;
  const context: CommandContext = {
    environment: { TFJS_PARALLEL_KEEP: '5' },
    stdout: stdout as unknown as NodeJS.WriteStream,
    stderr: stderr as unknown as NodeJS.WriteStream,
    warn: (text) => warnings.push(text),
    watchStop: async () => {
      watching += 1;
      return { request: stop, begin: () => undefined, exitCode: () => EXIT.stopped, close: () => (watching -= 1) };
    },
    finish: (exitCode) => (code = exitCode),
  };
  const runTraining: RunTraining = async (asked) => {
    request = asked;
    if (fail !== null) throw fail;
    asked.observer(SAMPLE_START);
    asked.observer(sampleEpoch({ epoch: 1, valAcc: 0.9753, saved: false }));
    asked.observer(end);
    return end;
  };
  const program = createProgram(context, [trainCommand(context, async () => runTraining)]);
  let error: unknown = null;
  try {
    await program.parseAsync(['train', ...args], { from: 'user' });
  } catch (caught) {
    error = caught;
  }
  expect(watching).toBe(0);
  return {
    request: request as TrainingRequest | null,
    code: code as ExitCode | null,
    error,
    out: stdout.text(),
    err: stderr.text(),
    warnings,
  };
}

function codeOf(error: unknown): string {
  if (error instanceof ExpectedError) return `${error.exitCode} ${error.code}: ${error.message}`;
  return String(error);
}

test('of one flag the last counts; a setting in two ways is refused', async () => {
  const { request } = await train(['--epochs', '3', '--no-compile', '--epochs', '1', '--no-compile']);
  expect(request?.config.epochs).toBe(1);
  const twice = async (...args: string[]) => codeOf((await train(args)).error);
  const says = '2 CONFIG_GIVEN_TWICE: epochs is given twice on the command line: by';
  expect(await twice('--epochs', '3', '--set', 'epochs=3')).toBe(`${says} --epochs and by --set epochs`);
  expect(await twice('--set', 'epochs=3', '--set', 'epochs=1')).toBe(`${says} --set epochs and by --set epochs`);
});

test('every flag reaches the configuration, with its source', async () => {
  const args =
    '--model m.json --data ./d.mjs --train-limit 10 --validation-limit 11 --loss mean_squared_error --epochs 2 --max-steps 3 --batch 4 ' +
    '--lr 0.5 --seed 6 --shards 2 --target 0.5 --gpus none --workers 2 --threads-per-worker 1 --precision bf16 --no-compile --run-dir out ' +
    '--name mine --save-above 0.25 --keep 7 --state-every epoch --on-save-failure stop --reporter json --log-every 8 ' +
    '--set optimizer.momentum=0.9 --set optimizer.nesterov=true';
  const { request, code, error } = await train(args.split(' '));
  expect(error).toBeNull();
  expect(code).toBe(0);
  expect(request?.config).toMatchObject({
    ...{
      model: 'm.json',
      data: './d.mjs',
      trainLimit: 10,
      validationLimit: 11,
      loss: 'mean_squared_error',
      epochs: 2,
      maxSteps: 3,
    },
    ...{
      batch: 4,
      seed: 6,
      shards: 2,
      target: 0.5,
      gpus: 'none',
      workers: 2,
      threadsPerWorker: 1,
      precision: 'bf16',
      compile: false,
    },
    ...{ runDir: 'out', name: 'mine', saveAbove: 0.25, keep: 7, stateEvery: 'epoch', onSaveFailure: 'stop' },
    ...{ reporter: ['json'], logEvery: 8, optimizer: { learningRate: 0.5, momentum: 0.9, nesterov: true } },
  });
  expect(request?.provenance).toMatchObject({
    'optimizer.learning_rate': 'flag --lr',
    compile: 'flag --no-compile',
    'optimizer.momentum': '--set optimizer.momentum',
  });
});

test('what is not typed comes from the environment and the reference run', async () => {
  const { request } = await train([]);
  expect(request?.config).toMatchObject({ keep: 5, compile: true, epochs: 130, saveAbove: 0.993 });
  expect(request?.provenance.keep).toBe('environment TFJS_PARALLEL_KEEP');
  expect([request?.configName, request?.resume, request?.initFrom]).toEqual(['mnist', null, null]);
});

test('standard output is the report, or JSON lines', async () => {
  expect((await train([])).out).toBe(
    'context: [cpu(0), cpu(1)]\nepoch  1: \t 94.99% - train set accuracy\n\t\t 97.53% - validation set accuracy\n',
  );
  const json = (await train(['--reporter', 'json'])).out.trimEnd().split('\n');
  expect(json.map((line) => (JSON.parse(line) as { type: string }).type)).toEqual(['start', 'epoch', 'end']);
});

test('the exit code is 8 below the target, 0 at it, and the best of earlier starts counts', async () => {
  expect((await train(['--target', '0.9753'])).code).toBe(0);
  const missed = await train(['--target', '0.976']);
  expect(codeOf(missed.error)).toBe(
    '8 TARGET_NOT_MET: the target was 97.60 % validation accuracy, the best epoch reached 97.53 %',
  );
  const before = sampleEnd({ best: { epoch: 1, monitor: 'val_acc', value: 0.98 } });
  expect((await train(['--target', '0.976'], { end: before })).code).toBe(0);
});

test('a run that was asked to end exits 130 or 75, target or not', async () => {
  expect((await train(['--target', '1'], { end: sampleEnd({ reason: 'interrupted' }) })).code).toBe(130);
  expect((await train(['--target', '1'], { end: sampleEnd({ reason: 'stopped' }) })).code).toBe(75);
});

test('a stop before the first step is no error', async () => {
  const asked = AbortSignal.abort();
  const stop: StopRequest = { reason: 'interrupted', asked, hurry: NEVER.hurry };
  const { code, error } = await train([], { stop, fail: asked.reason });
  expect([code, error]).toEqual([130, null]);
  const bug = await train([], { stop, fail: new TypeError('x') });
  expect(String(bug.error)).toBe('TypeError: x');
});

test('settings without an effect are warned about, and the run goes on', async () => {
  const { warnings, code } = await train(['--data', 'synthetic', '--data-dir', 'd']);
  expect(warnings).toEqual(['data_dir (flag --data-dir) has no effect: data is synthetic, which reads no folder']);
  expect(code).toBe(0);
});

test('mistakes on the command line are refused before anything is loaded', async () => {
  const mistakes = [
    ['--epoch', '3'],
    ['--epochs'],
    ['--epochs', '1.5'],
    ['--batch', '1', '--workers', '2'],
    ['--gpus', 'all', '--workers', '2'],
    ['--resume', 'a', '--init-from', 'b'],
    ['extra'],
    ['--set', 'lr=1'],
    ['--lr', '-1'],
  ];
  const answers: string[] = [];
  for (const args of mistakes) {
    const { error, request } = await train(args);
    expect(request).toBeNull();
    answers.push(codeOf(error));
  }
  expect(answers).toMatchInlineSnapshot(`
    [
      "CommanderError: error: unknown option '--epoch'
    (Did you mean --epochs?)",
      "CommanderError: error: option '--epochs <n>' argument missing",
      "2 CONFIG_WRONG_VALUE: epochs must be a whole number of at least 0, found 1.5 in --epochs",
      "2 BATCH_SMALLER_THAN_SHARDS: batch is 1 and shards is 2: 1 of the shards would have no example in any step",
      "2 GPUS_AND_WORKERS: gpus is "all" and workers is 2: workers counts replicas on the CPU, and a run is on one kind of device",
      "CommanderError: error: option '--init-from <path>' cannot be used with option '--resume <run>'",
      "CommanderError: error: too many arguments for 'train'. Expected 0 arguments but got 1.",
      "2 CONFIG_UNKNOWN_KEY: unknown key "lr" in --set, did you mean optimizer.learning_rate?",
      "2 CONFIG_WRONG_VALUE: optimizer.learning_rate must be a number, above 0, found -1 in --lr",
    ]
  `);
});
