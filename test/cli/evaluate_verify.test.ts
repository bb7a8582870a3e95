import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { expect, test } from 'vitest';
import type { CommandContext } from '../../src/cli/context.js';
import { evaluateCommand } from '../../src/cli/commands/evaluate.js';
import { createProgram } from '../../src/cli/program.js';
import { verifyCommand } from '../../src/cli/commands/verify.js';
import type { ExitCode } from '../../src/common/errors.js';
import type { EvaluateRequest } from '../../src/api/evaluate_model.js';
import type { VerifyReport, VerifyRequest } from '../../src/api/verify.js';
import { captureStream } from '../support/capture_stream.js';
import { folderOfTests } from '../support/temporary_folder.js';

const scratch = folderOfTests();

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
  let request: EvaluateRequest | null = null;
  const answer = {
    values: { val_loss: 0.81234, val_acc: 0.9931 },
    monitor: { name: 'val_acc', direction: 'max' } as const,
    ...{ correct: 9931, examples: 10_000, model: 'm.json', dataset: 'MNIST' },
  };
  const result = await run(
    (context) => evaluateCommand(context, async () => async (asked) => ((request = asked), answer)),
    ['evaluate', ...args],
  );
  return { ...result, request: request as EvaluateRequest | null };
}

test('evaluate tells accuracy, counts and loss in one line', async () => {
  expect((await evaluate(['m.json'])).out).toBe('validation accuracy 99.31 % (9,931 of 10,000), loss 0.8123\n');
  expect(JSON.parse((await evaluate(['m.json', '--reporter', 'json'])).out)).toEqual({
    ...{ v: 2, type: 'evaluation', val_loss: 0.81234, val_acc: 0.9931, correct: 9931, examples: 10_000 },
  });
});

test('evaluate takes data and settings from the run of the checkpoint, whichever way it is named', async () => {
  const run = mkdtempSync(join(scratch, 'run-'));
  const folder = join(run, 'checkpoints', 'epoch-0120');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(run, 'config.yaml'), 'model: gluon_cnn\ndata: synthetic\nbatch: 64\n');
  for (const path of [run, folder, join(folder, 'model.json')]) {
    const { request, code } = await evaluate([path, '--workers', '2']);
    expect(request).toMatchObject({ path, config: { data: 'synthetic', batch: 64, workers: 2 } });
    expect(code).toBe(0);
  }
  expect((await evaluate(['other/model.json'])).request?.config).toMatchObject({ data: 'mnist', batch: 200 });
});

test('evaluate holds a model to a target', async () => {
  expect((await evaluate(['m.json', '--target', '0.9931'])).code).toBe(0);
  await expect(evaluate(['m.json', '--target', '0.994'])).rejects.toMatchObject({ exitCode: 8, code: 'TARGET_NOT_MET' });
});

const REPORT: VerifyReport = {
  shards: 2,
  batch: 200,
  tensors: [
    { name: 'conv2d/kernel', shape: [3, 3, 1, 64], relative: 1.5e-7, largest: 2e-6 },
    { name: 'dense/bias', shape: [10], relative: 1e-5, largest: 0 },
  ],
  oneReplica: { gradientSha256: 'ab'.repeat(32), lossSum: 460.5 },
  manyReplicas: { replicas: 2, gradientSha256: 'ab'.repeat(32), lossSum: 460.5 },
  largestBitDifference: 0,
  tolerance: 1e-5,
  passed: true,
};

async function verify(report: VerifyReport, args: readonly string[] = []) {
  let request: VerifyRequest | null = null;
  const module = { verify: async (asked: VerifyRequest) => ((request = asked), report) };
  const result = await run((context) => verifyCommand(context, async () => module), ['verify', ...args]);
  return { ...result, request: request as VerifyRequest | null };
}

test('verify prints a table and passes at the tolerance', async () => {
  const { out, code } = await verify(REPORT);
  expect(code).toBe(0);
  expect(out).toMatchInlineSnapshot(`
    "gradient of a batch of 200, 2 shards against 1 (batch norm on fixed statistics, dropout on)
      tensor         shape     max |difference|  norm-wise
      conv2d/kernel  3×3×1×64           2.00e-6    1.50e-7  ok
      dense/bias           10           0.00e+0    1.00e-5  ok
    ok: norm-wise differences are at most 1e-5

    the same batch as in training, 2 shards, by number of replicas
      replicas  loss sum  sha256 of the gradient
             1     460.5  abababababababababababababababababababababababababababababababab
             2     460.5  abababababababababababababababababababababababababababababababab
    ok: equal to the bit
    "
  `);
});

test('verify exits 1 and says which part failed', async () => {
  const far = await verify({ ...REPORT, tensors: [{ ...REPORT.tensors[0], relative: 1.01e-5 }], passed: false });
  expect(far.code).toBe(1);
  const barely = await verify({ ...REPORT, tensors: [{ ...REPORT.tensors[0], relative: 1.0001e-5 }], passed: false });
  expect(barely.out).toContain('1.0001e-5  TOO FAR\nFAILED: norm-wise differences must be at most 1e-5\n');
  expect(far.out).toContain('1.01e-5  TOO FAR\nFAILED: norm-wise differences must be at most 1e-5\n');
  expect(far.out).toContain('ok: equal to the bit');
  const manyReplicas = { ...REPORT.manyReplicas, gradientSha256: 'ac'.repeat(32) };
  const differ = await verify({ ...REPORT, manyReplicas, largestBitDifference: 0.5, passed: false });
  expect(differ.code).toBe(1);
  expect(differ.out).toContain('FAILED: they must be equal to the bit (largest |difference| 5.00e-1)');
  expect(JSON.parse((await verify(REPORT, ['--reporter', 'json'])).out)).toMatchObject({
    ...{ v: 1, type: 'verification', passed: true, shards: 2, one_replica: { loss_sum: 460.5 } },
  });
});

test('verify cuts into as many shards as replicas, at least two', async () => {
  const shards = async (...args: string[]) => (await verify(REPORT, args)).request?.shards;
  expect(await shards()).toBe(2);
  expect(await shards('--workers', '1')).toBe(2);
  expect(await shards('--workers', '3')).toBe(3);
  expect(await shards('--workers', '2', '--shards', '4')).toBe(4);
});
