import { describe, expect, it } from 'vitest';
import { openMetricsFile } from '../../../../src/coordinator/storage/run_folder/metrics_file.js';
import { MemoryDisk } from '../../../support/memory_disk.js';

const path = '/metrics.jsonl';
const start = { bytes: 0, lines: 0 };
const text = (disk: MemoryDisk) => Buffer.from(disk.contents(path)).toString();

describe('metrics.jsonl', () => {
  it('takes lines at once and has them on the disk after sync', async () => {
    const disk = new MemoryDisk();
    const { metrics } = await openMetricsFile({ path, cursor: start, fileSystem: disk });
    metrics.append('one\n');
    metrics.append('two\n');
    expect(metrics.cursor()).toMatchObject({ bytes: 8, lines: 2 });
    await metrics.sync();
    await disk.syncFolder('/');
    disk.afterCrash({ keepNames: 0, keepBytes: 'none' });
    expect(text(disk)).toBe('one\ntwo\n');
  });

  it('is cut to the cursor when a run resumes', async () => {
    const disk = new MemoryDisk();
    const first = await openMetricsFile({ path, cursor: start, fileSystem: disk });
    first.metrics.append('one\n');
    const cursor = first.metrics.cursor();
    first.metrics.append('two\n');
    first.metrics.append('thr');
    await first.metrics.close();
    const second = await openMetricsFile({ path, cursor, fileSystem: disk });
    expect(second).toMatchObject({ cutBytes: 7, missingBytes: 0 });
    second.metrics.append('two again\n');
    expect(second.metrics.cursor()).toMatchObject({ bytes: 14, lines: 2 });
    await second.metrics.close();
    expect(text(disk)).toBe('one\ntwo again\n');
  });

  it('says how much is missing when somebody shortened it, and begins on a new line', async () => {
    const disk = new MemoryDisk();
    const first = await openMetricsFile({ path, cursor: start, fileSystem: disk });
    first.metrics.append('on');
    await first.metrics.close();
    const second = await openMetricsFile({ path, cursor: { bytes: 8, lines: 2 }, fileSystem: disk });
    expect(second).toMatchObject({ cutBytes: 0, missingBytes: 6 });
    second.metrics.append('three\n');
    await second.metrics.close();
    expect(text(disk)).toBe('on\nthree\n');
  });

  it('loses no line and doubles none when the disk is full for a while', async () => {
    const disk = new MemoryDisk();
    const { metrics } = await openMetricsFile({ path, cursor: start, fileSystem: disk });
    disk.capacityBytes = 6;
    metrics.append('one\n');
    metrics.append('two\n');
    await expect(metrics.sync()).rejects.toMatchObject({
      code: 'DISK_FULL',
      message:
        'cannot append to /metrics.jsonl: no space left on the disk (ENOSPC); the lines are kept in memory and tried again',
    });
    metrics.append('three\n');
    await expect(metrics.sync()).rejects.toMatchObject({ code: 'DISK_FULL' });
    disk.capacityBytes = Infinity;
    await metrics.sync();
    expect(text(disk)).toBe('one\ntwo\nthree\n');
    expect(metrics.cursor()).toMatchObject({ bytes: 14, lines: 3 });
  });

  it('is not synced by a sync that failed', async () => {
    const disk = new MemoryDisk();
    const { metrics } = await openMetricsFile({ path, cursor: start, fileSystem: disk });
    metrics.append('one\n');
    disk.failWith = (call) => (call === 'sync' ? 'EIO' : null);
    await expect(metrics.sync()).rejects.toMatchObject({ code: 'DISK_IO_ERROR' });
  });
});
