/**
 * Owns: the event files of a run that was killed and resumed, read back by TensorBoard's own reader and by tbparse: one history.
 */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { trainUntil } from '../support/held_run.js';
import { recordsIn, TINY_RUN, train } from '../support/real_run.js';

const scratch = folderOfTests();

const python = join(scratch, 'venv/bin/python');
const runs = (command: string, args: readonly string[]): boolean => spawnSync(command, args, { stdio: 'ignore' }).status === 0;
const isInstalled =
  runs('python3', ['-m', 'venv', join(scratch, 'venv')]) &&
  runs(python, ['-m', 'pip', 'install', '--quiet', 'tensorboard==2.21.0', 'tbparse==0.0.9']);
if (!isInstalled) console.warn('tensorboard.test.ts skipped: pip cannot install tensorboard and tbparse here');

const READ = `
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
accumulator = EventAccumulator(sys.argv[1], size_guidance={'scalars': 0, 'histograms': 0})
accumulator.Reload()
told = {tag: [[event.step, event.value] for event in accumulator.Scalars(tag)] for tag in accumulator.Tags()['scalars']}
from tbparse import SummaryReader
frame = SummaryReader(sys.argv[1]).scalars
parsed = {tag: frame[frame.tag == tag][['step', 'value']].values.tolist() for tag in told}
def shape(value):
    return [value.num, value.min, value.max, sum(value.bucket), value.bucket_limit[-1]]
weights = {tag: [[event.step, *shape(event.histogram_value)] for event in accumulator.Histograms(tag)] for tag in accumulator.Tags()['histograms']}
nodes = [[node.op, len(node.input)] for node in accumulator.Graph().node]
print(json.dumps([told, parsed, weights, nodes]))
`;
import { folderOfTests } from '../support/temporary_folder.js';

type History = Record<string, [step: number, value: number][]>;

describe.skipIf(!isInstalled)('the event files of a run that was killed in its second epoch and resumed', () => {
  const folder = join(scratch, 'runs/killed');
  let [tensorboard, tbparse]: [History, History] = [{}, {}];
  let losses: [number, number][] = [];
  let weights: Record<string, [step: number, count: number, min: number, max: number, inBuckets: number, limit: number][]> = {};

  let nodes: [op: string, inputs: number][] = [];

  beforeAll(async () => {
    const run = await trainUntil(20, [
      ...TINY_RUN,
      '--report',
      'tensorboard',
      '--epochs',
      '4',
      '--histograms',
      '2',
      '--workers',
      '1',
      '--run-dir',
      join(scratch, 'runs'),
      '--name',
      'killed',
    ]);
    run.kill('SIGKILL');
    await run.ended;
    const { code, out, err } = await train(['--resume', folder, '--histograms', '2']);
    expect(code, err).toBe(0);
    losses = recordsIn(out).flatMap(({ type, step, loss }) =>
      type === 'step' ? [[Number(step), Math.fround(Number(loss))] as [number, number]] : [],
    );
    writeFileSync(join(scratch, 'read.py'), READ);
    const { stdout, stderr } = spawnSync(python, [join(scratch, 'read.py'), join(folder, 'tensorboard')], { encoding: 'utf8' });
    expect(stdout, stderr).not.toBe('');
    [tensorboard, tbparse, weights, nodes] = JSON.parse(stdout) as [History, History, typeof weights, typeof nodes];
  });

  it('are one history in TensorBoard: every step once, with the resumed run’s values', () => {
    expect(tensorboard['step/loss'].map(([step]) => step)).toEqual(Array.from({ length: 48 }, (_, index) => index + 1));
    expect(tensorboard['step/loss'].slice(-losses.length)).toEqual(losses);
    expect(tensorboard['epoch/val_acc'].map(([step]) => step)).toEqual([12, 24, 36, 48]);
  });

  it('tell how each weight is distributed, every second epoch', () => {
    const tags = Object.keys(weights);
    expect(tags.length).toBe(8);
    expect(tags.every((tag) => tag.startsWith('weights/'))).toBe(true);
    for (const tag of tags) {
      expect(weights[tag].map(([step]) => step)).toEqual([24, 48]);
      for (const [, count, min, max, inBuckets, limit] of weights[tag]) {
        expect([inBuckets, limit]).toEqual([count, max]);
        expect(min).toBeLessThanOrEqual(max);
      }
    }
  });

  it('hold the graph of the training step as TensorFlow recorded it, the backward pass included', () => {
    const ops = new Set(nodes.map(([op]) => op));
    expect([...ops]).toEqual(expect.arrayContaining(['Placeholder', 'Conv2D', 'Conv2DBackpropFilter', 'BatchMatMulV2']));
    expect(nodes.some(([, inputs]) => inputs > 0)).toBe(true);
  });

  // tbparse forgets nothing: the steps that were computed twice have the same value twice.
  it('hold equal values where tbparse, which keeps what was computed twice, reads a step again', () => {
    const values = new Map<number, Set<number>>();
    for (const [step, value] of tbparse['step/loss']) values.set(step, (values.get(step) ?? new Set()).add(value));
    expect([...values.keys()].length).toBe(48);
    expect([...values.values()].filter(({ size }) => size !== 1)).toEqual([]);
  });
});
