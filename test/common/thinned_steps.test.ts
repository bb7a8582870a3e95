import { expect, it } from 'vitest';
import { isStepKept } from '../../src/common/thinned_steps.js';
import { RunStory } from '../../src/report/files/run_story.js';
import type { RunRecord } from '../../src/common/run_record.js';

const kept = (step: number, stepInEpoch = 1, stepsPerEpoch = 10 ** 9): boolean =>
  isStepKept({ step, stepInEpoch, stepsPerEpoch });

it('keeps all of the first 10,000 steps, then every second, fourth, eighth …, and the last of each epoch', () => {
  const found = (from: number, upTo: number): number =>
    Array.from({ length: upTo - from }, (_, i) => from + 1 + i).filter((step) => kept(step)).length;
  expect([found(0, 10_000), found(10_000, 20_000), found(20_000, 40_000), found(40_000, 80_000)]).toEqual([
    10_000, 5000, 5000, 5000,
  ]);
  // 10,000 + 6 × 5,000 up to 640,000, and a 128th of the 360,000 after it.
  expect(found(0, 1_000_000)).toBe(10_000 + 6 * 5000 + 2812);
  expect([kept(10_001), kept(10_001, 7, 7)]).toEqual([false, true]);
});

it('leaves the curves of a report as they are with all steps', () => {
  const [all, thinned] = [new RunStory(), new RunStory()];
  for (let step = 1; step <= 50_000; step++) {
    const [epoch, inEpoch] = [Math.ceil(step / 777), ((step - 1) % 777) + 1];
    const record = {
      v: 2,
      type: 'step',
      step,
      epoch,
      step_in_epoch: inEpoch,
      steps_per_epoch: 777,
      loss: 1 / step,
      learning_rate: 0.1 / epoch,
    };
    all.add(record as unknown as RunRecord);
    if (isStepKept({ step, stepInEpoch: inEpoch, stepsPerEpoch: 777 })) thinned.add(record as unknown as RunRecord);
    if (inEpoch < 777) continue;
    const end = { v: 2, type: 'epoch', epoch, loss: 1, seconds: 1, images_per_s: 1 } as unknown as RunRecord;
    all.add(end);
    thinned.add(end);
  }
  expect(thinned.points).toEqual(all.points);
  expect(thinned.epochs.map(({ learningRate }) => learningRate)).toEqual(all.epochs.map(({ learningRate }) => learningRate));
  expect(all.points.length).toBeGreaterThan(500);
});
