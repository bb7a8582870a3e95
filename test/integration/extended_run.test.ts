import { execFileSync } from 'node:child_process';
import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { nodeFileSystem } from '../../src/coordinator/storage/files/file_system.js';
import { readNewestState } from '../../src/coordinator/storage/state/state_file.js';
import { runCli } from '../support/built_cli.js';
import { trainUntil } from '../support/held_run.js';
import { metricsOf, recordsIn, TINY_RUN, train, weightsSha256Of } from '../support/real_run.js';
import { folderOfTests } from '../support/temporary_folder.js';

const scratch = folderOfTests();
const folder = (name: string): string => join(scratch, name);
const begin = (name: string, ...more: string[]): string[] => [...TINY_RUN, '--run-dir', scratch, '--name', name, ...more];

/** The last command that the run printed, without the program's name. */
function printed(err: string): string[] {
  const line = [...err.matchAll(/(?:resume with|continue with): tfjs-parallel train (.*)$/gm)].at(-1)?.[1] ?? '';
  return execFileSync('sh', ['-c', `printf '%s\\n' ${line}`], { encoding: 'utf8' })
    .trimEnd()
    .split('\n');
}

describe('a finished run of 2 epochs with a cosine schedule, made longer', () => {
  const longer = (name: string): string[] => ['--resume', folder(name), '--epochs', '6'];
  const copy = (name: string): void => cpSync(folder('finished'), folder(name), { recursive: true });

  beforeAll(async () => {
    const cosine = ['--set', 'optimizer.schedule.name=cosine', '--set', 'optimizer.schedule.final_fraction=0.1'];
    expect((await train(begin('finished', ...cosine, '--epochs', '2', '--workers', '1'))).code).toBe(0);
    copy('undisturbed');
    expect((await train(longer('undisturbed'))).code).toBe(0);
  });

  it('says that its rate rises again, and to what', async () => {
    copy('told');
    const { out, err } = await train([...longer('told'), '--max-steps', '25']);
    // Of 24 steps the last is at 23/24 of the cosine: 0.05 × (0.1 + 0.9 × (1 + cos(π 23/24)) / 2); of 72 the 25th is at 24/72 = 1/3.
    const [from, to] = [23 / 24, 24 / 72].map((t) => 0.05 * (0.1 + (0.9 * (1 + Math.cos(Math.PI * t))) / 2));
    const message =
      'the run was planned for 2 epochs and goes on to 6: by its cosine schedule the learning rate rises again, ' +
      `from ${Number(from.toPrecision(3))} at step 24 to ${Number(to.toPrecision(3))} at step 25`;
    expect(recordsIn(out)).toContainEqual({ v: 2, type: 'warn', code: 'RATE_RISES', message });
    expect(err).toContain(`warning RATE_RISES: ${message}`);
  });

  it('stopped and continued with the printed line, ends in the undisturbed one’s weights', async () => {
    copy('stopped');
    const run = await trainUntil(40, [...longer('stopped'), '--state-every', '5 steps', '--keep', '2']);
    run.kill('SIGINT');
    const { code, err } = await run.ended;
    expect(code).toBe(130);
    expect(printed(err)).toEqual(['--resume', folder('stopped')]);
    expect((await train(printed(err))).code).toBe(0);
    expect(weightsSha256Of(folder('stopped'))).toBe(weightsSha256Of(folder('undisturbed')));
    expect(metricsOf(folder('stopped'))).toEqual(metricsOf(folder('undisturbed')));
    const config = readFileSync(join(folder('stopped'), 'config.yaml'), 'utf8');
    expect(config).toContain('\nepochs: 6 # flag --epochs, after step 24; 2 before\n');
    expect(config).toContain('\nkeep: 2 # flag --keep, after step 24; 3 before\n');
  });

  it.each([
    ['right after its start', 'start'],
    ['in its extension', 44],
  ] as const)('killed %s and continued with the printed line, too', async (name, where) => {
    copy(name);
    const run = await trainUntil(where, longer(name));
    run.kill('SIGKILL');
    const { err } = await run.ended;
    expect((await train(printed(err))).code).toBe(0);
    expect(metricsOf(folder(name))).toEqual(metricsOf(folder('undisturbed')));
  });

  it('with everything changed that may be, killed and continued with the printed line, too', async () => {
    const all = [
      ...['--epochs', '4', '--threads-per-worker', '2', '--no-compile', '--numerics', 'relaxed', '--workers', '2', '--keep', '2'],
      ...['--save-above', '100', '--target', '100', '--state-every', '7 steps', '--on-save-failure', 'stop'],
      ...['--monitor', 'val_loss', '--data-dir', scratch, '--report', 'csv'],
    ];
    copy('all');
    expect((await train(['--resume', folder('all'), ...all])).code).toBe(0);
    copy('all, killed');
    const run = await trainUntil(26, ['--resume', folder('all, killed'), ...all]);
    run.kill('SIGKILL');
    const { err } = await run.ended;
    const repeated = ['--workers', '2', '--numerics', 'relaxed', '--report', 'csv'];
    expect(printed(err).slice(0, 2)).toEqual(['--resume', folder('all, killed')]);
    expect(printed(err).slice(2).sort()).toEqual(repeated.sort());
    expect((await train(printed(err))).code).toBe(0);
    expect(metricsOf(folder('all, killed'))).toEqual(metricsOf(folder('all')));
    expect(weightsSha256Of(folder('all'))).not.toBe(weightsSha256Of(folder('undisturbed')));
  });

  it('stopped at --max-steps continues to its last epoch with the printed line, and to a new limit where one is given', async () => {
    copy('limited');
    const { code, err } = await train([...longer('limited'), '--max-steps', '30']);
    expect(code).toBe(0);
    expect(printed(err)).toEqual(['--resume', folder('limited')]);
    expect((await train([...printed(err), '--max-steps', '40'])).code).toBe(0);
    expect((await train(printed(err))).code).toBe(0);
    expect(metricsOf(folder('limited'))).toEqual(metricsOf(folder('undisturbed')));
  });

  it('by a resume that is refused, stays as it was', async () => {
    copy('refused');
    const before = readFileSync(join(folder('refused'), 'config.yaml'), 'utf8');
    const { code } = await train([...longer('refused'), '--threads-per-worker', '2']);
    expect(code).toBe(7);
    expect(readFileSync(join(folder('refused'), 'config.yaml'), 'utf8')).toBe(before);
  });
});

describe('a run that was begun from other weights', () => {
  it('and killed before a state was due, is continued from those', async () => {
    const [source, args] = [folder('source'), ['--epochs', '1', '--workers', '1', '--state-every', 'epoch']];
    expect((await train(begin('source', ...args))).code).toBe(0);
    expect((await train(begin('whole', ...args, '--init-from', source))).code).toBe(0);
    const run = await trainUntil(1, begin('killed', ...args, '--init-from', source));
    run.kill('SIGKILL');
    const { err } = await run.ended;
    expect((await train(printed(err))).code).toBe(0);
    expect(weightsSha256Of(folder('killed'))).toBe(weightsSha256Of(folder('whole')));
    expect(weightsSha256Of(folder('killed'))).not.toBe(weightsSha256Of(source));
  });
});

describe('evaluate of a run that has saved no model yet', () => {
  it('scores its newest state and says so', async () => {
    const { code } = await train(
      begin('early', '--epochs', '9', '--workers', '1', '--lr', '1e-9', '--save-above', '1', '--max-steps', '30'),
    );
    expect(code).toBe(0);
    const path = folder('early');
    const { state } = await readNewestState({ folder: join(path, 'state'), fileSystem: nodeFileSystem });
    expect(state?.progress).toMatchObject({ epoch: 3, step: 30 });
    const { code: evaluated, out, err } = runCli(['evaluate', path]);
    expect(evaluated, err).toBe(0);
    expect(err).toContain(`${path} has saved no model yet: this is its newest state, at epoch 3, step 30`);
    expect(recordsIn(out)).toEqual([expect.objectContaining({ type: 'evaluation', examples: 100 })]);
  });
});
