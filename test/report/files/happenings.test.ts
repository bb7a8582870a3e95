/**
 * Owns: what a run's log tells of before: words, and where in the run they belong, so that a dashboard that was started again marks joins and losses where
 * they were.
 */
import { expect, it } from 'vitest';
import { happeningsOf } from '../../../src/report/files/happenings.js';

const line = (second: number, entry: object): string =>
  JSON.stringify({ time: new Date(Date.UTC(2026, 10, 28, 12, 0, second)).toISOString(), ...entry });
const start = (second: number, stepsPerEpoch: number | null): string =>
  line(second, { type: 'start', replicas: ['a'], plan: { stepsPerEpoch } });
const state = (second: number, step: number): string => line(second, { type: 'state', epoch: 1, step });
const join = (second: number): string => line(second, { type: 'worker_join', detail: 'b joined' });
const loss = (second: number): string => line(second, { type: 'worker_lost', detail: 'b lost' });

const told = (...lines: string[]) => happeningsOf(lines.join('\n')).map(({ type, at }) => [type, at]);

it('stands between the states before and after it, by the times of all three', () => {
  // 100 steps an epoch: step 0 at second 0, 50 at second 10, 250 at second 20.
  expect(told(start(0, 100), join(5), state(10, 50), loss(15), state(20, 250))).toEqual([
    ['start', 0],
    ['worker_join', 0.25],
    ['worker_lost', 1.5],
  ]);
});

it('after the last state stands there, also before another start, which goes on from there', () => {
  expect(told(start(0, 100), state(10, 50), loss(15), start(100, 100), join(110), state(120, 150), loss(130))).toEqual([
    ['start', 0],
    ['worker_lost', 0.5],
    ['start', 0.5],
    ['worker_join', 1],
    ['worker_lost', 1.5],
  ]);
});

it('stands nowhere before the first start, and where nobody knows how long an epoch is', () => {
  expect(told(join(0), start(1, null), join(2), state(3, 50), loss(4))).toEqual([
    ['worker_join', null],
    ['start', null],
    ['worker_join', null],
    ['worker_lost', null],
  ]);
});

it('of lines that are cut short or of no use nothing is told, and times that are none stop nothing', () => {
  const strange = JSON.stringify({ time: 'noon', type: 'worker_join', detail: 'b joined' });
  expect(told('7', start(0, 100), strange, state(10, 50), '{"type":"worker_lo')).toEqual([
    ['start', 0],
    ['worker_join', 0],
  ]);
});
