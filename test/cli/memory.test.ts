/**
 * Owns: how much memory a worker may take, as its flag, its cgroup and its machine say, and that it ends with the reason where it takes more.
 */
import { describe, expect, it } from 'vitest';
import { watchMemory } from '../../src/cli/terminal/memory_watch.js';
import { availableMemory, parseMemory } from '../../src/system/memory_limit.js';

const GIB = 2 ** 30;
const files =
  (contents: Record<string, string>) =>
  (path: string): string | null =>
    contents[path] ?? null;
const [V2, V1] = ['/sys/fs/cgroup/memory.max', '/sys/fs/cgroup/memory/memory.limit_in_bytes'];

describe('the memory there is', () => {
  it.each<[string, Record<string, string>, number]>([
    ['the cgroup’s, where that is less', { [V2]: `${2 * GIB}\n` }, 2 * GIB],
    ['the machine’s, where the cgroup says max', { [V2]: 'max\n' }, 8 * GIB],
    ['the machine’s, where version 1 says none', { [V1]: '9223372036854771712\n' }, 8 * GIB],
    ['that of version 1', { [V1]: `${GIB}\n` }, GIB],
    [
      'that of a unit, or of a slice above it, where the machine’s own group has none',
      { '/proc/self/cgroup': '0::/a.slice/b.service\n', '/sys/fs/cgroup/a.slice/memory.max': `${3 * GIB}\n` },
      3 * GIB,
    ],
    [
      'the tighter of both',
      {
        '/proc/self/cgroup': '0::/a/b\n',
        '/sys/fs/cgroup/a/memory.max': `${3 * GIB}\n`,
        '/sys/fs/cgroup/a/b/memory.max': `${GIB}\n`,
      },
      GIB,
    ],
    ['the machine’s, without cgroups', {}, 8 * GIB],
  ])('is %s', (_, contents, bytes) => {
    expect(availableMemory(files(contents), 8 * GIB)).toBe(bytes);
  });
});

describe('--max-memory', () => {
  it.each<[string, number]>([
    ['8G', 8 * GIB],
    ['500M', 500 * 2 ** 20],
    ['1.5GiB', 1.5 * GIB],
    ['268435456', 268435456],
  ])('reads %s', (text, bytes) => {
    expect(parseMemory(text, '--max-memory')).toBe(bytes);
  });

  it.each(['', '8 gigs', '-1G', '1M', '1e9', '99999999999T'])('refuses %j', (text) => {
    expect(() => parseMemory(text, '--max-memory')).toThrow('--max-memory wants a size of at least 64M');
  });

  it('ends a process that takes more, once, with the reason and exit code 3', async () => {
    const ends: [string, number][] = [];
    let bytes = GIB;
    const ended = new Promise<void>((resolve) => {
      const watch = watchMemory({
        maxBytes: GIB,
        residentBytes: () => (bytes += 2 ** 20),
        end: (text, code) => {
          ends.push([text, code]);
          watch.close();
          resolve();
        },
      });
    });
    await ended;
    expect(ends).toEqual([
      [expect.stringContaining('error MEMORY_EXCEEDED: this worker took 1025 MiB of memory, and may take 1024 MiB'), 3],
    ]);
  });
});
