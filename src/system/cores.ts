/**
 * Owns: how many processor cores this process may use: those of its affinity, and no more than its control group's quota.
 * Does not: decide what to do with them (api/devices.ts). Newer versions of Node count a quota themselves, older ones do not; the default number of threads is
 * part of the bits of a result, so it must not depend on that.
 */
import { availableParallelism } from 'node:os';
import { controlGroups, readText, type ControlGroup, type ReadText } from './control_groups.js';

export interface CoreSources {
  readonly parallelism: number;
  readonly read: ReadText;
}

/** At least 1. A quota of one core and a half counts as one. */
export function availableCores({ parallelism, read }: CoreSources = systemSources()): number {
  return Math.max(1, Math.floor(Math.min(parallelism, coreQuota(read))));
}

function systemSources(): CoreSources {
  return { parallelism: availableParallelism(), read: process.platform === 'linux' ? readText : () => null };
}

/** Cores, of the tightest group that this process is in; Infinity without a quota. */
export function coreQuota(read: ReadText): number {
  return Math.min(Infinity, ...controlGroups('cpu', read).map((group) => quotaOf(group, read)));
}

function quotaOf({ version, folder }: ControlGroup, read: ReadText): number {
  // `max 100000`, `150000 100000`: quota and period, µs. Version 1 says −1 for none.
  if (version === 2) {
    const [, quotaUs, periodUs] = /^(\d+) (\d+)/.exec(read(`${folder}/cpu.max`) ?? '') ?? [];
    return ratio(quotaUs, periodUs);
  }
  const file = (name: string): string | undefined => /^\d+/.exec(read(`${folder}/${name}`) ?? '')?.[0];
  return ratio(file('cpu.cfs_quota_us'), file('cpu.cfs_period_us'));
}

function ratio(quotaUs: string | undefined, periodUs: string | undefined): number {
  const cores = Number(quotaUs) / Number(periodUs);
  return Number.isFinite(cores) && cores > 0 ? cores : Infinity;
}
