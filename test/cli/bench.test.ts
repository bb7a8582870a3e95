import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { BenchReport, BenchRequest } from '../../src/api/bench.js';
import { benchCommand } from '../../src/cli/commands/bench.js';
import type { CommandContext } from '../../src/cli/context.js';
import { createProgram } from '../../src/cli/program.js';
import { captureStream } from '../support/capture_stream.js';

const REPORT: BenchReport = {
  versions: { tfjsParallel: '0.1.0', tensorflow: '2.21.0', tfjs: '4.22.0', node: '22.21.0' },
  model: 'gluon_cnn',
  trainedParameters: 1_085_002,
  replicas: 2,
  shards: 4,
  threadsPerWorker: 1,
  precision: 'fp32',
  execution: 'compiled',
  batch: 200,
  steps: 50,
  stepsInOneCall: 1,
  imagesPerS: 1234.5,
  stepMs: { p50: 162.01, p95: 170 },
  cpuMs: { min: 300, p50: 310.5 },
  phasesMs: { data: 0.1, compute: 150, wait: 2, exchange: 9.9 },
  exchangeMs: { p50: 9.9, p95: 12 },
  firstStepS: 3.21,
  peakMemoryMb: 900.4,
  memory: { valuesMb: 4.34, versions: 2, gradientMb: 4.34, gradients: 3, heldMb: 8.7 },
  change: 'Computing is 92.6 % of a step (150.0 of 162.0 ms): give --threads-per-worker 2.',
};

async function bench(args: readonly string[]) {
  const stdout = captureStream();
  let request: BenchRequest | null = null;
  const context: CommandContext = {
    environment: {},
    stdout: stdout as unknown as NodeJS.WriteStream,
    stderr: captureStream() as unknown as NodeJS.WriteStream,
    warn: () => undefined,
    watchStop: () => Promise.reject(new Error('not asked for')),
    finish: () => undefined,
  };
  const command = benchCommand(context, async () => async (asked) => ((request = asked), REPORT));
  await createProgram(context, [command]).parseAsync(['bench', ...args], { from: 'user' });
  return { request: request as BenchRequest | null, out: stdout.text() };
}

test('bench measures the reference run unless told otherwise', async () => {
  const { request, out } = await bench(['--workers', '2']);
  expect(request).toMatchObject({
    ...{ model: 'gluon_cnn', inputShape: [28, 28, 1], classes: 10, batch: 200, steps: 50, warmupSteps: 5 },
    ...{ choice: { kind: 'cpu', replicas: 2 }, threadsPerWorker: null, shards: null, precision: 'fp32', compile: true },
  });
  expect(out).toMatchInlineSnapshot(`
    "model        gluon_cnn, 1,085,002 trained parameters
    devices      2 replicas × 1 thread, batch 200 in 4 shards, fp32 compiled
    rate         1,235 images/s over 50 steps
    step         162.01 ms median, 170.00 ms 95th percentile
    processor    310.50 ms a step median, 300.00 ms least, all threads together
    phases       data 0.10 ms, compute 150.00 ms, wait 2.00 ms, exchange 9.90 ms
    exchange     9.90 ms median, 12.00 ms 95th percentile
    first step   3.2 s after the start of the process
    peak memory  900 MB
    a replica    2 × 4.3 MB of weights and slots, at most 3 × 4.3 MB of gradients, beside activations; 8.7 MB held between steps
    versions     tfjs-parallel 0.1.0, Node 22.21.0, TensorFlow 2.21.0, tfjs 4.22.0
    change       Computing is 92.6 % of a step (150.0 of 162.0 ms): give --threads-per-worker 2.
    "
  `);
});

test('bench takes any model and any input, and answers in JSON', async () => {
  const { request, out } = await bench(
    '--model m.mjs --input-shape 32,32,3 --classes 7 --steps 1 --warmup-steps 1 --reporter json'.split(' '),
  );
  expect(request).toMatchObject({ model: 'm.mjs', inputShape: [32, 32, 3], classes: 7, steps: 1, warmupSteps: 1 });
  expect(JSON.parse(out)).toMatchObject({
    v: 1,
    type: 'bench',
    images_per_s: 1234.5,
    step_ms: { p50: 162.01 },
    cpu_ms: { min: 300 },
  });
});

test.each([
  [['--steps', '0'], '--steps must be a whole number of at least 1, found "0"'],
  [['--warmup-steps', '0'], '--warmup-steps must be a whole number of at least 1, found "0"'],
  [['--classes', '1'], '--classes must be a whole number of at least 2, found "1"'],
  [['--input-shape', '28,,1'], expect.stringContaining('the sizes of one example') as string],
  [['--input-shape', '99999,99999,99'], expect.stringContaining('at most 268,435,456 values in all') as string],
])('bench refuses %j', async (args, message) => {
  await expect(bench(args)).rejects.toMatchObject({ code: 'VALUE_INVALID', message });
});

test('docs/seeing.md says of each line what it means', async () => {
  const { out } = await bench([]);
  const [, section] = /## What `bench` says\n(.*?)\n## /s.exec(readFileSync('docs/seeing.md', 'utf8')) ?? [];
  const lines = out.trim().split('\n');
  expect(lines.length).toBeGreaterThan(5);
  const names = lines.map((line) => line.slice(0, 12).trim());
  expect([...(section ?? '').matchAll(/^\| `([a-z ]+)` \|/gm)].map(([, name]) => name)).toEqual(names);
});
