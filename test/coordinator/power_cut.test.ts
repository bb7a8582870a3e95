/** Owns: a run whose disk loses power or has no room: what it goes on from, and that nothing is lost or wrong. */
import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { SimulatedCrash, type MemoryDisk } from '../support/memory_disk.js';
import { kept, metrics, newDisk, newest, start, undisturbed, type Start } from '../support/memory_run.js';

/** Every place of a run comes twice: states inside of an epoch and at its end, one that is deleted, models that are new and that are replaced. */
const SHORT: Start = { config: { epochs: 2 } };

/** The power goes before the n-th call to the disk, which then holds what was synced and, of the rest, what `keep` says. */
async function startAndCrash(disk: MemoryDisk, nth: number, keep: 'none' | 'half' | 'all'): Promise<{ crashed: boolean }> {
  disk.crashAtCall = disk.calls + nth;
  const ended = await start(disk, SHORT).catch((error: unknown) => {
    if (!(error instanceof SimulatedCrash)) throw error;
    return null;
  });
  const crashed = disk.calls >= disk.crashAtCall;
  // What was under way beside the loop meets the dead disk too.
  for (let turn = 0; turn < 40; turn++) await setImmediate();
  disk.afterCrash({ keepNames: { none: 0, half: disk.unsyncedNames >> 1, all: disk.unsyncedNames }[keep], keepBytes: keep });
  expect(ended === null || !crashed || ended.end.reason === 'done').toBe(true);
  return { crashed };
}

describe('a run whose power goes', () => {
  it.each(['none', 'half', 'all'] as const)(
    'between any two calls to the disk, ends with the same weights and metrics (of what was not synced, the disk kept %s)',
    async (keep) => {
      const wanted = await undisturbed(SHORT);
      const [best, last] = [await kept(wanted.disk, 'best'), await kept(wanted.disk, 'last')];
      let crashes = 0;
      for (let nth = 1; ; nth++) {
        const disk = await newDisk();
        if (!(await startAndCrash(disk, nth, keep)).crashed) break;
        crashes++;
        const { end } = await start(disk, SHORT);
        expect(end.weightsSha256, `call ${nth}`).toBe(wanted.sha256);
        expect(metrics(disk), `call ${nth}`).toEqual(wanted.metrics);
        expect((await kept(disk, 'last')).values, `call ${nth}`).toEqual(last.values);
        expect((await kept(disk, 'best')).values, `call ${nth}`).toEqual(best.values);
      }
      // 6 states, 2 models, 13 lines of metrics: each some calls.
      expect(crashes).toBeGreaterThan(200);
    },
  );

  it('again and again, a little later each time, ends with the same weights and metrics', async () => {
    const wanted = await undisturbed(SHORT);
    const disk = await newDisk();
    for (let nth = 13; (await startAndCrash(disk, nth, 'none')).crashed; nth += 13);
    expect((await start(disk, SHORT)).end.weightsSha256).toBe(wanted.sha256);
    expect(metrics(disk)).toEqual(wanted.metrics);
  });
});

describe('a run whose disk is full', () => {
  it('goes on and warns, and saves again when there is space', async () => {
    const disk = await newDisk();
    let refusals = 0;
    disk.failWith = (call, path) => (call === 'open' && path.includes('/state/.tmp') && refusals++ < 3 ? 'ENOSPC' : null);
    const { end, events } = await start(disk);
    expect(end.weightsSha256).toBe((await undisturbed()).sha256);
    const warnings = events.filter((event) => event.type === 'warn');
    expect(warnings).toHaveLength(3);
    expect(warnings[0]).toMatchObject({
      code: 'DISK_FULL',
      message: expect.stringContaining('the states written before are intact') as string,
    });
    expect((await newest(disk))?.progress.step).toBe(15);
  });

  it('stops with code 7 when configured to, and leaves the state before', async () => {
    const disk = await newDisk();
    await start(disk, { stopAtStep: 3 });
    disk.failWith = (call, path) => (call === 'open' && path.includes('/state/.tmp') ? 'ENOSPC' : null);
    await expect(start(disk, { config: { onSaveFailure: 'stop' } })).rejects.toMatchObject({
      code: 'DISK_FULL',
      exitCode: 7,
    });
    expect((await newest(disk))?.progress.step).toBe(4);
  });

  it('ends with code 7 when the last state is not on the disk, whatever was configured', async () => {
    const disk = await newDisk();
    disk.failWith = (call, path) => (call === 'open' && path.includes('/state/.tmp') ? 'EIO' : null);
    await expect(start(disk)).rejects.toMatchObject({ code: 'DISK_IO_ERROR', exitCode: 7 });
  });
});
