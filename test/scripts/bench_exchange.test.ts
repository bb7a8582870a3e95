/** Owns: the arithmetic and the page of scripts/bench_exchange.mjs, and the part of a page that is replaced. Measures nothing. */
import { describe, expect, it } from 'vitest';
import type { ExchangeReport, ExchangeSample } from '../../scripts/bench_exchange/report.mjs';
import { exchangeMarkdown, MARKS, percentile, summarizeExchange, verdicts } from '../../scripts/bench_exchange/report.mjs';
import { replacePart } from '../../scripts/page_part.mjs';

/** Steps of `ms` each: 3/4 out and back, 1/4 update. */
function sample(ms: number, raw: number, gloo: number | null, longestTurn = 5): ExchangeSample {
  return {
    workers: 2,
    elements: 1_085_002,
    ours: { step: [ms], round: [(ms * 3) / 4], update: [ms / 4], longestTurn, repeated: 1 },
    raw: [raw],
    gloo: gloo === null ? null : { p50: gloo, p95: gloo },
  };
}

function reportOf(samples: ExchangeSample[]): ExchangeReport {
  return {
    ...{ date: '2024-01-02', commit: 'abc1234', command: 'npm run bench:exchange', repeats: 3, steps: 60, warmup: 10 },
    machine: { processor: 'Example CPU', cores: 2, memoryGb: 8, loadBefore: 0.1 },
    versions: { Node: '20.0.0' },
    rows: summarizeExchange(samples),
    skipped: ['gloo: not installed'],
  };
}

describe('summing up the exchange', () => {
  it('takes percentiles by nearest rank: of 1 to 20 p50 is 10 and p95 is 19; of one value that value', () => {
    const values = Array.from({ length: 20 }, (_, index) => 20 - index);
    expect(percentile(values, 50)).toBe(10);
    expect(percentile(values, 95)).toBe(19);
    expect(percentile([7], 95)).toBe(7);
  });

  it('takes medians over the repeats, ratios within each, the longest turn of all and the sum of repeated shards', () => {
    const [row] = summarizeExchange([sample(8, 2, 4), sample(12, 4, 4, 60), sample(10, 4, 5)]);
    expect(row).toMatchObject({ repeats: 3, p50: 10, p95: 10, round: 7.5, update: 2.5, longestTurn: 60, repeated: 3 });
    expect(row.ofRaw).toEqual({ ofMedians: 2.5, min: 2.5, max: 4 });
    expect(row.ofGloo).toEqual({ ofMedians: 2.5, min: 2, max: 3 });
    // 2 workers × 2 ways × 4 bytes × 1,085,002 in 10 ms.
    expect(row.megabytesPerSecond).toBeCloseTo(1736.0032, 9);
  });

  it('makes a row for each number of workers and weights', () => {
    const rows = summarizeExchange([sample(8, 2, 4), { ...sample(9, 2, 4), workers: 4 }, { ...sample(10, 2, 4), elements: 7 }]);
    expect(rows.map(({ workers, elements, p50 }) => [workers, elements, p50])).toEqual([
      [2, 1_085_002, 8],
      [4, 1_085_002, 9],
      [2, 7, 10],
    ]);
  });

  it('has no ratio to gloo where gloo never ran, and counts only the repeats where it did', () => {
    expect(summarizeExchange([sample(8, 2, null)])[0]).toMatchObject({ gloo: null, ofGloo: null });
    expect(summarizeExchange([sample(8, 2, null), sample(12, 2, 4)])[0].ofGloo).toEqual({ ofMedians: 3, min: 3, max: 3 });
  });

  it('judges both halves of the target, at their edges too, and only where they were measured', () => {
    const judged = (...samples: ExchangeSample[]): string => verdicts(summarizeExchange(samples)).join('\n');
    expect(judged(sample(8, 2, 4, 50))).toMatch(/\*\*2\.00\*\*.*at most 2: met[^]*\*\*50\.0 ms\*\*.*: met/);
    expect(judged(sample(8.01, 2, 4, 50.01))).toMatch(/at most 2: missed[^]*at most 50 ms: missed/);
    expect(judged({ ...sample(8, 2, 4), workers: 4 })).not.toContain('gloo');
    expect(judged()).toBe('');
  });
});

describe('the page of the exchange', () => {
  it('has a row per case, what was repeated and what was left out', () => {
    const text = exchangeMarkdown(reportOf([sample(8, 2, 4)]));
    expect(text).toContain(
      '| 1,085,002 | 2 | 8.00 | 8.00 | 6.00 | 2.00 | 2,170 | 2.00 | 4.00 (4.00–4.00) | 4.00 | 2.00 (2.00–2.00) | 5.00 |',
    );
    expect(text).toContain('1,085,002 weights, 2 workers: 1 shards were repeated for speed.');
    expect(text).toContain('* Left out: gloo: not installed');
    expect(exchangeMarkdown(reportOf([sample(8, 2, null)]))).toContain('| – | – | 5.00 |');
  });

  it('says so when the machine was not quiet, and only then', () => {
    const quiet = reportOf([sample(8, 2, 4)]);
    expect(exchangeMarkdown(quiet)).not.toContain('not quiet');
    expect(exchangeMarkdown({ ...quiet, machine: { ...quiet.machine, loadBefore: 0.51 } })).toContain('not quiet');
  });

  it('replaces its own part and leaves what is before, after and between other marks alone', () => {
    const other = { begin: '<!-- a -->', end: '<!-- b -->' };
    const page = replacePart(replacePart('# Benchmarks\n', other, 'peers\n'), MARKS, 'one\n');
    expect(page).toBe(`# Benchmarks\n\n<!-- a -->\n\npeers\n\n<!-- b -->\n\n${MARKS.begin}\n\none\n\n${MARKS.end}\n`);
    expect(replacePart(page, MARKS, 'two\n')).toBe(page.replace('one', 'two'));
    expect(() => replacePart(`${MARKS.begin}\n`, MARKS, 'x')).toThrow('one of the two marks');
  });
});
