import { describe, expect, it } from 'vitest';
import type { StorageError } from '../../../../src/common/errors.js';
import { readNewestState } from '../../../../src/coordinator/storage/state/state_file.js';
import { createStateWriter } from '../../../../src/coordinator/storage/state/state_writer.js';
import type { StateWriterOptions, WrittenState } from '../../../../src/coordinator/storage/state/state_writer.js';
import type { RunState } from '../../../../src/coordinator/storage/state/state_schema.js';
import { MemoryDisk } from '../../../support/memory_disk.js';
import { tinyState } from '../../../support/run_state.js';

async function setUp(change: Partial<StateWriterOptions> = {}) {
  const disk = new MemoryDisk();
  await disk.createFolder('/state');
  const written: WrittenState[] = [];
  const failed: StorageError[] = [];
  let clockMs = 0;
  const options: StateWriterOptions = {
    folder: '/state',
    fileSystem: disk,
    keep: 2,
    beforePublish: async () => undefined,
    onWritten: (state) => written.push(state),
    onFailed: (error) => failed.push(error),
    now: () => clockMs++,
    ...change,
  };
  return { disk, written, failed, writer: createStateWriter(options) };
}
const newestStep = async (disk: MemoryDisk) =>
  (await readNewestState({ folder: '/state', fileSystem: disk })).state?.progress.step ?? null;

describe('the state writer', () => {
  it('writes what the state was when it was offered, however the arrays change after', async () => {
    const { disk, writer } = await setUp();
    const state = tinyState({ step: 100 });
    writer.offer(state);
    state.parameters.fill(-1);
    state.optimizerSlots[0].values.fill(-1);
    state.progress.totals.metrics[0] = 8;
    await writer.flush();
    expect((await readNewestState({ folder: '/state', fileSystem: disk })).state).toEqual(tinyState({ step: 100 }));
  });

  it('writes one at a time, and of those that wait only the newest', async () => {
    const { disk, written, writer } = await setUp();
    for (const step of [1, 2, 3, 4, 5]) writer.offer(tinyState({ step }));
    await writer.flush();
    expect(written.map(({ step }) => step)).toEqual([1, 5]);
    expect(await newestStep(disk)).toBe(5);
  });

  it('keeps the newest two, and reports path, size and cost of each', async () => {
    const { disk, written, writer } = await setUp();
    for (const step of [1, 2, 3]) {
      writer.offer(tinyState({ step }));
      await writer.flush();
    }
    expect(disk.names('/state')).toEqual(written.slice(1).map(({ path }) => path.replace('/state/', '')));
    expect(written[2]).toMatchObject({ step: 3, epoch: 1, bytes: disk.contents(written[2].path).length, snapshotMs: 1, ms: 1 });
  });

  it.each([
    ['half an example', (state: RunState) => ({ ...state, progress: { ...state.progress, epochCorrect: 0.5 } }), 'epochCorrect'],
    [
      'a weight that is NaN',
      (state: RunState) => ({ ...state, parameters: state.parameters.map((value, at) => (at === 7 ? NaN : value)) }),
      'dense/bias is not finite',
    ],
    [
      'a name without end',
      (state: RunState) => ({ ...state, model: { ...state.model, name: 'x'.repeat(2000) } }),
      'metadata model.name',
    ],
  ])('does not let %s, which the reader refuses, replace what it accepts', async (_, spoil, why) => {
    const { disk, failed, writer } = await setUp({ keep: 1 });
    writer.offer(tinyState({ step: 1 }));
    await writer.flush();
    writer.offer(spoil(tinyState({ step: 2 })));
    await writer.flush();
    expect(failed.map(({ code }) => code)).toEqual(['STATE_UNREADABLE']);
    expect(failed[0].message).toContain(why);
    expect(await newestStep(disk)).toBe(1);
  });

  it('says what to do when the disk is full, keeps the state before, and recovers when there is space', async () => {
    const { disk, written, failed, writer } = await setUp();
    writer.offer(tinyState({ step: 1 }));
    await writer.flush();
    disk.capacityBytes = written[0].bytes + 100;
    writer.offer(tinyState({ step: 2 }));
    await writer.flush();
    expect(writer.failure).toBe(failed[0]);
    expect(failed.map(({ code, message, next, exitCode }) => ({ code, message, next, exitCode }))).toMatchInlineSnapshot(`
      [
        {
          "code": "DISK_FULL",
          "exitCode": 7,
          "message": "cannot write the state of epoch 1, step 2 to /state: no space left on the disk (ENOSPC); the states written before are intact",
          "next": "free some space, or use --run-dir on another disk and a smaller --keep",
        },
      ]
    `);
    expect(await newestStep(disk)).toBe(1);
    disk.capacityBytes = Infinity;
    writer.offer(tinyState({ step: 3 }));
    await writer.flush();
    expect(writer.failure).toBeNull();
    expect(await newestStep(disk)).toBe(3);
  });

  it.each([
    ['EIO', 'DISK_IO_ERROR'],
    ['EROFS', 'RUN_FOLDER_READ_ONLY'],
    ['EACCES', 'RUN_FOLDER_READ_ONLY'],
    ['ENOENT', 'RUN_FOLDER_GONE'],
    ['EDQUOT', 'DISK_FULL'],
    ['EMFILE', 'TOO_MANY_OPEN_FILES'],
    ['ETIMEDOUT', 'STORAGE_FAILED'],
  ])('explains %s as %s', async (systemCode, code) => {
    const { disk, failed, writer } = await setUp();
    disk.failWith = (call) => (call === 'open' ? systemCode : null);
    writer.offer(tinyState());
    await writer.flush();
    expect(failed.map((error) => error.code)).toEqual([code]);
    expect(failed[0].message).toContain(systemCode);
  });

  it('gives no state its name while the metrics it counts on are not on the disk', async () => {
    let isReady = false;
    const { disk, failed, writer } = await setUp({
      beforePublish: async () => {
        if (!isReady) throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC', syscall: 'write' });
      },
    });
    writer.offer(tinyState({ step: 1 }));
    await writer.flush();
    expect(disk.names('/state')).toEqual([]);
    expect(failed).toHaveLength(1);
    isReady = true;
    writer.offer(tinyState({ step: 2 }));
    await writer.flush();
    expect(await newestStep(disk)).toBe(2);
  });

  it('reports an old state that cannot be removed, and does not call the new one failed', async () => {
    const { disk, failed, writer } = await setUp({ keep: 1 });
    writer.offer(tinyState({ step: 1 }));
    await writer.flush();
    disk.failWith = (call) => (call === 'removeFile' ? 'EACCES' : null);
    writer.offer(tinyState({ step: 2 }));
    await writer.flush();
    expect(failed[0].message).toContain('the newest state is safe, only space is lost');
    expect(writer.failure).toBeNull();
  });

  it('passes a bug of ours on instead of calling it a full disk', async () => {
    const { writer } = await setUp();
    writer.offer({ ...tinyState(), parameters: new Float32Array(3) });
    await expect(writer.flush()).rejects.toThrow('internal: the state holds every parameter');
  });
});
