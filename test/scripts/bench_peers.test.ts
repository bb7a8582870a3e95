/** Owns: the arithmetic, the records and the page of scripts/bench_peers, and how it takes programs that die; no benchmark runs. */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { chooseEntries, interleave, median, nextBest, summarize } from '../../scripts/bench_peers/choose.mjs';
import type { BenchSample } from '../../scripts/bench_peers/choose.mjs';
import { entriesOf, targetOf, TASKS } from '../../scripts/bench_peers/plan.mjs';
import { processorTicks, shareOfOthers } from '../../scripts/bench_peers/processor_time.mjs';
import { runEntry } from '../../scripts/bench_peers/programs.mjs';
import { readRecords, recordKey, recordsText, withRecord } from '../../scripts/bench_peers/records.mjs';
import { BEGIN, END, insertReport, recordsMarkdown, reportMarkdown } from '../../scripts/bench_peers/table.mjs';
import type { PeerReport } from '../../scripts/bench_peers/table.mjs';
import { refusalOfRecord } from '../../scripts/measured.mjs';
import { folderOfTests } from '../support/temporary_folder.js';

function sample(system: string, label: string, round: number, value?: number): BenchSample {
  return { entry: { task: 'cnn_fp32', system, label }, round, ...(value === undefined ? { error: 'exit 1' } : { value }) };
}

describe('the ratios that are wanted', () => {
  it('are those that were set for a processor of its kind', () => {
    const [avx2, avx512, amx] = [['avx2'], ['avx2', 'avx512f'], ['avx2', 'avx512f', 'amx_bf16']];
    const wanted = (task: string, instructions: string[], heldTo: string | null = null): number | null =>
      targetOf(task, { instructions, heldTo });
    expect([avx2, avx512, amx].map((instructions) => wanted('cnn_fp32', instructions))).toEqual([1.25, 1.4, 1.4]);
    expect([avx2, avx512, amx].map((instructions) => wanted('cnn_bf16', instructions))).toEqual([null, 1.35, 1.6]);
    expect(wanted('cnn_fp32', amx, 'avx2')).toBe(1.25);
    expect(wanted('transformer', amx)).toBeNull();
  });
});

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

  it('gives the place of one that fails in the repeats to the next best of its system, and to nobody where there is none', () => {
    const trials = [
      sample('PyTorch', 'tuned', 0, 800),
      sample('PyTorch', 'compiled', 0, 700),
      sample('PyTorch', 'broken', 0),
      sample('MXNet', 'plain', 0, 900),
    ];
    const [tuned, compiled] = trials.map(({ entry }) => entry);
    expect(nextBest(trials, tuned, [tuned])).toBe(compiled);
    expect(nextBest(trials, tuned, [tuned, compiled])).toBeNull();
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
      missing: ['PyTorch'],
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
        id: 'cnn_fp32',
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

  it('has the peak memory of those who told it, the median over the repeats', () => {
    const [{ rows }] = summarize([
      ...[800, 900, 810].map((memoryMb, round) => ({ ...sample('tfjs-parallel', '1 × 2', round, 10), memoryMb })),
      sample('MXNet', '1 × 2', 0, 5),
    ]);
    expect(rows.map(({ memoryMb }) => memoryMb)).toEqual([810, undefined]);
    const text = reportMarkdown({ ...report, tasks: [{ ...report.tasks[0], rows }] });
    expect(text).toContain('| peak memory, MB |');
    expect(text).toContain('| tfjs-parallel | 1 × 2 | 10 | 10–10 | 3 | 810 |');
    expect(text).toContain('| MXNet | 1 × 2 | 5 | 5–5 | 1 | – |');
    expect(reportMarkdown(report)).not.toContain('peak memory');
  });

  it('says who is without a figure, beside the ratio that lacks it', () => {
    const [task] = report.tasks;
    expect(reportMarkdown({ ...report, tasks: [{ ...task, missing: ['MXNet'] }] })).toContain('Without a figure: MXNet;');
    expect(reportMarkdown(report)).not.toContain('Without a figure');
  });

  it('keeps one record for each processor and set of instructions, side by side', () => {
    const wide = report;
    const narrow = { ...report, machine: { ...report.machine, instructions: ['avx2', 'fma'] } };
    const held = { ...report, machine: { ...report.machine, heldTo: 'avx2' } };
    expect(new Set([wide, narrow, held].map(recordKey)).size).toBe(3);
    const again = { ...narrow, date: '2024-02-03' };
    const records = [wide, narrow, held].reduce(withRecord, [] as PeerReport[]);
    expect(withRecord(records, again)).toEqual([wide, again, held]);
    expect(readRecords(recordsText(records))).toEqual(records);
    expect(readRecords(null)).toEqual([]);
    expect(recordsMarkdown(records).match(/^## .*/gm)).toEqual([
      '## Beside peers: Example CPU, 2 cores, AVX-512',
      '## Beside peers: Example CPU, 2 cores, AVX2',
      '## Beside peers: Example CPU, 2 cores, AVX-512, held to AVX2',
    ]);
  });

  it('keeps the tasks that a later run left out, with the day they were measured', () => {
    const [task] = report.tasks;
    const part = { ...report, date: '2024-02-03', commit: 'def5678', tasks: [{ ...task, id: 'mlp_fp32', title: 'MLP' }] };
    const [record] = withRecord([report], part);
    expect(record.tasks.map(({ id, earlier }) => [id, earlier?.date])).toEqual([
      ['mlp_fp32', undefined],
      ['cnn_fp32', '2024-01-02'],
    ]);
    expect(withRecord([record], { ...part, date: '2024-03-04' })[0].tasks[1].earlier?.date).toBe('2024-01-02');
    expect(reportMarkdown(record)).toContain('Measured 2024-01-02 at commit abc1234.');
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

describe('a loaded machine', () => {
  it('gets no record: the load is named, and what to do', () => {
    expect(refusalOfRecord({ loadBefore: 0.5 })).toBeNull();
    expect(refusalOfRecord({ loadBefore: 0.61 })).toMatch(
      /^load average 0\.61 before .* not written\nnext: End them, .* --no-record /,
    );
    expect(refusalOfRecord({ loadBefore: 0.1, othersShare: 0.05 })).toBeNull();
    expect(refusalOfRecord({ loadBefore: 0.1, othersShare: 0.21 })).toMatch(/^other programs took 21 % .*\nnext: /);
  });

  it('is told by the ticks of others: of 1,000 on all cores 600 are busy, 450 of these ours', () => {
    const at = (busy: number, idle: number, ours: number) =>
      processorTicks((path) =>
        path === '/proc/stat'
          ? `cpu  ${busy} 0 0 ${idle} 0 0 0 0 0 0\ncpu0 1 2\n`
          : `7 (node (x) y) S 1 7 7 0 -1 4194560 9 9 0 0 ${ours} 0 0 0 20 0 11\n`,
      );
    expect(shareOfOthers(at(1000, 5000, 100), at(1600, 5400, 550))).toBeCloseTo(0.15, 12);
    expect(shareOfOthers(at(1000, 5000, 100), at(1000, 5400, 100))).toBe(0);
    expect(shareOfOthers(null, at(1, 1, 1))).toBeNull();
  });
});

describe('peers that die', () => {
  const peers = folderOfTests();
  const entry = { program: 'torch', args: [], env: {} };
  const where = () => ({ peers, threads: 1 });
  const program = (text: string) => {
    const file = join(peers, 'torch/bin/python');
    writeFileSync(file, `#!/bin/sh\n${text}\n`);
    chmodSync(file, 0o755);
  };
  beforeAll(() => {
    mkdirSync(join(peers, 'torch/bin'), { recursive: true });
  });

  it('are missing, killed with a child that keeps the output open, or without a figure: an error each, and the next one runs', async () => {
    expect(await runEntry(entry, where())).toEqual({ error: 'not installed: run scripts/peers/setup.sh', isMissing: true });
    program('sleep 3600 &\nkill -9 $$');
    expect((await runEntry(entry, where())).error).toMatch(/^SIGKILL: /);
    program('echo \'{"images_per_s": null}\'');
    expect((await runEntry(entry, where())).error).toMatch(/^exit 0: /);
    program('echo starting; echo \'{"images_per_s": 12.5}\'');
    expect((await runEntry(entry, where())).line).toEqual({ images_per_s: 12.5 });
  });
});

it('every task has programs of ours and of a peer, each under a name of its own', () => {
  for (const task of TASKS) {
    const entries = entriesOf(task, { threads: 2, anyVendorMkl: null });
    expect(new Set(entries.map(({ system }) => system)).size, task.id).toBeGreaterThan(1);
    expect(entries.map(({ system }) => system)).toContain('tfjs-parallel');
    expect(new Set(entries.map(({ system, label }) => `${system} ${label}`)).size).toBe(entries.length);
  }
});
