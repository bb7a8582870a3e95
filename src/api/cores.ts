/**
 * Owns: how many processor cores this process may use: those of its affinity, and no more than its control group's quota.
 * Does not: decide what to do with them (devices.ts). Newer versions of Node count a quota themselves, older ones do not; the default number of threads is
 * part of the bits of a result, so it must not depend on that.
 */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';

export interface CoreSources {
  readonly parallelism: number;
  /** Text of a file, null where it cannot be read. */
  readonly read: (path: string) => string | null;
}

/** At least 1. A quota of one core and a half counts as one. */
export function availableCores({ parallelism, read }: CoreSources = systemSources()): number {
  return Math.max(1, Math.floor(Math.min(parallelism, quota(read))));
}

function systemSources(): CoreSources {
  const read = (path: string): string | null => {
    try {
      return readFileSync(path, 'utf8');
    } catch {
      return null;
    }
  };
  return { parallelism: availableParallelism(), read: process.platform === 'linux' ? read : () => null };
}

/** Cores, of the tightest group that this process is in; Infinity without a quota. Lines of /proc/self/cgroup: `0::/path` (v2), `4:cpu,cpuacct:/path` (v1). */
function quota(read: CoreSources['read']): number {
  let least = Infinity;
  for (const line of (read('/proc/self/cgroup') ?? '').split('\n')) {
    const [, controllers, path] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    if (path === undefined) continue;
    if (controllers === '') least = Math.min(least, ...ancestors(path).map((group) => quotaV2(read, group)));
    else if (controllers.split(',').includes('cpu'))
      least = Math.min(least, ...ancestors(path).map((group) => quotaV1(read, controllers, group)));
  }
  return least;
}

/** `/a/b` → /a/b, /a, /: a quota of any of them holds. A container may see its own group as the root. */
function ancestors(path: string): string[] {
  return dirname(path) === path ? [path] : [path, ...ancestors(dirname(path))];
}

/** `max 100000`, `150000 100000`: quota and period, µs. */
function quotaV2(read: CoreSources['read'], group: string): number {
  const [, quotaUs, periodUs] = /^(\d+) (\d+)/.exec(read(join('/sys/fs/cgroup', group, 'cpu.max')) ?? '') ?? [];
  return ratio(quotaUs, periodUs);
}

/** −1 is no quota. Hybrid systems name the mount by all controllers, or by `cpu` alone. */
function quotaV1(read: CoreSources['read'], controllers: string, group: string): number {
  for (const mount of new Set([controllers, 'cpu'])) {
    const file = (name: string): string | undefined => /^\d+/.exec(read(join('/sys/fs/cgroup', mount, group, name)) ?? '')?.[0];
    const cores = ratio(file('cpu.cfs_quota_us'), file('cpu.cfs_period_us'));
    if (cores !== Infinity) return cores;
  }
  return Infinity;
}

function ratio(quotaUs: string | undefined, periodUs: string | undefined): number {
  const cores = Number(quotaUs) / Number(periodUs);
  return Number.isFinite(cores) && cores > 0 ? cores : Infinity;
}
