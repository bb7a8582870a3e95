import { availableParallelism } from 'node:os';
import { describe, expect, it } from 'vitest';
import { availableCores } from '../../src/system/cores.js';

const cores = (parallelism: number, files: Record<string, string>): number =>
  availableCores({ parallelism, read: (path) => files[path] ?? null });

describe('processor cores', () => {
  it('are those of the process without a quota, and on this machine at most those', () => {
    expect(cores(8, {})).toBe(8);
    expect(cores(8, { '/proc/self/cgroup': '0::/a\n', '/sys/fs/cgroup/a/cpu.max': 'max 100000\n' })).toBe(8);
    expect(availableCores()).toBeGreaterThanOrEqual(1);
    expect(availableCores()).toBeLessThanOrEqual(availableParallelism());
  });

  it.each([
    ['200000 100000', 2],
    ['150000 100000', 1],
    ['50000 100000', 1],
    ['1600000 100000', 8],
  ])('of a group of version 2 with cpu.max "%s" are %i of 8', (quota, expected) => {
    // A container's own group is the root of what it sees.
    expect(cores(8, { '/proc/self/cgroup': '0::/\n', '/sys/fs/cgroup/cpu.max': `${quota}\n` })).toBe(expected);
  });

  it('are those of the tightest group above, too', () => {
    const files = {
      '/proc/self/cgroup': '0::/kubepods/pod1/c1\n',
      '/sys/fs/cgroup/kubepods/pod1/c1/cpu.max': 'max 100000\n',
      '/sys/fs/cgroup/kubepods/pod1/cpu.max': '300000 100000\n',
      '/sys/fs/cgroup/kubepods/cpu.max': '600000 100000\n',
    };
    expect(cores(8, files)).toBe(3);
    expect(cores(2, files)).toBe(2);
  });

  it('of a group of version 1 are quota by period, under either name of its mount; -1 is no quota', () => {
    const line = '9:memory:/m\n4:cpu,cpuacct:/docker/c1\n0::/\n';
    const v1 = (mount: string, group: string, quota: string) => ({
      '/proc/self/cgroup': line,
      [`/sys/fs/cgroup/${mount}${group}/cpu.cfs_quota_us`]: `${quota}\n`,
      [`/sys/fs/cgroup/${mount}${group}/cpu.cfs_period_us`]: '100000\n',
    });
    expect(cores(8, v1('cpu,cpuacct', '/docker/c1', '250000'))).toBe(2);
    // Inside a container without a namespace of its own the path is the host's, and the files are at the root.
    expect(cores(8, v1('cpu', '', '400000'))).toBe(4);
    expect(cores(8, v1('cpu', '/docker/c1', '-1'))).toBe(8);
  });
});
