/** Owns: the arithmetic and the page of scripts/bench_peers, without running a program. */
import { describe, expect, it } from 'vitest';
import { chooseEntries, interleave, median, summarize } from '../../scripts/bench_peers/choose.mjs';
import type { BenchSample } from '../../scripts/bench_peers/choose.mjs';
import { BEGIN, END, insertReport, reportMarkdown } from '../../scripts/bench_peers/table.mjs';
import type { PeerReport } from '../../scripts/bench_peers/table.mjs';

function sample(system: string, label: string, round: number, value?: number): BenchSample {
  return { entry: { task: 'cnn_fp32', system, label }, round, ...(value === undefined ? { error: 'exit 1' } : { value }) };
}

describe('choosing configurations', () => {
  it('keeps the two fastest of each system, in plan order, and drops what failed', () => {
    const trials = [
      sample('PyTorch', 'plain', 0, 500),
      sample('PyTorch', 'tuned', 0, 800),
      sample('PyTorch', 'compiled', 0, 700),
      sample('PyTorch', 'broken', 0),
      sample('MXNet', 'plain', 0, 600),
    ];
    expect(chooseEntries(trials, 2).map(({ label }) => label)).toEqual(['tuned', 'compiled', 'plain']);
    expect(chooseEntries(trials, 1).map(({ system }) => system)).toEqual(['PyTorch', 'MXNet']);
    expect(chooseEntries([sample('PyTorch', 'broken', 0)], 2)).toEqual([]);
  });

  it('rotates the order by the round', () => {
    expect(interleave(['a', 'b', 'c'], 0)).toEqual(['a', 'b', 'c']);
    expect(interleave(['a', 'b', 'c'], 2)).toEqual(['c', 'a', 'b']);
    expect(interleave(['a', 'b', 'c'], 4)).toEqual(['b', 'c', 'a']);
    expect(interleave([], 3)).toEqual([]);
  });
});

describe('summing up', () => {
  it('takes medians: of 1, 2, 9 it is 2; of 1, 2, 4, 9 it is 3; of one value that value', () => {
    expect(median([9, 1, 2])).toBe(2);
    expect(median([9, 1, 4, 2])).toBe(3);
    expect(median([7])).toBe(7);
  });

  it('gives each system its best configuration and us the ratio to the best peer', () => {
    const [{ rows, ratio }] = summarize([
      ...[1000, 1100, 900].map((value, round) => sample('tfjs-parallel', '1 × 2', round, value)),
      ...[500, 400, 600].map((value, round) => sample('PyTorch', 'tuned', round, value)),
      ...[450, 450, 450].map((value, round) => sample('PyTorch', 'plain', round, value)),
      ...[800, 1000, 750].map((value, round) => sample('TensorFlow', 'tf.function', round, value)),
    ]);
    expect(rows).toEqual([
      { system: 'tfjs-parallel', label: '1 × 2', repeats: 3, median: 1000, min: 900, max: 1100 },
      { system: 'PyTorch', label: 'tuned', repeats: 3, median: 500, min: 400, max: 600 },
      { system: 'TensorFlow', label: 'tf.function', repeats: 3, median: 800, min: 750, max: 1000 },
    ]);
    expect(ratio).toEqual({ peer: 'TensorFlow', ofMedians: 1.25, min: 1.1, max: 1.25 });
  });

  it('states no ratio when we or all peers are missing, and no row for a system that never ran', () => {
    expect(summarize([sample('PyTorch', 'tuned', 0, 5)])[0].ratio).toBeNull();
    expect(summarize([sample('tfjs-parallel', '1 × 2', 0, 5), sample('PyTorch', 'tuned', 0)])[0]).toEqual({
      task: 'cnn_fp32',
      rows: [{ system: 'tfjs-parallel', label: '1 × 2', repeats: 1, median: 5, min: 5, max: 5 }],
      ratio: null,
    });
    expect(summarize([])).toEqual([]);
  });

  it('counts only the repeats that ran', () => {
    const [{ rows }] = summarize([sample('MXNet', 'a', 0, 10), sample('MXNet', 'a', 1), sample('MXNet', 'a', 2, 30)]);
    expect(rows[0]).toMatchObject({ repeats: 2, median: 20 });
  });
});

describe('the page', () => {
  const report: PeerReport = {
    date: '2024-01-02',
    commit: 'abc1234',
    command: 'node scripts/bench_peers/main.mjs',
    repeats: 5,
    machine: { processor: 'Example CPU', cores: 2, instructions: ['avx512f'], memoryGb: 8, loadBefore: 0.1 },
    versions: { Node: '20.0.0', PyTorch: '2.15.0' },
    tasks: [
      {
        title: 'Reference CNN, fp32, all cores',
        target: 1.25,
        rows: [{ system: 'PyTorch', label: 'tuned', repeats: 5, median: 1234.4, min: 1200, max: 1300.6 }],
        ratio: { peer: 'PyTorch', ofMedians: 1.249, min: 1.2, max: 1.3 },
      },
    ],
    limits: [{ what: 'gloo all-reduce', unit: 'ms', median: 5.321, min: 5, max: 123.4 }],
    failures: [{ task: 'cnn_bf16', system: 'MXNet', label: 'plain', reason: 'exit 1: no bf16' }],
  };

  it('has a row per system, its ratio, the limits and what did not run', () => {
    const text = reportMarkdown(report);
    expect(text).toContain('| PyTorch | tuned | 1,234 | 1,200–1,301 | 5 |');
    expect(text).toContain('**1.25** (1.20–1.30 within one repeat)');
    expect(text).toContain('| gloo all-reduce | 5.32 ms | 5.00–123 |');
    expect(text).toContain('* cnn_bf16, MXNet, plain: exit 1: no bf16');
    expect(text).toContain('Node 20.0.0, PyTorch 2.15.0');
  });

  it('says so when the machine was not quiet, and only then', () => {
    const busy = { ...report, machine: { ...report.machine, loadBefore: 0.51 } };
    expect(reportMarkdown(busy)).toContain('**The machine was not quiet');
    expect(reportMarkdown({ ...report, machine: { ...report.machine, loadBefore: 0.5 } })).not.toContain('not quiet');
  });

  it('calls 1.249 missed against 1.25 although it prints as 1.25', () => {
    expect(reportMarkdown(report)).toContain('target 1.25: missed');
  });

  it('replaces what is between the marks and leaves the rest alone', () => {
    const once = insertReport('# Benchmarks\n\nText.\n', 'one');
    expect(once).toBe(`# Benchmarks\n\nText.\n\n${BEGIN}\n\none\n${END}\n`);
    expect(insertReport(`${once}\nCluster.\n`, 'two')).toBe(`# Benchmarks\n\nText.\n\n${BEGIN}\n\ntwo\n${END}\n\nCluster.\n`);
    expect(() => insertReport(`${BEGIN}\n`, 'x')).toThrow('one of the two marks');
  });
});
