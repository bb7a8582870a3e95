import { describe, expect, it } from 'vitest';
import type { RunRecord } from '../../src/common/run_record.js';
import { RunStory } from '../../src/report/files/run_story.js';
import { whyLines, whyOf } from '../../src/report/why.js';

/** Epochs of two steps; each step takes the milliseconds of `phases`, each epoch `seconds`. */
function storyOf(phases: Record<string, number>, { epochs = 3, seconds = 0.2 } = {}): RunStory {
  const story = new RunStory();
  story.add({ v: 2, type: 'start', replicas: ['cpu(0)'], plan: { steps_per_epoch: 2 } } as unknown as RunRecord);
  for (let epoch = 1; epoch <= epochs; epoch++) {
    for (const inEpoch of [1, 2]) {
      const step = {
        step: 2 * (epoch - 1) + inEpoch,
        epoch,
        step_in_epoch: inEpoch,
        steps_per_epoch: 2,
        loss: 1,
        learning_rate: 0.1,
      };
      // The first epoch's steps are ten times as long: the step is recorded in it.
      const ms = Object.fromEntries(Object.entries(phases).map(([name, value]) => [name, epoch === 1 ? 10 * value : value]));
      story.add({ v: 2, type: 'step', ...step, phases_ms: ms } as unknown as RunRecord);
    }
    story.add({ v: 2, type: 'epoch', epoch, loss: 1, seconds, images_per_s: 1, saved: false } as unknown as RunRecord);
  }
  return story;
}

describe('why a run is as fast as it is', () => {
  it('tells the mean of a step by phase, without the epoch in which it was recorded, and what to change', () => {
    const why = whyOf(storyOf({ data: 1, compute: 80, wait: 19 }));
    expect(why && whyLines(why)).toEqual([
      'a step took 100.00 ms, epochs 2 to 3',
      '  data           1.00 ms   1.0 %',
      '  compute       80.00 ms  80.0 %',
      '  wait          19.00 ms  19.0 %',
      "evaluation and saving: 0.0 % of an epoch's time",
      'change: Computing is 80.0 % of a step (80.0 of 100.0 ms): with a second device a step takes 60.0 ms at best; --precision bf16 helps on processors that have it.',
    ]);
  });

  it.each([
    [{ compute: 10, wait: 30 }, {}, /^Waiting for the last shard is 75\.0 %/],
    [{ data: 30, compute: 10 }, {}, /^Drawing the batch is 75\.0 %/],
    [{ apply: 30, compute: 10 }, {}, /most of it apply\) is 75\.0 %.*--batch/],
    [{ compute: 50 }, { seconds: 1 }, /^90\.0 % of an epoch's time is outside its steps/],
  ])('%o %o', (phases, epoch, change) => {
    expect(whyOf(storyOf(phases, { seconds: 0.08, ...epoch }))?.change).toMatch(change);
  });

  it('of a single epoch takes that one, and of none says nothing', () => {
    expect(whyOf(storyOf({ compute: 1 }, { epochs: 1 }))?.epochs).toEqual([1]);
    expect(whyOf(storyOf({ compute: 1 }, { epochs: 0 }))).toBeNull();
  });
});
