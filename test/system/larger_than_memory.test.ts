/**
 * Owns: data larger than memory: 4 GB of generated rows train in a process that a cgroup holds to 1.5 GB, each row in an epoch's own order; killed
 * in mid-epoch and resumed, to the weights of the run that nobody killed.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { writeFiles } from '../support/consumer_project.js';
import { memoryGroup } from '../support/memory_group.js';
import { startTrain, weightsSha256Of, type RealRun } from '../support/real_run.js';
import { folderOfTests } from '../support/temporary_folder.js';

/** Rows of 64 KiB: 65,536 of them are 4.29 GB. Every value that is hashed, read and trained on is written anew for each row that is asked for. */
const [WIDTH, ROWS, BATCH] = [16_384, 65_536, 512];
const STEPS = ROWS / BATCH;
const HELD_TO = 1.5e9;

const DATA = `
const WIDTH = ${WIDTH};
const drawn = Float32Array.from({ length: 2 * WIDTH }, (_, i) => Math.fround(Math.sin(i)));
const set = (count, first) => ({
  count,
  read(rows) {
    const x = new Float32Array(rows.length * WIDTH);
    const y = new Uint8Array(rows.length);
    rows.forEach((row, at) => {
      const from = ((first + row) * 7919) % WIDTH;
      x.set(drawn.subarray(from, from + WIDTH), at * WIDTH);
      y[at] = (first + row) % 3;
    });
    return { x, y };
  },
});
export default { inputShape: [WIDTH], classes: 3, train: set(${ROWS}, 0), validation: set(64, ${ROWS}) };\n`;
const MODEL = `export const createModel = (tf) =>
  tf.sequential({ layers: [tf.layers.dense({ units: 3, inputShape: [${WIDTH}], kernelInitializer: 'zeros' })] });\n`;

const folder = folderOfTests();
writeFiles(folder, { 'data.mjs': DATA, 'model.mjs': MODEL });
const run = (name: string): string => join(folder, name);

const SETTINGS = [
  ...['--model', join(folder, 'model.mjs'), '--data', join(folder, 'data.mjs'), '--batch', `${BATCH}`, '--epochs', '1'],
  ...['--gpus', 'none', '--shards', '2', '--workers', '1', '--threads-per-worker', '1', '--lr', '0.001'],
  ...['--state-every', '16 steps', '--run-dir', folder],
];

const unheld = ((): string | null => {
  try {
    memoryGroup('tfjs-parallel-try', HELD_TO).remove();
    return null;
  } catch (error) {
    return (error as Error).message;
  }
})();
if (unheld !== null) console.warn(`larger_than_memory.test.ts skipped: no memory cgroup can be made here: ${unheld}`);

function held(args: readonly string[]): RealRun & { readonly most: () => number; readonly endedForMemory: () => number } {
  const group = memoryGroup('tfjs-parallel-test', HELD_TO);
  const started = startTrain(args);
  group.hold(started.child.pid!);
  onTestFinished(async () => {
    started.kill('SIGKILL');
    await started.ended;
    group.remove();
  });
  return { ...started, most: group.most, endedForMemory: group.ended };
}

describe.skipIf(unheld !== null)('4 GB of rows in a process held to 1.5 GB', () => {
  it('train, a whole epoch in its drawn order', async () => {
    const whole = held([...SETTINGS, '--name', 'whole']);
    const { code, err } = await whole.ended;
    expect({ code, endedForMemory: whole.endedForMemory(), err: code === 0 ? '' : err }).toEqual({
      ...{ code: 0, endedForMemory: 0, err: '' },
    });
    console.log(`larger_than_memory.test.ts: at most ${Math.round(whole.most() / 1e6)} MB in use`);
    expect(whole.most()).toBeLessThanOrEqual(HELD_TO);
    expect(weightsSha256Of(run('whole'))).toMatch(/^[0-9a-f]{64}$/);
  });

  it('killed in mid-epoch and resumed they train to the same weights', async () => {
    const killed = held([...SETTINGS, '--name', 'killed']);
    await killed.seen(({ type, step }) => type === 'step' && Number(step) >= 40);
    expect(existsSync(run('killed/state'))).toBe(true);
    killed.kill('SIGKILL');
    expect(await killed.ended).toMatchObject({ signal: 'SIGKILL' });
    expect(readdirSync(run('killed/state'))).not.toEqual([]);
    expect(weightsSha256Of(run('killed'))).toBeUndefined();

    const resumed = held(['--resume', run('killed')]);
    const { code, out, err } = await resumed.ended;
    expect({ code, err: code === 0 ? '' : err }).toEqual({ code: 0, err: '' });
    const steps = [...out.matchAll(/"type":"step"[^\n]*?"step":(\d+)/g)].map(([, step]) => Number(step));
    // It began where a state was, inside the epoch.
    expect(Math.min(...steps)).toBeGreaterThan(16);
    expect(Math.max(...steps)).toBe(STEPS);
    expect(weightsSha256Of(run('killed'))).toBe(weightsSha256Of(run('whole')));
  });
});
