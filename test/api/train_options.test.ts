import { expect, test } from 'vitest';
import { UsageError } from '../../src/common/errors.js';
import { configOf, type TrainOptions } from '../../src/api/train_options.js';

const BASE: TrainOptions = { model: 'gluon_cnn', data: 'synthetic' };

/** As a caller writes them who has no types. */
function said(options: Record<string, unknown>): string {
  try {
    configOf(Object.assign({ ...BASE }, options));
  } catch (error) {
    if (error instanceof UsageError) return `${error.code}: ${error.message}\n${error.next}`;
    throw error;
  }
  return 'no error';
}

test('an option of another name is told by what other tools call it', () => {
  expect(said({ batchSize: 32 })).toMatch(/^OPTION_UNKNOWN: train\(\) has no option batchSize, did you mean batch\?\n/);
  expect(said({ learning_rte: 1 })).toContain('no option learning_rte, did you mean learningRate?');
  expect(said({ lr: 1 })).toContain('no option lr, did you mean learningRate?');
  expect(said({ epoch: 1 })).toContain('no option epoch, did you mean epochs?');
  expect(said({ momentum: 0.9 })).toContain('no option momentum, did you mean optimizer: { momentum }?');
  expect(said({ warmupEpochs: 2 })).toContain('did you mean optimizer: { schedule: { warmupEpochs } }?');
  expect(said({ optimizer: { momentm: 0.9 } })).toContain('no option optimizer.momentm, did you mean optimizer.momentum?');
  expect(said({ callbacks: { onEpoch: 1 } })).toContain('no option callbacks.onEpoch, did you mean callbacks.onEpochEnd?');
  expect(said({ reporter: 'json' })).toMatch(/^OPTION_UNKNOWN: train\(\) has no option reporter\n/);
  expect(said({ xyzzy: 1 })).toMatch(/^OPTION_UNKNOWN: train\(\) has no option xyzzy\nleave it out; it knows .*dataDir/);
});

test('what train() has otherwise is told', () => {
  expect(said({ validationSplit: 0.1 })).toBe(
    'OPTION_UNKNOWN: train() has no option validationSplit\n' +
      'leave it out: the data says what is validated: a module or arrays with train and validation sets',
  );
  expect(said({ optimizer: 'adam' })).toContain(`OPTION_INVALID: optimizer must be an object: { name: 'adam' }, found "adam"`);
  expect(said({ optimizer: 7 })).toMatch(/OPTION_INVALID: optimizer must be a mapping with a name, .*found 7/);
});

test('settings keep their names and their checks', () => {
  expect(
    configOf({ ...BASE, learningRate: 0.5, optimizer: { name: 'adam', schedule: { name: 'cosine' } }, maxSteps: 3 }),
  ).toMatchObject({
    maxSteps: 3,
    optimizer: { name: 'adam', learningRate: 0.5, schedule: { name: 'cosine', warmupEpochs: 0 } },
  });
  expect(said({ maxSteps: 0 })).toContain('OPTION_INVALID: maxSteps must be a whole number of at least 1, found 0');
  expect(said({ optimizer: { schedule: { warmupEpochs: -1 } } })).toContain(
    'optimizer.schedule.warmupEpochs must be a number, at least 0',
  );
});

test('a wrong entry of a mapping is told by its place in it', () => {
  expect(said({ inputs: { user: 3 } })).toBe(
    'OPTION_INVALID: inputs.user must be the name of a column or array, or a list of them, found 3\n' +
      "for example inputs: { user: ['age', 'income'], item: 'price' }",
  );
  expect(said({ inputs: { user: ['age', null] } })).toContain('inputs.user must be the name of a column or array, or a list');
  expect(said({ inputs: { user: '' } })).toContain(
    'inputs.user must be the name of a column or array, or a list of them, found ""',
  );
  expect(said({ inputs: {} })).toContain("inputs must be a mapping by the model's names, or a list of names, found {}");
  expect(said({ labels: ['y', 3] })).toContain('labels[1] must be a name, found 3');
  expect(said({ loss: { y: ['mse', 'mae'] } })).toContain('loss.y must be the name of a loss, found ["mse","mae"]');
  expect(said({ metrics: { y: 3 } })).toContain('metrics.y must be the name of a metric, or a list of them, found 3');
  expect(said({ inputs: { user: ['age', 'income'], item: 'price' }, metrics: { y: 'mae' } })).toBe('no error');
});
