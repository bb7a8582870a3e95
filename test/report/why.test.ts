import { describe, expect, it } from 'vitest';
import type { RunRecord } from '../../src/common/run_record.js';
import { RunStory } from '../../src/report/files/run_story.js';
import { changeFor, whyLines, whyOf } from '../../src/report/why.js';

/** Epochs of two steps; each step takes the milliseconds of `phases`, each epoch `seconds`. */
function storyOf(
  phases: Record<string, number>,
  { epochs = 3, seconds = 0.2, replicas = {} as Record<string, number>, start = {} } = {},
): RunStory {
  const story = new RunStory();
  const names = Object.keys(replicas);
  const plan = { steps_per_epoch: 2, shards: Math.max(1, names.length), bytes_per_replica_step: 4_000_000 };
  story.add({ v: 2, type: 'start', replicas: names.length > 0 ? names : ['cpu(0)'], plan, ...start } as unknown as RunRecord);
  const times = Object.entries(replicas).map(([replica, ms]) => ({ replica, compute_ms: ms }));
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
      story.add({ v: 2, type: 'step', ...step, phases_ms: ms, replica_times: times } as unknown as RunRecord);
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
      'change: Computing is 80.0 % of a step (80.0 of 100.0 ms): with a second device a step takes 60.0 ms at best.',
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

  const [FP32, BF16] = ['x64 avx2+fma', 'x64 avx2+fma+avx512f+avx512_bf16'];
  const numerics = (instructions: string, changes = {}) => ({
    numerics: { precision: 'fp32', device: 'CPU', execution: 'compiled', instruction_set: instructions, ...changes },
  });

  it.each<[string, Record<string, number>, Parameters<typeof storyOf>[1], RegExp]>([
    [
      'two devices: four',
      { compute: 90, wait: 10 },
      { replicas: { 'cpu(0)': 90, 'cpu(1)': 88 } },
      /with 4 devices in place of 2 a step takes 55\.0 ms/,
    ],
    ['a processor with bf16', { compute: 90 }, { start: numerics(BF16) }, /^Computing is 100\.0 %.*--precision bf16/],
    [
      'one without',
      { compute: 90 },
      { start: numerics(FP32) },
      /^Computing is 100\.0 % of a step \(90\.0 of 90\.0 ms\): with a second device a step takes 45\.0 ms at best\.$/,
    ],
    ['bf16 already', { compute: 90 }, { start: numerics(BF16, { precision: 'bf16' }) }, /: with a second device/],
    ['a GPU', { compute: 90 }, { start: numerics(BF16, { device: 'GPU' }) }, /: with a second device/],
    ['no compilation', { compute: 90 }, { start: numerics(FP32, { execution: 'eager' }) }, /leave out --no-compile/],
    [
      'steps of a millisecond',
      { compute: 1 },
      { seconds: 0.002, start: numerics(FP32) },
      /mostly the way into TensorFlow and back: a larger --batch/,
    ],
    // The longest shard takes 25 ms, and each replica has two: what is told as waiting is computing.
    [
      'two shards for each replica',
      { compute: 25, wait: 27 },
      { replicas: { 'cpu(0)': 50, 'cpu(1)': 49 }, start: { plan: { shards: 4, steps_per_epoch: 2 } } },
      /^Computing is 96\.2 % of a step \(50\.0 of 52\.0 ms\)/,
    ],
    [
      'a slow device',
      { compute: 90, wait: 5 },
      { replicas: { 'cpu(0)': 90, 'cpu(1)': 30 } },
      /^Replicas are uneven: cpu\(0\) computes 90\.0 ms of a step and cpu\(1\) 30\.0, .*31\.6 % of a step \(30\.0 of 95\.0 ms\).*equal devices/,
    ],
    [
      'three shards on two replicas',
      { compute: 50, wait: 50 },
      { replicas: { 'cpu(0)': 100, 'cpu(1)': 50 }, start: { plan: { shards: 3, steps_per_epoch: 2 } } },
      /3 shards are not shared evenly by 2 replicas.*--shards 4/,
    ],
    [
      'the same of a small model',
      { compute: 20, wait: 80 },
      {
        replicas: { 'a:cpu(0)': 20, 'b:cpu(0)': 19 },
        start: { plan: { shards: 2, steps_per_epoch: 2, bytes_per_replica_step: 10_728 } },
      },
      / 11 kB to each replica/,
    ],
    [
      'a cluster whose network is slow',
      { compute: 20, wait: 80 },
      { replicas: { 'a:cpu(0)': 20, 'b:cpu(0)': 19 } },
      /^The way between the machines is 80\.0 % .* 4\.0 MB to each replica.*doctor --host/,
    ],
  ])('%s', (_, phases, how, change) => {
    expect(whyOf(storyOf(phases, { seconds: 0.2, ...how }))?.change).toMatch(change);
  });

  it('tells what each replica computed, and of those that are gone nothing', () => {
    const story = storyOf({ compute: 60, wait: 40 }, { replicas: { 'rack-2:cpu(0)': 60, 'b:cpu(0)': 55 } });
    expect(whyLines(whyOf(story)!)).toEqual([
      'a step took 100.00 ms, epochs 2 to 3',
      '  compute            60.00 ms  60.0 %',
      '  wait               40.00 ms  40.0 %',
      'of it each replica computed',
      '  rack-2:cpu(0)      60.00 ms  60.0 %',
      '  b:cpu(0)           55.00 ms  55.0 %',
      expect.stringMatching(/^evaluation/),
      expect.stringMatching(/^change: Computing/),
    ]);
    story.epochs[2] = { ...story.epochs[2], replicas: { 'b:cpu(0)': 65 } };
    expect(whyOf(story)?.replicas).toEqual([{ replica: 'b:cpu(0)', computeMs: 60 }]);
  });

  it('names XLA for dense models that are not compiled by it', () => {
    const facts = { replicas: 1, isCluster: false, device: 'CPU', bytes: 0, shards: 1, fasterByXla: true, threads: 2 };
    const where = { phasesMs: { compute: 1 }, stepMs: 1, outside: 0, replicas: [] };
    const change = (how: { precision: string; execution: string }, fasterByXla = true): string =>
      changeFor({ ...facts, instructionSet: FP32, ...how, fasterByXla }, where);
    expect(change({ precision: 'fp32', execution: 'compiled' })).toMatch(/bench --execution auto measures it/);
    expect(change({ precision: 'fp32', execution: 'compiled' }, false)).not.toMatch(/XLA/);
    expect(change({ precision: 'fp32', execution: 'xla' })).not.toMatch(/XLA/);
    expect(change({ precision: 'bf16', execution: 'compiled' })).not.toMatch(/XLA/);
    const faster = changeFor(
      { ...facts, threads: 2, instructionSet: BF16, precision: 'fp32', execution: 'compiled' },
      { ...where, stepMs: 9, phasesMs: { compute: 9 } },
    );
    expect(faster).toMatch(/--precision bf16/);
  });

  it('names as many threads as the model keeps busy, and says nothing of them where those are there', () => {
    const facts = { replicas: 1, isCluster: false, device: 'CPU', bytes: 0, shards: 1, precision: 'fp32', execution: 'xla' };
    const where = { phasesMs: { compute: 10 }, stepMs: 10, outside: 0, replicas: [] };
    const change = (threads: number, busyThreads: number): string =>
      changeFor({ ...facts, instructionSet: 'x64 avx2+fma', threads, busyThreads }, where);
    expect(change(2, 1)).toContain('too small for 2 threads a replica');
    expect(change(2, 1)).toMatch(/give --threads-per-worker 1\.$/);
    expect(change(1, 4)).toContain('on 1 of 4 cores: give --threads-per-worker 4.');
    expect(change(1, 1)).not.toContain('--threads-per-worker');
  });

  it('names one replica for short steps of several, where it takes many in one call', () => {
    const facts = { replicas: 2, isCluster: false, device: 'CPU', bytes: 0, shards: 4, precision: 'fp32', execution: 'compiled' };
    const change = (stepMs: number, joinsSteps?: boolean): string =>
      changeFor(
        { ...facts, instructionSet: 'x64 avx2+fma', ...(joinsSteps !== undefined && { joinsSteps }) },
        { phasesMs: { compute: stepMs / 2, wait: stepMs / 2 }, stepMs, outside: 0, replicas: [] },
      );
    expect(change(1.5, true)).toContain('--workers 1 --shards 4 gives the same bits');
    for (const other of [change(1.5, false), change(1.5), change(30, true)]) expect(other).not.toContain('--workers 1');
  });

  it('of a single epoch takes that one, and of none says nothing', () => {
    expect(whyOf(storyOf({ compute: 1 }, { epochs: 1 }))?.epochs).toEqual([1]);
    expect(whyOf(storyOf({ compute: 1 }, { epochs: 0 }))).toBeNull();
  });
});
