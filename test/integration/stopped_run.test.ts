import { execFileSync, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { LIMITS } from '../../src/common/limits.js';
import { BUILT_CLI } from '../support/built_cli.js';
import { trainUntil } from '../support/held_run.js';
import { metricsOf, recordsIn, startTrain, TINY_RUN, train, weightsSha256Of } from '../support/real_run.js';
import { folderOfTests } from '../support/temporary_folder.js';

const scratch = folderOfTests();
/** 30 epochs of 12 steps: long enough to be met in the middle. */
const RUN = [...TINY_RUN, '--epochs', '30', '--state-every', 'epoch,7 steps', '--run-dir', scratch];
const folder = (name: string): string => join(scratch, name);
const begin = (name: string, workers = '2'): string[] => ['--name', name, '--workers', workers, ...RUN];

describe('a real run that is stopped', () => {
  beforeAll(async () => {
    expect((await train(begin('undisturbed'))).code).toBe(0);
  });

  it('by every signal that asks, one after the other, exits with its code and a state, and ends with the undisturbed one’s weights and metrics', async () => {
    const asked = [
      ['SIGTERM', 75, 'SIGTERM: finishing the step and saving'],
      ['SIGUSR1', 75, 'SIGUSR1: finishing the step and saving'],
      ['SIGUSR2', 75, 'SIGUSR2: finishing the step and saving'],
      ['SIGXCPU', 75, 'SIGXCPU: finishing the step and saving'],
      ['SIGINT', 130, 'interrupted: finishing the step and saving (Ctrl-C again to end at once)'],
    ] as const;
    const stopped = folder('stopped');
    for (const [at, [signal, code, line]] of asked.entries()) {
      // On two replicas and on one by turns, 40 steps each.
      const args = at === 0 ? begin('stopped') : ['--resume', stopped, '--workers', at % 2 === 0 ? '2' : '1'];
      const run = await trainUntil(40 * (at + 1), args);
      run.kill(signal);
      const ended = await run.ended;
      expect(ended, signal).toMatchObject({ code, signal: null });
      expect(ended.err).toContain(line);
      expect(ended.err).not.toContain('Debugger');
      expect(readdirSync(join(stopped, 'checkpoints')), signal).toEqual(expect.arrayContaining(['best', 'last']));
    }
    // And by Ctrl-C twice, which saves nothing more: the states are intact.
    const run = await trainUntil(240, ['--resume', stopped, '--workers', '2']);
    run.kill('SIGINT');
    await sleep(LIMITS.stopRepeatMs + 200);
    run.kill('SIGINT');
    const { code, signal } = await run.ended;
    // A shell shows a process that died by SIGINT as 130.
    expect(signal === 'SIGINT' || code === 130).toBe(true);
    expect((await train(['--resume', stopped, '--workers', '1'])).code).toBe(0);
    expect(weightsSha256Of(stopped)).toBe(weightsSha256Of(folder('undisturbed')));
    expect(metricsOf(stopped)).toEqual(metricsOf(folder('undisturbed')));
  });

  it.each(['SIGUSR1', 'SIGTERM'] as const)('by %s at any moment of its start, ends', async (signal) => {
    for (const [at, afterMs] of [0, 20, 40, 60, 80, 120, 200, 400, 800].entries()) {
      const run = startTrain(begin(`${signal}-early-${at}`));
      await sleep(afterMs);
      run.kill(signal);
      const ended = await run.ended;
      // Before Node itself is there the system's default applies: the process dies by the signal.
      expect(ended.code === 75 || ended.signal === signal, `after ${afterMs} ms: ${ended.code}, ${ended.err}`).toBe(true);
    }
  });

  it('writes its last state once, keeps as many as it is told, and numbers them by the epoch that ended', async () => {
    const args = [...TINY_RUN, '--epochs', '3', '--workers', '1', '--keep', '2', '--run-dir', scratch, '--name', 'kept'];
    const { code, out } = await train(args);
    expect(code).toBe(0);
    const checkpoints = recordsIn(out).flatMap(({ type, epoch, step }) =>
      type === 'state' ? [`${epoch as number} ${step as number}`] : [],
    );
    expect(checkpoints).toEqual(['1 12', '2 24', '3 36']);
    expect(
      readdirSync(join(folder('kept'), 'state'))
        .map((name) => name.slice(0, 25))
        .sort(),
    ).toEqual(['start-0001-step-000000024', 'start-0001-step-000000036']);
    expect(readFileSync(join(folder('kept'), 'logs/run.log'), 'utf8').match(/"type":"state"/g)).toHaveLength(3);
  });

  it('leaves no process behind when it is killed, or when its parent is and nobody reads it any more', async () => {
    const run = await trainUntil(20, begin('killed'));
    const { pid } = run.child;
    expect(childrenOf(pid)).toEqual([]);
    run.kill('SIGKILL');
    expect((await run.ended).signal).toBe('SIGKILL');
    expect(isAlive(pid)).toBe(false);

    const parent = spawn(
      process.execPath,
      [
        '-e',
        `const { spawn } = require('node:child_process');
         const child = spawn(process.execPath, ${JSON.stringify([BUILT_CLI, 'train', ...begin('orphan'), '--epochs', '100000', '--reporter', 'json', '--log-every', '1'])});
         child.stdout.once('data', () => { console.log(child.pid); });
         child.stdout.resume(); child.stderr.resume();`,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const orphan = await new Promise<number>((found) =>
      parent.stdout.once('data', (text: Buffer) => found(Number(text.toString()))),
    );
    expect(isAlive(orphan)).toBe(true);
    parent.kill('SIGKILL');
    await expect.poll(() => isAlive(orphan)).toBe(false);
    expect(readdirSync(join(folder('orphan'), 'state')).length).toBeGreaterThan(0);
  });
});

function childrenOf(pid: number | undefined): string[] {
  const lines = execFileSync('ps', ['-eo', 'ppid=,pid=,args='], { encoding: 'utf8' }).split('\n');
  return lines.filter((line) => line.trim().split(/\s+/)[0] === String(pid));
}

function isAlive(pid: number | undefined): boolean {
  try {
    process.kill(pid ?? 0, 0);
    // One that died and was not waited for by anybody is no longer running.
    return !/^\S+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}
