import { expect, it } from 'vitest';
import { DEFAULT_TRAIN_CONFIG } from '../../../../src/common/train_config.js';
import { fromFirstVersion } from '../../../../src/coordinator/storage/state/first_version.js';

const place = { step: 3, epoch: 2, stepInEpoch: 1, nextExample: 9 };
const counted = { ...place, epochLossSum: 1.5, epochCorrect: 7, epochExamples: 9, best: { epoch: 1, valAcc: 0.5 } };

it('progress of a classifier becomes totals of one metric, and its best a monitored value', () => {
  const { progress, objective } = fromFirstVersion(counted, { ...DEFAULT_TRAIN_CONFIG, loss: 'sigmoid_cross_entropy' });
  expect(progress).toEqual({
    ...place,
    totals: { examples: 9, loss: 1.5, metrics: [7] },
    best: { epoch: 1, monitor: 'val_acc', value: 0.5 },
  });
  expect(objective).toMatchObject({ loss: { name: 'sigmoid_cross_entropy' }, metrics: [{ name: 'acc', per: 1, value: 'mean' }] });
});

it('a regression had no metric, and no best', () => {
  const before = { ...counted, epochCorrect: 0, best: null };
  const { progress, objective } = fromFirstVersion(before, { ...DEFAULT_TRAIN_CONFIG, loss: 'mean_squared_error' });
  expect(progress).toEqual({ ...place, totals: { examples: 9, loss: 1.5, metrics: [] }, best: null });
  expect(objective).toMatchObject({ loss: { name: 'mean_squared_error' }, metrics: [] });
});
