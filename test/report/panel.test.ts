import { afterEach, expect, test, vi } from 'vitest';
import type { StepEvent } from '../../src/common/run_events.js';
import { rowsOf } from '../../src/report/live_line.js';
import { ReplicaLines } from '../../src/report/replica_lines.js';
import { curveLine } from '../../src/report/run_text.js';
import { sparkline } from '../../src/report/sparkline.js';
import { createWaitingLine, waitingText } from '../../src/report/waiting_line.js';
import { sampleStep } from '../support/run_events_sample.js';

afterEach(() => void vi.useRealTimers());

test('a curve in a line goes from its lowest to its highest value, and leaves out what is not finite', () => {
  expect(sparkline([0, 1, 2, 3, 4, 5, 6, 7], 8)).toBe('▁▂▃▄▅▆▇█');
  expect(sparkline([0, 1, 2, 3, 4, 5, 6, 7], 2)).toBe('▁█');
  expect(sparkline([3, 3], 5)).toBe('▁▁');
  expect(sparkline([1, Number.NaN, 2], 5)).toBe('▁ █');
  expect([sparkline([], 5), sparkline([1], 0)]).toEqual(['', '']);
});

test('the monitored value is drawn from the second epoch on, with its best, never wider than there is room', () => {
  const max = { name: 'val_acc', direction: 'max' } as const;
  const history = [0.5, 0.9, 0.8].map((value, index) => ({ epoch: index + 1, value }));
  expect(curveLine(max, history.slice(0, 1), { columns: 80 })).toBeNull();
  expect(curveLine(max, history, { columns: 80 })).toBe('val_acc ▁█▆ 80.00 %  best 90.00 % at epoch 2');
  expect(curveLine({ name: 'val_loss', direction: 'min' }, history, { columns: 80 })).toBe(
    'val_loss ▁█▆ 0.8000  best 0.5000 at epoch 1',
  );
  const long = Array.from({ length: 200 }, (_, index) => ({ epoch: index + 1, value: index / 200 }));
  expect(curveLine(max, history, { columns: 39 })).toBe('val_acc ▁█▆ 80.00 %  best 90.00 %');
  for (let columns = 0; columns < 120; columns++) expect(curveLine(max, long, { columns })?.length).toBeLessThanOrEqual(columns);
});

test('what is waited for is told with a sign of life, and after a second with the time', () => {
  expect(waitingText({ what: 'loading data mnist', ms: 240, columns: 80 })).toBe('⠹ loading data mnist');
  expect(waitingText({ what: 'loading data mnist', ms: 12_000, columns: 80 })).toBe('⠋ loading data mnist  12s');
  expect(waitingText({ what: 'loading data mnist', ms: 12_000, columns: 9 })).toBe('⠋ loading');
});

test('a waiting line is drawn again and again, with each new word anew, until it ends', () => {
  vi.useFakeTimers();
  const drawn: string[] = [];
  let nowMs = 0;
  const live = {
    draw: (text: () => string) => void drawn.push(text()),
    clear: () => void drawn.push('cleared'),
    close: () => undefined,
  };
  const line = createWaitingLine({ live, now: () => nowMs, columns: () => 80 });
  line.wait('starting');
  nowMs = 120;
  vi.advanceTimersByTime(120);
  line.wait('loading data');
  line.end();
  line.end();
  vi.advanceTimersByTime(1000);
  expect(drawn).toEqual(['⠋ starting', '⠙ starting', '⠋ loading data', 'cleared']);
});

test('a download is a bar with its share, and one wait however often it is told', () => {
  const text = waitingText({ what: 'fetching x', done: 0.455, ms: 2000, columns: 80 });
  expect(text).toBe('⠦ ━━━━━━━━━─────────── 45 %  fetching x  2s');
  for (let columns = 0; columns < 60; columns++)
    expect(waitingText({ what: 'fetching x', done: 1, ms: 0, columns }).length).toBeLessThanOrEqual(columns);
});

const stepOf = (replicaTimes: StepEvent['replicaTimes'], step = 1): StepEvent => ({
  ...sampleStep({ epoch: 1, stepInEpoch: 1 }),
  step,
  phasesMs: { data: 0, compute: 60, wait: 20, reduce: 10, apply: 10, publish: 0 },
  replicaTimes,
});

test('each replica has a line with what it computes, exchanges and waits, lost ones included', () => {
  const lines = new ReplicaLines(['cpu(0)', 'b:cpu(0)']);
  expect(lines.lines({ columns: 80 })).toEqual([
    'cpu(0)    waiting for its first shard',
    'b:cpu(0)  waiting for its first shard',
  ]);
  lines.took(
    stepOf([
      { replica: 'cpu(0)', computeMs: 60, startMs: 0, endMs: 60 },
      { replica: 'b:cpu(0)', computeMs: 40, startMs: 0, endMs: 80 },
    ]),
  );
  const full = [
    'cpu(0)    computing  60 %  exchanging   0 %  waiting  40 %',
    'b:cpu(0)  computing  40 %  exchanging  40 %  waiting  20 %',
  ];
  expect(lines.lines({ columns: 80 })).toEqual(full);
  // As wide as a terminal of 42 columns leaves; below that they are cut.
  const short = ['cpu(0)    comp  60%  exch   0%  wait  40%', 'b:cpu(0)  comp  40%  exch  40%  wait  20%'];
  expect(lines.lines({ columns: 41 })).toEqual(short);
  expect(lines.lines({ columns: 20 })).toEqual(short.map((line) => line.slice(0, 20)));
  lines.took(stepOf([{ replica: 'cpu(0)', computeMs: 60, startMs: 0, endMs: 60 }], 2));
  lines.heard({ type: 'worker_lost', worker: 'b', detail: '' });
  expect(lines.lines({ columns: 80 })[1]).toBe('b:cpu(0)  lost');
  lines.heard({ type: 'worker_leave', worker: 'b', detail: '' });
  expect(lines.lines({ columns: 80 }).length).toBe(1);
});

test('beyond eight replicas each machine has a line, and beyond eight machines the rest is counted', () => {
  const times = (machines: number) =>
    Array.from({ length: 3 * machines }, (_, at) => ({
      replica: `m${at % machines}:cpu(${at})`,
      computeMs: 50,
      startMs: 0,
      endMs: 50,
    }));
  const few = new ReplicaLines([]);
  few.took(stepOf(times(4)));
  expect(few.lines({ columns: 80 })).toEqual(
    [0, 1, 2, 3].map((at) => `m${at}  3 replicas  computing  50 %  exchanging   0 %  waiting  50 %`),
  );
  const many = new ReplicaLines([]);
  many.took(stepOf(times(20)));
  expect(many.lines({ columns: 80 }).length).toBe(8);
  expect(many.lines({ columns: 80 })[7]).toBe('and 13 more');
});

test('after the terminal became narrower all rows that the panel takes are removed, and no other', () => {
  expect(rowsOf(['a'.repeat(79), 'b'.repeat(10)], 80)).toBe(2);
  expect(rowsOf(['a'.repeat(79), 'b'.repeat(10)], 40)).toBe(3);
  expect(rowsOf(['', 'b'.repeat(40)], 20)).toBe(3);
});
