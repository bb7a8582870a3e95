import { expect, test } from 'vitest';
import { runRecord, runRecordLine } from '../../src/common/run_record.js';
import { toCamelCase, toSnakeCase } from '../../src/common/snake_case.js';
import { DEFAULT_TRAIN_CONFIG } from '../../src/common/train_config.js';

test('an epoch is one line with snake_case keys, version and type first', () => {
  const line = runRecordLine({
    type: 'epoch',
    epoch: 2,
    values: { loss: 0.25, acc: 0.5, val_loss: 0.125, val_acc: 0.75 },
    seconds: 8,
    imagesPerS: 7500,
    saved: true,
  });
  expect(line).toBe(
    '{"v":2,"type":"epoch","epoch":2,"loss":0.25,"acc":0.5,"val_loss":0.125,"val_acc":0.75,"seconds":8,"images_per_s":7500,"saved":true}\n',
  );
});

test('nested keys are renamed too, values and array items are not', () => {
  const record = runRecord({
    type: 'end',
    epochs: 3,
    steps: 12,
    best: { epoch: 2, monitor: 'val_loss', value: 0.75 },
    weightsSha256: 'aB',
    reason: 'max_steps',
  });
  expect(record).toEqual({
    v: 2,
    type: 'end',
    epochs: 3,
    steps: 12,
    best: { epoch: 2, monitor: 'val_loss', value: 0.75 },
    weights_sha256: 'aB',
    reason: 'max_steps',
  });
});

test('a loss that is not finite becomes null, so that the line stays JSON', () => {
  const line = runRecordLine({
    type: 'step',
    epoch: 1,
    step: 1,
    stepInEpoch: 1,
    stepsPerEpoch: 300,
    loss: Number.NaN,
    epochValues: { loss: Number.POSITIVE_INFINITY, mae: 0.5 },
    imagesPerS: 0,
    learningRate: 0.1,
    phasesMs: { data: 1, compute: 2, wait: 3, reduce: 4, apply: 5, publish: 6 },
    replicaTimes: [{ replica: 'Ada:gpu(0)', computeMs: 2, startMs: 1, endMs: 4 }],
  });
  expect(JSON.parse(line)).toMatchObject({ loss: null, epoch_loss: null, epoch_mae: 0.5, phases_ms: { data: 1, publish: 6 } });
});

test('every name of the configuration survives the way to snake_case and back', () => {
  const names = [...Object.keys(DEFAULT_TRAIN_CONFIG), ...Object.keys(DEFAULT_TRAIN_CONFIG.optimizer)];
  expect(names.map((name) => toCamelCase(toSnakeCase(name)))).toEqual(names);
  expect(toSnakeCase('learningRate')).toBe('learning_rate');
  expect(toSnakeCase('beta1')).toBe('beta1');
});
