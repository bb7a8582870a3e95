/**
 * Owns: that each program in examples/ does what it says, run as its first lines tell, from an empty folder so that nothing stays behind.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { runCli } from '../support/built_cli.js';
import { temporaryFolder } from '../support/temporary_folder.js';

const EXAMPLES = fileURLToPath(new URL('../../examples', import.meta.url));

/** The command in the file's `Usage:` line. */
function usageOf(name: string): string {
  const usage = /^ \* Usage: (.+)$/m.exec(readFileSync(join(EXAMPLES, name), 'utf8'));
  if (usage === null) throw new Error(`examples/${name} does not say how it is used`);
  return usage[1];
}

/** A folder that holds nothing but `examples`. */
async function emptyFolder(): Promise<string> {
  const cwd = await temporaryFolder();
  symlinkSync(EXAMPLES, join(cwd, 'examples'));
  return cwd;
}

async function run(name: string): Promise<string> {
  expect(usageOf(name)).toBe(`node examples/${name}`);
  const { status, stdout, stderr } = spawnSync(process.execPath, [`examples/${name}`], {
    cwd: await emptyFolder(),
    encoding: 'utf8',
  });
  expect(status, stderr).toBe(0);
  return stdout;
}

/** `two replicas ab…` and `one replica ab…` name one hash. */
function expectEqualHashes(out: string): void {
  const [, two] = /^two replicas ([0-9a-f]{64})$/m.exec(out) ?? [];
  const [, one] = /^one replica {2}([0-9a-f]{64})$/m.exec(out) ?? [];
  expect(two).toBeDefined();
  expect(one).toBe(two);
}

it('regression_mlp.mjs learns the curve on two replicas, and one ends in the same weights', async () => {
  const out = await run('regression_mlp.mjs');
  expectEqualHashes(out);
  // The target's variance is about 0.6.
  expect(Number(/^validation loss ([\d.]+)$/m.exec(out)?.[1])).toBeLessThan(0.01);
  const [, predicted, wanted] = /^prediction at \(0\.5, 0\.5\): ([\d.]+), true ([\d.]+)$/m.exec(out) ?? [];
  expect(Math.abs(Number(predicted) - Number(wanted))).toBeLessThan(0.1);
});

it('small_resnet.mjs tells the shapes apart on two replicas, and one ends in the same weights', async () => {
  const out = await run('small_resnet.mjs');
  expectEqualHashes(out);
  const last = [...out.matchAll(/^epoch \d+: accuracy ([\d.]+), validation ([\d.]+)$/gm)].at(-1);
  expect(Number(last?.[1])).toBeGreaterThan(0.95);
  expect(Number(last?.[2])).toBeGreaterThan(0.95);
});

it('engine_alone.mjs adds tensors and compiles a function', async () => {
  const out = await run('engine_alone.mjs');
  expect(out).toMatch(
    /^TensorFlow 2\.\d+\.\d+ on (CPU|GPU):0\nTensor\n {4}\[11, 22, 33\]\ndistance 5\ndistance 10\ndistance 15\n$/,
  );
});

it('model.mjs and data.mjs are trained by the command in model.mjs', async () => {
  const usage = usageOf('model.mjs');
  expect(usage).toMatch(/^npx tfjs-parallel train --model examples\/model\.mjs --data examples\/data\.mjs /);
  const cwd = await emptyFolder();
  const { code, out, err } = runCli(usage.replace('npx tfjs-parallel ', '').split(' '), { cwd });
  expect(code, err).toBe(0);
  const accuracies = [...out.matchAll(/^\t\t +([\d.]+)% - validation set accuracy$/gm)].map(([, percent]) => Number(percent));
  expect(accuracies).toHaveLength(5);
  expect(accuracies.at(-1)).toBeGreaterThan(95);
  expect(readdirSync(cwd).sort()).toEqual(['examples', 'runs']);
});

it('are all here', () => {
  expect(readdirSync(EXAMPLES).sort()).toEqual([
    'data.mjs',
    'engine_alone.mjs',
    'migrate',
    'model.mjs',
    'points.csv',
    'points_validation.csv',
    'regression_mlp.mjs',
    'small_resnet.mjs',
  ]);
});
