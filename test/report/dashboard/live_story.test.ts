import { describe, expect, it } from 'vitest';
import type { RunEvent } from '../../../src/common/run_events.js';
import { runRecord } from '../../../src/common/run_record.js';
import { LiveStory } from '../../../src/report/dashboard/live_story.js';
import type { PageMessage } from '../../../src/report/dashboard/messages.js';
import { Known } from '../../../src/report/dashboard/page/known.js';
import { SAMPLE_START, sampleEnd, sampleEpoch, sampleStep } from '../../support/run_events_sample.js';

const NOW = '2026-01-02T03:04:05.000Z';
const epochOf = (epoch: number): RunEvent[] => [
  ...[1, 2, 3].map((stepInEpoch) => sampleStep({ epoch, stepInEpoch })),
  sampleEpoch({ epoch, valAcc: epoch / 4, saved: epoch === 1 }),
];
/** As it arrives at a page. */
const sent = (message: PageMessage): PageMessage => JSON.parse(JSON.stringify(message)) as PageMessage;

describe('what a dashboard is told', () => {
  it('is the same for who was there from the start and for who comes late', () => {
    const story = new LiveStory('mnist-001');
    const early = new Known();
    early.take(sent(story.all()));
    const events: RunEvent[] = [
      SAMPLE_START,
      ...epochOf(1),
      { type: 'worker_lost', worker: 'w', detail: 'w is gone' },
      { type: 'state', epoch: 1, step: 3, path: 's', bytes: 1, snapshotMs: 1, ms: 12.4 },
      ...epochOf(2),
      sampleEnd(),
    ];
    for (const event of events) {
      story.add(runRecord(event), NOW);
      if (event.type === 'step' && event.step % 2 === 0) continue;
      early.take(sent(story.news() ?? {}));
    }
    const late = new Known();
    late.take(sent(story.all()));
    expect({ ...early }).toEqual({ ...late });
    expect(story.news()).toBeNull();
    expect(late.state).toBe('ended (done)');
    expect(late.best?.epoch).toBe(2);
    expect(late.points.map(({ at }) => at)).toEqual([0.333333, 0.666667, 1, 1.33333, 1.66667, 2]);
    expect(late.happened.map(({ kind, text }) => `${kind}: ${text}`)).toEqual([
      'plain: start on cpu(0), cpu(1)',
      'loss: w is gone',
      'saved: state saved at epoch 1, step 3, in 12 ms',
      'plain: end (done) after 2 epochs, 6 steps',
    ]);
  });

  it('goes on after a restart: what is on the disk once, what comes again not twice', () => {
    const before = [SAMPLE_START, ...epochOf(1)].map(runRecord);
    const story = new LiveStory('mnist-001');
    story.remember(before, [{ time: NOW, text: 'start on cpu(0)', type: 'start', at: 0.5 }]);
    for (const event of [SAMPLE_START, ...epochOf(1), ...epochOf(2)]) story.add(runRecord(event), NOW);
    const known = new Known();
    known.take(sent(story.all()));
    expect(known.epochs.map(({ epoch }) => epoch)).toEqual([1, 2]);
    expect(known.points.length).toBe(6);
    expect(known.happened[0]).toEqual({ time: NOW, text: 'start on cpu(0)', kind: 'plain', at: 0.5 });
  });

  it('compares the pace with N × one replica', () => {
    const story = new LiveStory('r');
    const step = {
      ...sampleStep({ epoch: 1, stepInEpoch: 1 }),
      imagesPerS: 100,
      phasesMs: { data: 1, compute: 6, wait: 1, reduce: 1, apply: 1, publish: 0 },
      replicaTimes: [
        { replica: 'a:cpu(0)', computeMs: 6, startMs: 1, endMs: 8, parameters: '0a0b0c0d' },
        { replica: 'b:cpu(0)', computeMs: 4, startMs: 1, endMs: 6 },
      ],
    };
    story.add(runRecord(step), NOW);
    const { points, step: timeline } = story.all();
    // One replica would compute for 10 ms where the step took 10: two that do nothing else, 200 examples a second.
    expect(points).toMatchObject([{ pace: 100, ideal: 200 }]);
    expect(timeline?.lanes).toEqual([
      { replica: 'a:cpu(0)', start: 1, end: 8, compute: 6, parameters: '0a0b0c0d' },
      { replica: 'b:cpu(0)', start: 1, end: 6, compute: 4, parameters: null },
    ]);
  });

  it('reads records of earlier versions, which have no times of a replica', () => {
    const story = new LiveStory('r');
    const record = runRecord(sampleStep({ epoch: 1, stepInEpoch: 1 }));
    story.add({ ...record, replica_times: [{ replica: 'cpu(0)', compute_ms: 2 }] }, NOW);
    expect(story.all().step?.lanes).toEqual([{ replica: 'cpu(0)', start: 1, end: 3, compute: 2, parameters: null }]);
  });

  it('stays small over a long run', () => {
    const story = new LiveStory('r');
    story.add(runRecord(SAMPLE_START), NOW);
    const [step, epoch] = [
      runRecord(sampleStep({ epoch: 1, stepInEpoch: 1 })),
      runRecord(sampleEpoch({ epoch: 1, valAcc: 0, saved: false })),
    ];
    story.add(runRecord({ type: 'worker_lost', worker: 'w', detail: 'w is gone' }), NOW);
    for (let at = 1; at <= 30_000; at++) {
      story.add({ ...step, step: at, epoch: at, loss: Math.random() }, NOW);
      story.add({ ...epoch, epoch: at, val_acc: Math.random() }, NOW);
      story.add(runRecord({ type: 'warn', code: 'X', message: 'something' }), NOW);
    }
    const { points, epochs, happened } = story.all();
    expect(points?.length).toBeLessThanOrEqual(1000);
    expect(epochs?.length).toBeLessThanOrEqual(1001);
    expect(epochs?.at(-1)?.epoch).toBe(30_000);
    expect(happened?.length).toBe(200);
    expect(happened?.some(({ kind }) => kind === 'loss')).toBe(true);
    expect(JSON.stringify(story.all()).length).toBeLessThan(400_000);
  });
});
