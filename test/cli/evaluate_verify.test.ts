import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { expect, test } from 'vitest';
import type { CommandContext } from '../../src/cli/context.js';
import { evaluateCommand, type EvaluationRequest } from '../../src/cli/evaluate.js';
import { createProgram } from '../../src/cli/program.js';
import { verifyCommand, type VerificationAnswer } from '../../src/cli/verify.js';
import type { ExitCode } from '../../src/common/errors.js';
import { captureStream } from '../support/capture_stream.js';

async function run(makeCommand: (context: CommandContext) => Command, args: readonly string[]) {
  const stdout = captureStream();
  let code: ExitCode | null = null;
  const context: CommandContext = {
    environment: {},
    stdout: stdout as unknown as NodeJS.WriteStream,
    stderr: captureStream() as unknown as NodeJS.WriteStream,
    warn: () => undefined,
    watchStop: () => Promise.reject(new Error('not asked for')),
    finish: (exitCode) => (code = exitCode),
  };
  await createProgram(context, [makeCommand(context)]).parseAsync(args, { from: 'user' });
  return { code: code as ExitCode | null, out: stdout.text() };
}

async function evaluate(args: readonly string[]) {
  let request: EvaluationRequest | null = null;
  const answer = { loss: 0.81234, accuracy: 0.9931, correct: 9931, examples: 10_000 };
  const result = await run(
    (context) => evaluateCommand(context, async () => async (asked) => ((request = asked), answer)),
    ['evaluate', ...args],
  );
  return { ...result, request: request as EvaluationRequest | null };
}

test('evaluate tells accuracy, counts and loss in one line', async () => {
  expect((await evaluate(['m.json'])).out).toBe('validation accuracy 99.31 % (9,931 of 10,000), loss 0.8123\n');
  expect(JSON.parse((await evaluate(['m.json', '--reporter', 'json'])).out)).toEqual({
    ...{ v: 1, type: 'evaluation', val_loss: 0.81234, val_acc: 0.9931, correct: 9931, examples: 10_000 },
  });
});

test('evaluate takes data and settings from the run of the checkpoint, and the model from the argument', async () => {
  const run = mkdtempSync(join(tmpdir(), 'run-'));
  const folder = join(run, 'checkpoints', 'epoch-0120');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(run, 'config.yaml'), 'model: gluon_cnn\ndata: synthetic\nbatch: 64\n');
  const { request, code } = await evaluate([folder, '--workers', '2']);
  expect(request?.config).toMatchObject({ model: join(folder, 'model.json'), data: 'synthetic', batch: 64, workers: 2 });
  expect(code).toBe(0);
  expect((await evaluate(['other/model.json'])).request?.config).toMatchObject({
    model: 'other/model.json',
    data: 'mnist',
    batch: 200,
  });
});

test('evaluate holds a model to a target', async () => {
  expect((await evaluate(['m.json', '--target', '0.9931'])).code).toBe(0);
  await expect(evaluate(['m.json', '--target', '0.994'])).rejects.toMatchObject({ exitCode: 8, code: 'TARGET_NOT_MET' });
});

const ANSWER: VerificationAnswer = {
  shards: 2,
  tolerance: 1e-5,
  tensors: [
    { name: 'conv2d/kernel', shape: [3, 3, 1, 64], difference: 1.5e-7, maxAbsDifference: 2e-6 },
    { name: 'dense/bias', shape: [10], difference: 1e-5, maxAbsDifference: 0 },
  ],
  hashes: [
    { replicas: 1, sha256: 'ab' },
    { replicas: 2, sha256: 'ab' },
  ],
};

async function verify(answer: VerificationAnswer, args: readonly string[] = []) {
  return run((context) => verifyCommand(context, async () => async () => answer), ['verify', ...args]);
}

test('verify prints a table and passes at the tolerance', async () => {
  const { out, code } = await verify(ANSWER);
  expect(code).toBe(0);
  expect(out).toMatchInlineSnapshot(`
    "gradient of one step, 2 shards against 1 (batch norm on fixed statistics, dropout on)
      tensor         shape     max |difference|  norm-wise
      conv2d/kernel  3×3×1×64           2.00e-6    1.50e-7  ok
      dense/bias           10           0.00e+0    1.00e-5  ok
    ok: norm-wise differences are at most 1e-5

    weights after one step, 2 shards, by number of replicas
      1  ab
      2  ab
    ok: equal to the bit
    "
  `);
});

test('verify exits 1 where a tensor is too far or hashes differ', async () => {
  const far = await verify({ ...ANSWER, tensors: [{ ...ANSWER.tensors[0], difference: 1.01e-5 }] });
  expect([
    far.code,
    far.out.includes('TOO FAR'),
    far.out.includes('FAILED: norm-wise differences must be at most 1e-5'),
  ]).toEqual([1, true, true]);
  const nan = await verify({ ...ANSWER, tensors: [{ ...ANSWER.tensors[0], difference: NaN }] });
  expect(nan.code).toBe(1);
  const differ = await verify({ ...ANSWER, hashes: [ANSWER.hashes[0], { replicas: 2, sha256: 'ac' }] });
  expect([differ.code, differ.out.includes('FAILED: the hashes must be equal')]).toEqual([1, true]);
  expect(JSON.parse((await verify(ANSWER, ['--reporter', 'json'])).out)).toMatchObject({
    type: 'verification',
    ok: true,
    shards: 2,
  });
});
