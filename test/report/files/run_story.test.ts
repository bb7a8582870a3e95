import { describe, expect, it } from 'vitest';
import { runRecord } from '../../../src/common/run_record.js';
import type { RunRecord } from '../../../src/common/run_record.js';
import type { RunEvent } from '../../../src/common/run_events.js';
import { resultsCsv } from '../../../src/report/files/results_csv.js';
import { RunStory } from '../../../src/report/files/run_story.js';
import { SAMPLE_START, sampleEnd, sampleEpoch, sampleStep } from '../../support/run_events_sample.js';

const RUN: RunEvent[] = [
  SAMPLE_START,
  ...[1, 2, 3].map((stepInEpoch) => sampleStep({ epoch: 1, stepInEpoch })),
  sampleEpoch({ epoch: 1, valAcc: 0.75, saved: false }),
  ...[1, 2, 3].map((stepInEpoch) => sampleStep({ epoch: 2, stepInEpoch })),
  sampleEpoch({ epoch: 2, valAcc: 0.5, saved: true }),
  sampleEnd(),
];

function storyOf(events: readonly RunEvent[]): RunStory {
  const story = new RunStory();
  for (const event of events) story.add(runRecord(event));
  return story;
}

const CSV = `epoch,loss,acc,val_loss,val_acc,learning_rate,images_per_s,seconds,saved,data_ms,compute_ms,wait_ms,reduce_ms,apply_ms,publish_ms
1,0.25,0.9499,0.125,0.75,0.1,60,10,false,1,2,3,4,5,6
2,0.25,0.9499,0.125,0.5,0.1,60,10,true,1,2,3,4,5,6
`;

describe('results.csv', () => {
  it('has a row an epoch and every column from the first line on', () => {
    expect(resultsCsv(storyOf(RUN))).toBe(CSV);
  });

  it('is the same where a resumed run tells what is known already once more', () => {
    expect(resultsCsv(storyOf([...RUN.slice(0, 8), ...RUN.slice(5)]))).toBe(CSV);
  });

  it('leaves a cell empty where a value is not finite, and quotes a metric of any name', () => {
    const values = { loss: Number.NaN, 'a,"b"': 2, val_loss: Number.POSITIVE_INFINITY };
    const story = storyOf([SAMPLE_START, { ...sampleEpoch({ epoch: 1, valAcc: 0, saved: false }), values }]);
    expect(resultsCsv(story)).toBe(
      'epoch,loss,"a,""b""",val_loss,learning_rate,images_per_s,seconds,saved\n1,,2,,,60,10,false\n',
    );
  });
});

describe('a story', () => {
  it('knows the best epoch by the monitored value and its direction, the first of equals', () => {
    expect(storyOf(RUN).best?.epoch).toBe(1);
    const monitor = { name: 'val_loss', direction: 'min' } as const;
    const start = { ...SAMPLE_START, objective: { ...SAMPLE_START.objective, monitor } };
    expect(storyOf([start, ...RUN.slice(1)]).best?.epoch).toBe(1);
    expect(storyOf([SAMPLE_START]).best).toBeNull();
  });

  it('keeps at most a thousand points of a long run, evenly', () => {
    const story = new RunStory();
    for (let step = 1; step <= 10_000; step++) {
      const record = {
        v: 2,
        type: 'step',
        epoch: 1,
        step,
        step_in_epoch: step,
        steps_per_epoch: 10_000,
        loss: step,
        learning_rate: 0.1,
      };
      story.add(record as RunRecord);
    }
    const losses = story.points.map(({ loss }) => Number(loss));
    expect(losses.length).toBeGreaterThan(500);
    expect(losses.length).toBeLessThanOrEqual(1000);
    expect(new Set(losses.slice(1).map((loss, index) => loss - losses[index]))).toEqual(new Set([16]));
  });
});
