import { afterEach, expect, test, vi } from 'vitest';
import { curveLine } from '../../src/report/run_text.js';
import { sparkline } from '../../src/report/sparkline.js';
import { createWaitingLine, waitingText } from '../../src/report/waiting_line.js';

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
