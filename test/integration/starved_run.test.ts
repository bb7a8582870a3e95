import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { trainUntil } from '../support/held_run.js';
import { metricsOf, TINY_RUN, train, weightsSha256Of, type RealRun } from '../support/real_run.js';

const scratch = mkdtempSync(join(tmpdir(), 'starved-run-'));
const disk = join(scratch, 'small_disk');
const canMount = mounts();
if (!canMount)
  console.warn('starved_run.test.ts: full and read-only disks skipped: mounting a tmpfs needs root and CAP_SYS_ADMIN');
afterAll(() => {
  if (canMount) execFileSync('umount', ['-l', disk]);
  rmSync(scratch, { recursive: true });
});

/** 30 epochs of 12 steps, a state after each 5 steps: some are due while the disk is full, on which the reports are written too. */
const RUN = [
  ...TINY_RUN,
  '--report',
  'csv,page,tensorboard',
  '--epochs',
  '30',
  '--workers',
  '1',
  '--state-every',
  'epoch,5 steps',
  '--keep',
  '2',
];
const begin = (name: string, parent: string, ...more: string[]): string[] => [
  ...RUN,
  '--run-dir',
  parent,
  '--name',
  name,
  ...more,
];
const statesIn = (run: string): string[] => readdirSync(join(run, 'state')).filter((name) => name.endsWith('.safetensors'));
const warnedOf = (run: RealRun, code: string): Promise<void> =>
  run.seen((record) => record.type === 'warn' && record.code === code);
const filler = join(disk, 'filler');

describe('a real run whose folder is taken from under it', () => {
  beforeAll(async () => {
    expect((await train(begin('undisturbed', scratch))).code).toBe(0);
  });

  describe.skipIf(!canMount)('by a full disk', () => {
    it('goes on, warns, saves again when there is space, and loses no line of the metrics', async () => {
      const run = await trainUntil(40, begin('continues', disk));
      fill();
      run.goOn();
      await warnedOf(run, 'DISK_FULL');
      expect(statesIn(join(disk, 'continues')).length).toBeGreaterThan(0);
      rmSync(filler);
      expect(await run.ended).toMatchObject({ code: 0 });
      expect(metricsOf(join(disk, 'continues'))).toEqual(metricsOf(join(scratch, 'undisturbed')));
      rmSync(join(disk, 'continues'), { recursive: true });
    });

    it('with --on-save-failure stop exits 7 at once, with continue at the end; resumed with space it ends as if nothing had been', async () => {
      const folder = join(disk, 'full');
      const starts = [begin('full', disk, '--on-save-failure', 'stop'), ['--resume', folder, '--on-save-failure', 'continue']];
      for (const [at, args] of starts.entries()) {
        const run = await trainUntil(40 + 80 * at, args);
        fill();
        run.goOn();
        const { code, err, out } = await run.ended;
        expect(code).toBe(7);
        expect(err).toMatch(/^error DISK_FULL: .*no space left on the disk \(ENOSPC\).* intact$/m);
        expect(err).toContain('next: free some space');
        // The second goes on to the end, whose state is not on the disk.
        expect(out.includes('"step":360')).toBe(at === 1);
        expect(statesIn(folder).length).toBeGreaterThan(0);
        rmSync(filler);
      }
      expect(await train(['--resume', folder])).toMatchObject({ code: 0 });
      expect(weightsSha256Of(folder)).toBe(weightsSha256Of(join(scratch, 'undisturbed')));
      expect(metricsOf(folder)).toEqual(metricsOf(join(scratch, 'undisturbed')));
      rmSync(folder, { recursive: true });
    });

    it('made read-only: neither a new run nor a resumed one begins, both with code 7 and what to do', async () => {
      expect((await train(begin('before', disk, '--max-steps', '5'))).code).toBe(0);
      execFileSync('mount', ['-o', 'remount,ro', disk]);
      try {
        for (const args of [begin('after', disk), ['--resume', join(disk, 'before'), '--max-steps', '6']]) {
          const { code, err } = await train(args);
          expect(code).toBe(7);
          expect(err).toMatch(/^error RUN_FOLDER_READ_ONLY: .*the file system is read-only \(EROFS\)/m);
          expect(err).toContain('next: use --run-dir');
        }
      } finally {
        execFileSync('mount', ['-o', 'remount,rw', disk]);
      }
    });
  });

  it.each(['stop', 'continue'])('deleted: with --on-save-failure %s it exits 7 and says so', async (what) => {
    const run = await trainUntil(40, begin(`deleted-${what}`, scratch, '--on-save-failure', what));
    rmSync(join(scratch, `deleted-${what}`), { recursive: true, force: true, maxRetries: 5 });
    run.goOn();
    const { code, err, out } = await run.ended;
    expect(code).toBe(7);
    expect(err).toMatch(/^error RUN_FOLDER_GONE: /m);
    expect(err).toContain('next: do not move or delete a run folder');
    expect(out.includes('"step":360')).toBe(what === 'continue');
  });
});

function fill(): void {
  const { bavail, bsize } = statfsSync(disk);
  try {
    writeFileSync(filler, new Uint8Array(bavail * bsize));
  } catch (error) {
    // The run wrote something meanwhile: full all the same.
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  }
}

function mounts(): boolean {
  mkdirSync(disk);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', disk], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
