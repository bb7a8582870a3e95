import { describe, expect, it } from 'vitest';
import { DataError, UsageError } from '../../src/common/errors.js';
import { errorInOptions, inOptions } from '../../src/api/option_words.js';

describe('to callers of the library', () => {
  it.each([
    ['give --batch 4 or more, or --shards 2 or fewer', 'give batch: 4 or more, or shards: 2 or fewer'],
    ['--train-limit is 9, digits has 5 train examples', 'trainLimit is 9, digits has 5 train examples'],
    ['train on the CPU with --gpus none --workers 2', "train on the CPU with gpus: 'none' workers: 2"],
    [
      'give indices (--gpus 0,1), a range (--gpus 0-3), all or none',
      "give indices (gpus: '0,1'), a range (gpus: '0-3'), all or none",
    ],
    ['use --run-dir on another disk and a smaller --keep', 'use runDir on another disk and a smaller keep'],
    ['Choose --loss mean_squared_error.', "Choose loss: 'mean_squared_error'."],
    ['for example --set optimizer.momentum=0.9', 'for example optimizer: { momentum: 0.9 }'],
    ['(--set optimizer.schedule.milestones=[60,90])', '(optimizer: { schedule: { milestones: [60,90] } })'],
    ['train longer (--epochs), or change --lr', 'train longer (epochs), or change learningRate'],
    ['Add --data-dir FOLDER.', 'Add dataDir: FOLDER.'],
    ['try --no-compile', 'try compile: false'],
    ['continue it with --resume runs/a', 'continue it with --resume runs/a (on the command line)'],
    ['no flag in here', 'no flag in here'],
    [
      'name it with --loss b=mean_squared_error; else --loss-weights b=0 besides',
      "name it with loss: { b: 'mean_squared_error' }; else lossWeights: { b: 0 } besides",
    ],
    [
      'Say with --inputs user=COLUMN,the-item=COLUMN what each takes, a name once for each of its columns; t.csv has a.',
      "Say with inputs: { user: COLUMN, 'the-item': COLUMN } what each takes, a list where it has several; t.csv has a.",
    ],
  ])('"%s" is said in options', (flags, options) => expect(inOptions(flags)).toBe(options));

  it('where the model is compiled, the loss is said in names that compile takes', () => {
    const advice = 'Choose --loss sigmoid_cross_entropy for labels of 0 and 1.';
    expect(inOptions(advice, { compiled: true })).toMatch(
      /^Choose loss: 'sigmoid_cross_entropy' for labels of 0 and 1 \(the loss is that of model\.compile\(…\): 'binaryCrossentropy' for yes and no, .*\)\.$/,
    );
    expect(inOptions('give --loss-weights 1,2', { compiled: true })).not.toContain('compile');
  });

  it('errors keep class, code and cause; what is no error of ours stays as it is', () => {
    const cause = new Error('why');
    const error = new DataError({ code: 'DATA_LIMIT', message: '--train-limit is 9', next: 'Give --train-limit 5.', cause });
    expect(errorInOptions(error)).toBe(error);
    expect(error).toMatchObject({
      code: 'DATA_LIMIT',
      message: 'trainLimit is 9',
      next: 'Give trainLimit: 5.',
      exitCode: 4,
      cause,
    });
    expect(error).toBeInstanceOf(DataError);
    expect(errorInOptions(cause)).toBe(cause);
    expect(errorInOptions(7)).toBe(7);
    expect(errorInOptions(new UsageError({ code: 'A', message: 'm', next: 'n' }))).toBeInstanceOf(UsageError);
  });
});

it('a path ends where the sentence goes on', () => {
  const said = (text: string): string => inOptions(text, { offered: ['init-from'] });
  expect(said('or start with --init-from runs/a-1.0.')).toBe("or start with initFrom: 'runs/a-1.0'.");
  expect(said('with --init-from /r/a: of epoch 3')).toBe("with initFrom: '/r/a': of epoch 3");
  expect(said('(--init-from ./r/a.b)')).toBe("(initFrom: './r/a.b')");
  expect(said('--init-from r/checkpoints/... if there is one')).toBe("initFrom: 'r/checkpoints/...' if there is one");
});

it('fit() can resume, and says so in its option; other calls send to the command line', () => {
  const text = 'Train on with --resume runs/model-001, or choose another --run-dir.';
  expect(inOptions(text, { offered: ['resume'] })).toBe("Train on with resume: 'runs/model-001', or choose another runDir.");
  const command = 'runs/a has no model yet; tfjs-parallel train --resume runs/a goes on; or --init-from runs/b';
  expect(inOptions(command, { offered: ['resume', 'init-from'] })).toBe(
    "runs/a has no model yet; train({ resume: 'runs/a' }) goes on; or initFrom: 'runs/b'",
  );
  expect(inOptions(text)).toBe('Train on with --resume runs/model-001, or choose another runDir. (on the command line)');
});
