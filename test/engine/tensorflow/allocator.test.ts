/** That freed memory is kept unless the user has told glibc what to do: in processes of their own, because the C library is told once. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { isAllocatorTuned } from '../../../src/engine/tensorflow/allocator.js';
import { thisMachine } from '../../../src/engine/tensorflow/wheels.js';

const SCRIPT = fileURLToPath(new URL('../../support/freed_memory_process.mjs', import.meta.url));

async function freed(environment: Record<string, string>): Promise<{ kept: boolean; shrankBytes: number; bytes: number }> {
  const { stdout } = await promisify(execFile)(process.execPath, [SCRIPT], { env: { PATH: process.env.PATH, ...environment } });
  return JSON.parse(stdout) as Awaited<ReturnType<typeof freed>>;
}

describe('the allocator', () => {
  it('is the users own where one of its variables is set, or a tunable of malloc', () => {
    expect(isAllocatorTuned({ PATH: '/bin', MALLOC_CHECK_: '3' })).toBe(false);
    for (const name of ['MALLOC_MMAP_THRESHOLD_', 'MALLOC_TRIM_THRESHOLD_', 'MALLOC_ARENA_MAX', 'MALLOC_MMAP_MAX_'])
      expect(isAllocatorTuned({ [name]: '1' })).toBe(true);
    expect(isAllocatorTuned({ GLIBC_TUNABLES: 'glibc.malloc.arena_max=1' })).toBe(true);
    expect(isAllocatorTuned({ GLIBC_TUNABLES: 'glibc.pthread.rseq=0' })).toBe(false);
  });

  it.skipIf(thisMachine().glibcVersion === undefined)(
    'keeps what is freed, and leaves it to glibc where the user has spoken',
    async () => {
      const { bytes, ...ours } = await freed({});
      expect(ours.kept).toBe(true);
      expect(ours.shrankBytes).toBeLessThan(bytes / 2);
      const theirs = await freed({ MALLOC_TRIM_THRESHOLD_: '131072' });
      expect(theirs.kept).toBe(false);
      expect(theirs.shrankBytes).toBeGreaterThan(bytes / 2);
    },
  );
});
