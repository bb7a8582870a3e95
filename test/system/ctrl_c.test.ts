/**
 * Owns: Ctrl-C on a real terminal, through what people start programs with: one press finishes the step and saves, a second one on purpose ends at once.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { BUILT_CLI } from '../support/built_cli.js';
import { writeFiles } from '../support/consumer_project.js';
import { hasTerminals, onTerminal } from '../support/terminal.js';
import { folderOfTests } from '../support/temporary_folder.js';

const runs = (command: string): boolean => spawnSync('bash', ['-c', command], { stdio: 'ignore' }).status === 0;

if (!hasTerminals) console.warn("ctrl_c.test.ts skipped: there is no python3 (3.9 or newer) with its module 'pty'");

/** `{}` stands for the program's own command line. */
const LAUNCHERS: readonly { name: string; line: string; needs?: string }[] = [
  { name: 'nothing', line: '{}' },
  {
    name: 'npm whose shell is dash',
    line: 'npm run --silent --script-shell "$(command -v dash)" train',
    needs: 'command -v dash',
  },
  { name: 'npm whose shell is bash', line: 'npm run --silent --script-shell "$(command -v bash)" train' },
  { name: 'pnpm', line: 'npx --yes pnpm@10 run --silent train', needs: 'npx --yes pnpm@10 --version' },
  { name: 'tsx', line: 'npx --yes tsx@4 {js}', needs: 'npx --yes tsx@4 --version' },
  { name: 'concurrently', line: 'npx --yes concurrently@9 --raw "npm run train"', needs: 'npx --yes concurrently@9 --version' },
  { name: 'unshare --pid, as process 1', line: 'unshare --pid --fork --kill-child {}', needs: 'unshare --pid --fork true' },
  { name: 'systemd-run', line: 'systemd-run --scope --quiet {}', needs: 'systemd-run --scope --quiet true' },
];

const scratch = folderOfTests();

/** With kernels of 5 × 5 and 500 rows a step takes about a second on two cores: longer than a launcher's echo of the signal. */
const modelOf = (kernelSize: number): string =>
  `const conv = (tf, more) => tf.layers.conv2d({ filters: 32, kernelSize: ${kernelSize}, padding: 'same', activation: 'relu', ...more });
export const createModel = (tf) => tf.sequential({ layers: [conv(tf, { inputShape: [28, 28, 1] }), conv(tf), tf.layers.globalAveragePooling2d({}), tf.layers.dense({ units: 10 })] });\n`;
const ARGS = '--model model.mjs --data synthetic --train-limit 4000 --validation-limit 100 --epochs 50 --shards 1 --workers 1';

function press(launcher: (typeof LAUNCHERS)[number], presses: number, { batch, kernelSize } = { batch: 500, kernelSize: 5 }) {
  const folder = mkdtempSync(join(scratch, 'run-'));
  const js = `${BUILT_CLI} train ${ARGS} --batch ${batch} --threads-per-worker 1 --state-every 600s --name r`;
  const own = `${process.execPath} ${js}`;
  writeFiles(folder, { 'model.mjs': modelOf(kernelSize), 'package.json': { private: true, scripts: { train: own } } });
  const command = launcher.line.replace('{js}', js).replace('{}', own);
  const ended = onTerminal(command, { word: 'context:', presses, cwd: folder });
  const states = join(folder, 'runs/r/state');
  return { ...ended, states: existsSync(states) ? readdirSync(states).length : 0 };
}

describe.skipIf(!hasTerminals)('Ctrl-C through', () => {
  describe.each(LAUNCHERS)('$name', (launcher) => {
    const isThere = launcher.needs === undefined || runs(launcher.needs);
    if (!isThere) console.warn(`ctrl_c.test.ts: ${launcher.name} skipped: \`${launcher.needs}\` does not work here`);

    it.skipIf(!isThere)('once finishes the step and saves', () => {
      const { out, states } = press(launcher, 1);
      expect(out).toContain('interrupted: finishing the step and saving (Ctrl-C again to end at once)');
      expect(out).toMatch(/interrupted after \d+ epochs?, \d+ steps?/);
      expect(out).toContain('resume with: tfjs-parallel train --resume runs/r');
      expect(states).toBe(1);
    });
  });

  it.each(LAUNCHERS.filter(({ name }) => name === 'nothing' || name.startsWith('unshare')))(
    '$name, a second time on purpose, ends at once without saving',
    (launcher) => {
      if (launcher.needs !== undefined && !runs(launcher.needs)) return console.warn(`ctrl_c.test.ts: ${launcher.name} skipped`);
      // 1.6e12 operations: the first step is far from its end two seconds after it began, with 200 GFLOP/s too, more than a core has.
      const { out, states } = press(launcher, 2, { batch: 2000, kernelSize: 13 });
      expect(out).toContain('interrupted: finishing the step and saving');
      expect(out).not.toContain('interrupted after');
      expect(states).toBe(0);
    },
  );
});
