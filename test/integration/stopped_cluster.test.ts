/**
 * Owns: what becomes of a real cluster's coordinator and workers, and of their exit codes, where the run is stopped, finished or not for that worker.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { LIMITS } from '../../src/common/limits.js';
import { BUILT_CLI } from '../support/built_cli.js';
import { TINY_DATA, TINY_MODEL, weightsSha256Of } from '../support/real_run.js';
import { folderOfTests } from '../support/temporary_folder.js';

const scratch = folderOfTests();
const running = new Set<ChildProcess>();
afterEach(() => running.forEach((child) => child.kill('SIGKILL')));

/** 600 examples in batches of 50: 12 steps an epoch. */
const RUN = [
  ...['--model', TINY_MODEL, '--data', TINY_DATA, '--shards', '2', '--train-limit', '600', '--validation-limit', '100'],
  ...['--batch', '50', '--run-dir', scratch, '--log-every', '1'],
];
const MODEL = ['--model', TINY_MODEL, '--data', TINY_DATA];

function start(args: readonly string[], nodeOptions = '') {
  const child = spawn(process.execPath, [BUILT_CLI, ...args], {
    env: { ...process.env, NODE_OPTIONS: nodeOptions, XDG_CONFIG_HOME: scratch },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  running.add(child);
  let err = '';
  const looks = new Set<() => void>();
  child.stderr.on('data', (chunk: Buffer) => {
    err += chunk.toString();
    for (const look of looks) look();
  });
  const ended = new Promise<{ code: number | null; err: string }>((done) => child.on('close', (code) => done({ code, err })));
  void ended.then(() => running.delete(child));
  const line = (wanted: RegExp): Promise<RegExpExecArray> =>
    new Promise((found, failed) => {
      const look = (): void => {
        const match = wanted.exec(err);
        if (match !== null) found(match);
      };
      looks.add(look);
      look();
      void ended.then(() => failed(new Error(`ended before it said ${wanted}\n${err}`)));
    });
  return { child, ended, line };
}

async function startCoordinator(args: readonly string[], nodeOptions = '') {
  const coordinator = start(['coordinator', '--listen', '127.0.0.1:0', ...args], nodeOptions);
  const [, port] = await coordinator.line(/waiting for workers at 127\.0\.0\.1:(\d+)/);
  const worker = (own: readonly string[] = MODEL) =>
    start(['worker', '--host', `127.0.0.1:${port}`, '--workers', '1', '--threads-per-worker', '1', '--worker-name', 'w', ...own]);
  return { ...coordinator, worker };
}

/** A process whose timers for a step under way never end: if it waits for that step, it waits for ever. */
function endlessPatience(): string {
  const file = join(scratch, 'endless_patience.mjs');
  writeFileSync(
    file,
    `const plain = globalThis.setTimeout;
     const never = ${JSON.stringify([LIMITS.stopGraceMs, LIMITS.stopDeadlineMs])};
     globalThis.setTimeout = (run, ms, ...given) => plain(run, never.includes(ms) ? ${LIMITS.maxTimerMs} : ms, ...given);`,
  );
  return `--import=${pathToFileURL(file).href}`;
}

describe('a real cluster', () => {
  it('stopped by SIGTERM: both sides end with 75, to be started again; resumed and finished: 0, and 0 without any worker', async () => {
    const name = ['--name', 'stopped'];
    const first = await startCoordinator([...RUN, ...name, '--epochs', '200']);
    const worker = first.worker();
    await first.line(/step 5\/12/);
    first.child.kill('SIGTERM');
    expect(await first.ended).toMatchObject({
      code: 75,
      err: expect.stringContaining(`resume with: tfjs-parallel coordinator --resume ${join(scratch, 'stopped')}`) as string,
    });
    expect(await worker.ended).toMatchObject({
      code: 75,
      err: expect.stringContaining('the run was stopped; when it is resumed, start this worker again') as string,
    });

    const resume = ['--resume', join(scratch, 'stopped'), '--max-steps'];
    const second = await startCoordinator([...resume, '600']);
    const again = second.worker();
    expect([(await second.ended).code, (await again.ended).code]).toEqual([0, 0]);
    const reached = weightsSha256Of(join(scratch, 'stopped'));
    expect(reached).toMatch(/^[0-9a-f]{64}$/);
    // Nothing is left to compute: nobody has to come, and the metrics end as they did.
    const third = await start(['coordinator', '--listen', '127.0.0.1:0', ...resume, '600']).ended;
    expect(third).toMatchObject({ code: 0, err: expect.stringContaining('nothing is left to compute in') as string });
    expect(weightsSha256Of(join(scratch, 'stopped'))).toBe(reached);
  });

  it('tells why a worker went away before it joined, and by Ctrl-C does not wait for a step that nobody computes', async () => {
    const coordinator = await startCoordinator([...RUN, '--name', 'alone', '--epochs', '200'], endlessPatience());
    expect(await coordinator.worker([]).ended).toMatchObject({ code: 5, err: expect.stringContaining('MODEL_NEEDED') as string });
    await coordinator.line(/worker w went away before it joined: MODEL_NEEDED: the run uses the model/);

    const worker = coordinator.worker();
    await coordinator.line(/step 5\/12/);
    worker.child.kill('SIGKILL');
    await coordinator.line(/no worker is left/);
    coordinator.child.kill('SIGINT');
    const { code, err } = await coordinator.ended;
    expect([code, /interrupted after \d+ epochs?, \d+ steps/.test(err)]).toEqual([130, true]);
  });
});
