import { expect, test } from 'vitest';
import { createJsonReporter } from '../../src/report/json.js';
import { createTextReporter } from '../../src/report/text.js';
import { contextLine, endLines, epochLines, headerLines, progressLine } from '../../src/report/run_text.js';
import { duration, valuesApart } from '../../src/report/value_text.js';
import type { RunEvent } from '../../src/common/run_events.js';
import { captureStream } from '../support/capture_stream.js';
import { SAMPLE_START, sampleEnd, sampleEpoch, sampleStep } from '../support/run_events_sample.js';

const RUN: RunEvent[] = [
  SAMPLE_START,
  sampleStep({ epoch: 1, stepInEpoch: 1 }),
  sampleStep({ epoch: 1, stepInEpoch: 2 }),
  sampleStep({ epoch: 1, stepInEpoch: 3 }),
  sampleEpoch({ epoch: 1, valAcc: 0.9753, saved: false }),
  sampleStep({ epoch: 2, stepInEpoch: 1 }),
  {
    type: 'state',
    epoch: 2,
    step: 4,
    path: 'runs/mnist-001/state/x.safetensors',
    bytes: 25_000,
    snapshotMs: 0.42,
    ms: 12.3,
  },
  { type: 'warn', code: 'DISK_FULL', message: 'the state was not written' },
  { type: 'worker_lost', worker: 'host-b:gpu(0)', detail: 'host-b:gpu(0) lost while idle: silent for 10 s; 1 replica now' },
  sampleEpoch({ epoch: 2, valAcc: 0.995, saved: true }),
  sampleEnd(),
];

function reportText(
  events: readonly RunEvent[],
  { verbose = false, now = () => 0 }: { verbose?: boolean; now?: () => number } = {},
) {
  const [out, err] = [captureStream(), captureStream()];
  const observe = createTextReporter({ out, err, live: null, now, verbose });
  events.forEach(observe);
  return { out: out.text(), err: err.text() };
}

test('standard output carries the lines of the reference report and nothing else', () => {
  expect(reportText(RUN).out).toBe(
    'context: [cpu(0), cpu(1)]\n' +
      'epoch  1: \t 94.99% - train set accuracy\n' +
      '\t\t 97.53% - validation set accuracy\n' +
      'epoch  2: \t 94.99% - train set accuracy\n' +
      '\t\t 99.50% - validation set accuracy\n' +
      'saved epoch 2\n',
  );
});

test('everything else is on standard error, plain where it is no terminal', () => {
  expect(reportText(RUN).err).toMatchInlineSnapshot(`
    "tfjs-parallel 0.1.0 · Node 22.21.0 · TensorFlow 2.21.0 · tfjs 4.22.0
      devices  cpu(0) · cpu(1) · Some CPU · 1 thread each · fp32 compiled
      data     MNIST · 600 train · 100 validation · sha256 0123456789ab
      model    gluon_cnn · 1,085,002 trained parameters
      plan     batch 200 = 100 + 100 · 3 steps/epoch · 2 epochs · sgd 0.1 · all-reduce exact, 4.34 MB/step/replica
      norm     batch norm over each shard of 100, not over the batch of 200 as model.fit on one device: that is --shards 1
      judged   softmax_cross_entropy · acc · best is the largest val_acc
      run      runs/mnist-001
    epoch 1: loss 0.2500 · val_loss 0.1250
    warning DISK_FULL: the state was not written
    host-b:gpu(0) lost while idle: silent for 10 s; 1 replica now
    epoch 2: loss 0.2500 · val_loss 0.1250
    done: 2 epochs, 6 steps · best validation accuracy 99.50 % at epoch 2
    weights_sha256 abababababababababababababababababababababababababababababababab
    "
  `);
  expect(reportText(RUN, { verbose: true }).err).toContain(
    'state runs/mnist-001/state/x.safetensors at epoch 2, step 4, in 12 ms, training stood still for 0.4 ms\n',
  );
});

test('percentages are as wide as the report’s, at both ends', () => {
  const [train] = epochLines({
    ...sampleEpoch({ epoch: 120, valAcc: 0, saved: false }),
    values: { loss: 0, acc: 1, val_loss: 0, val_acc: 0 },
  });
  expect(train).toBe('epoch 120: \t 100.00% - train set accuracy');
  expect(epochLines(sampleEpoch({ epoch: 1, valAcc: 0.098, saved: false }))[1]).toBe('\t\t  9.80% - validation set accuracy');
});

test('without a terminal a long epoch says every 30 s that it lives, or every --log-every steps', () => {
  let minutes = 0;
  const steps = [1, 2, 3].map((stepInEpoch) => sampleStep({ epoch: 1, stepInEpoch }));
  const slow = reportText([SAMPLE_START, ...steps], { now: () => 60_000 * minutes++ });
  expect(slow.err.split('\n').filter((line) => line.startsWith('epoch 1/2'))).toHaveLength(3);
  const every2 = { ...SAMPLE_START, config: { ...SAMPLE_START.config, logEvery: 2 } };
  const lines = reportText([every2, ...steps]).err.split('\n');
  expect(lines.filter((line) => line.startsWith('epoch 1/2'))).toEqual([
    'epoch 1/2 · step 2/3 · loss 1.2500 · acc 50.0 % · 1,234 img/s · eta 0s',
  ]);
});

test('the time left counts this epoch’s pace and the last epoch’s whole time', () => {
  // Steps end at 0 s, 2 s, 4 s; the first epoch takes 10 s with its evaluation; then the second at the same pace.
  let nowMs = 0;
  const start = { ...SAMPLE_START, config: { ...SAMPLE_START.config, logEvery: 1 } };
  const [out, err] = [captureStream(), captureStream()];
  const observe = createTextReporter({ out, err, live: null, now: () => nowMs, verbose: false });
  observe(start);
  for (const [epoch, stepInEpoch, atMs] of [
    [1, 1, 0],
    [1, 2, 2_000],
    [1, 3, 4_000],
  ]) {
    nowMs = atMs;
    observe(sampleStep({ epoch, stepInEpoch }));
  }
  observe(sampleEpoch({ epoch: 1, valAcc: 0.5, saved: false }));
  nowMs = 10_000;
  observe(sampleStep({ epoch: 2, stepInEpoch: 1 }));
  nowMs = 12_000;
  observe(sampleStep({ epoch: 2, stepInEpoch: 2 }));
  // Step 2 of epoch 1: 2 s for the step left and 3 × 2 s for epoch 2; step 3: 6 s; epoch 2, step 2: 2 s.
  const etas = err.text().match(/eta \S+/g);
  expect(etas).toEqual(['eta 8s', 'eta 6s', 'eta 2s']);
});

test('a run resumed in mid-epoch counts the pace from the first step it sees', () => {
  let nowMs = 0;
  const err = captureStream();
  const observe = createTextReporter({ out: captureStream(), err, live: null, now: () => nowMs, verbose: false });
  observe({ ...SAMPLE_START, config: { ...SAMPLE_START.config, logEvery: 1 } });
  observe(sampleStep({ epoch: 2, stepInEpoch: 2 }));
  nowMs = 3_000;
  observe({ ...sampleStep({ epoch: 2, stepInEpoch: 3 }), stepsPerEpoch: 5 });
  expect(err.text().match(/eta \S+/g)).toEqual(['eta 6s']);
});

test('the header says what runs where', () => {
  expect(headerLines(SAMPLE_START).join('\n')).toMatchInlineSnapshot(`
    "tfjs-parallel 0.1.0 · Node 22.21.0 · TensorFlow 2.21.0 · tfjs 4.22.0
      devices  cpu(0) · cpu(1) · Some CPU · 1 thread each · fp32 compiled
      data     MNIST · 600 train · 100 validation · sha256 0123456789ab
      model    gluon_cnn · 1,085,002 trained parameters
      plan     batch 200 = 100 + 100 · 3 steps/epoch · 2 epochs · sgd 0.1 · all-reduce exact, 4.34 MB/step/replica
      norm     batch norm over each shard of 100, not over the batch of 200 as model.fit on one device: that is --shards 1
      judged   softmax_cross_entropy · acc · best is the largest val_acc
      run      runs/mnist-001"
  `);
  const plan = { ...SAMPLE_START.plan, shards: 9, shardSizes: [23, 23, 22, 22, 22, 22, 22, 22, 22], firstEpoch: 2, epochs: 4 };
  const replicas = Array.from({ length: 9 }, (_, index) => `gpu(${index})`);
  const { optimizer } = SAMPLE_START.config;
  const schedule = { ...optimizer.schedule, name: 'step' as const, milestones: [60, 90], warmupEpochs: 1 };
  const config = { ...SAMPLE_START.config, optimizer: { ...optimizer, momentum: 0.9, nesterov: true, schedule } };
  expect(headerLines({ ...SAMPLE_START, plan, replicas, config }).join('\n')).toMatchInlineSnapshot(`
    "tfjs-parallel 0.1.0 · Node 22.21.0 · TensorFlow 2.21.0 · tfjs 4.22.0
      devices  gpu(0) … gpu(8) · 9 replicas · Some CPU · 1 thread each · fp32 compiled
      data     MNIST · 600 train · 100 validation · sha256 0123456789ab
      model    gluon_cnn · 1,085,002 trained parameters
      plan     batch 200 = 2 × 23 + 7 × 22 · 3 steps/epoch · epochs 2 to 4 · sgd 0.1, nesterov 0.9, × 0.1 at epochs 60, 90, warm-up 1 epoch · all-reduce exact, 4.34 MB/step/replica
      norm     batch norm over each shard of 23, not over the batch of 200 as model.fit on one device: that is --shards 1
      judged   softmax_cross_entropy · acc · best is the largest val_acc
      run      runs/mnist-001"
  `);
  expect(contextLine({ ...SAMPLE_START, replicas: ['gpu(0)'] })).toBe('context: [gpu(0)]');
});

test('the progress line gives up its end before it breaks', () => {
  const progress = { step: { ...sampleStep({ epoch: 1, stepInEpoch: 2 }) }, epochs: 130, etaS: 626 };
  const lines = [100, 70, 60, 50, 40, 30, 20, 5, 0].map((columns) => progressLine(progress, { columns }));
  expect(lines).toMatchInlineSnapshot(`
    [
      "epoch   1/130 ━━━━━━━━━━━━━─────── 2/3  loss 1.2500  acc 50.0 %  1,234 img/s  eta 10m 26s",
      "epoch   1/130 ━━━━━━━━━───── 2/3  loss 1.2500  acc 50.0 %  1,234 img/s",
      "epoch   1/130 ━━━━━━━━━━━────── 2/3  loss 1.2500  acc 50.0 %",
      "epoch   1/130 ━━━━╸── 2/3  loss 1.2500  acc 50.0 %",
      "epoch   1/130 ━━━━━━─── 2/3  loss 1.2500",
      "epoch   1/130 ━━━━━━━━──── 2/3",
      "epoch   1/130  2/3",
      "epoch",
      "",
    ]
  `);
  for (const [index, columns] of [100, 70, 60, 50, 40, 30, 20, 5, 0].entries())
    expect(lines[index].length).toBeLessThanOrEqual(columns);
});

test('durations are told in two units', () => {
  expect([0, 59.6, 61, 3599, 7322, 172_800, 180_000].map(duration)).toEqual([
    '0s',
    '1m 0s',
    '1m 1s',
    '59m 59s',
    '2h 2m',
    '2d 0h',
    '2d 2h',
  ]);
});

test('an interrupted run says how far it came', () => {
  expect(endLines(sampleEnd({ reason: 'interrupted', best: null, epochs: 1, steps: 4 }))).toEqual([
    'interrupted after 1 epoch, 4 steps',
    `weights_sha256 ${'ab'.repeat(32)}`,
  ]);
});

test('a run resumed after its last epoch has none to come', () => {
  const plan = { ...SAMPLE_START.plan, firstEpoch: 3, epochs: 2 };
  expect(headerLines({ ...SAMPLE_START, plan })[4]).toContain(' · 2 epochs, all done · ');
});

test('on a terminal the live line is cleared before anything is written, and colored only where there are colors', () => {
  const calls: string[] = [];
  const live = {
    draw: (text: () => string) => void calls.push(`draw ${text()}`),
    clear: () => void calls.push('clear'),
    close: () => undefined,
  };
  const write = (name: string) => (text: string) => calls.push(`${name} ${text.split('\n')[0]}`);
  const terminal = (colors: boolean) => ({ write: write('err'), isTTY: true, columns: 60, hasColors: () => colors });
  const observe = createTextReporter({ out: { write: write('out') }, err: terminal(false), live, now: () => 0, verbose: false });
  [SAMPLE_START, sampleStep({ epoch: 1, stepInEpoch: 1 }), sampleEpoch({ epoch: 1, valAcc: 0.5, saved: false })].forEach(observe);
  expect(calls).toMatchInlineSnapshot(`
    [
      "clear",
      "err tfjs-parallel 0.1.0 · Node 22.21.0 · TensorFlow 2.21.0 · tfjs 4.22.0",
      "clear",
      "out context: [cpu(0), cpu(1)]",
      "draw epoch 1/2 ━━───── 1/3  loss 1.2500  acc 50.0 %  1,234 img/s",
      "clear",
      "out epoch  1: 	 94.99% - train set accuracy",
      "clear",
      "err epoch 1: loss 0.2500 · val_loss 0.1250",
    ]
  `);
  calls.length = 0;
  createTextReporter({ out: { write: write('out') }, err: terminal(true), live, now: () => 0, verbose: false })(SAMPLE_START);
  expect(calls[1]).toContain('\u001b[1m');
});

test('JSON lines: one record each, steps only as often as asked, warnings on standard error too', () => {
  const report = (logEvery: number | null) => {
    const [out, err] = [captureStream(), captureStream()];
    const events = RUN.map((event) => (event.type === 'start' ? { ...event, config: { ...event.config, logEvery } } : event));
    events.forEach(createJsonReporter({ out, err }));
    const records = out
      .text()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string; step?: number });
    return { types: records.map(({ type, step }) => (type === 'step' ? `step ${step}` : type)), err: err.text() };
  };
  expect(report(null).types).toEqual(['start', 'epoch', 'state', 'warn', 'worker_lost', 'epoch', 'end']);
  expect(report(2).types).toEqual(['start', 'step 2', 'epoch', 'step 4', 'state', 'warn', 'worker_lost', 'epoch', 'end']);
  expect(report(null).err).toBe('warning DISK_FULL: the state was not written\n');
});

test.each([
  [0.9931, 0.99, '99.31 %', '99.00 %'],
  [0.5097, 0.50966, '50.970 %', '50.966 %'],
  [0.99, 0.98999999, '99.000000 %', '98.999999 %'],
  [0.5, 0.5, '50.00 %', '50.00 %'],
  // One unit in the last place of a double.
  [0.5, 0.5 + 2 ** -53, '50.00000000000000 %', '50.00000000000001 %'],
  [0.97, Number.NaN, '97.00 %', 'NaN %'],
])('compared, %d and %d are shown as %s and %s', (a, b, first, second) =>
  expect(valuesApart('val_acc', a, b)).toEqual([first, second]),
);

test('a line tells what was chosen for speed: oneDNN where TensorFlow alone would leave it off, memory kept', () => {
  const lines = (numerics: object, more: object = {}) =>
    headerLines({ ...SAMPLE_START, numerics: { ...SAMPLE_START.numerics, ...numerics }, ...more });
  const wanted = '  speed    oneDNN on (TF_ENABLE_ONEDNN_OPTS=0 leaves it off)';
  const kept = 'freed memory kept (MALLOC_TRIM_THRESHOLD_=131072 gives it back)';
  expect(lines({ oneDnn: 'on', instructionSet: 'x64 avx2+fma' }, { memoryKept: true })[2]).toBe(`${wanted}, ${kept}`);
  expect(lines({ oneDnn: 'off', instructionSet: 'x64 avx2+fma' }, { memoryKept: true })[2]).toBe(`  speed    ${kept}`);
  expect(lines({ oneDnn: 'on', instructionSet: 'x64 avx2+fma' })[2]).toBe(wanted);
  for (const own of [
    { oneDnn: 'off', instructionSet: 'x64 avx2+fma' },
    { oneDnn: 'on', instructionSet: 'x64 avx2+fma+avx512f+avx512_vnni' },
    { oneDnn: 'on', instructionSet: 'x64 avx2+fma', device: 'GPU' },
    { oneDnn: 'on', instructionSet: 'arm64 asimd' },
  ])
    expect(lines(own)).not.toContain(wanted);
});
