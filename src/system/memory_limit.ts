/**
 * Owns: how much memory this process may take: what its cgroup allows, else what the machine has; and sizes as people write them.
 */
import { totalmem } from 'node:os';
import { UsageError } from '../common/errors.js';
import { controlGroups, readText, type ReadText } from './control_groups.js';

/** A process that takes this share of what there is will be killed without a word soon. */
const SHARE = 0.9;

/** Bytes: the smaller of what the cgroup, or one above it, allows and what the machine has. */
export function availableMemory(read: ReadText = readText, machine = totalmem()): number {
  return Math.min(machine, memoryQuota(read));
}

/** Bytes that the tightest control group allows; Infinity where none says. */
export function memoryQuota(read: ReadText): number {
  const limits = controlGroups('memory', read).map(({ version, folder }) => {
    const bytes = Number(read(`${folder}/${version === 2 ? 'memory.max' : 'memory.limit_in_bytes'}`) ?? NaN);
    // `max` is no number, and version 1 says nearly 2^63 for none.
    return Number.isFinite(bytes) && bytes > 0 && bytes < 2 ** 62 ? bytes : Infinity;
  });
  return Math.min(Infinity, ...limits);
}

export function defaultMaxMemory(): number {
  return Math.floor(SHARE * availableMemory());
}

const UNITS: Record<string, number> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };
const MIN_BYTES = 64 * 2 ** 20;

/** `8G`, `500M`, `2GiB`. @throws UsageError VALUE_INVALID */
export function parseMemory(text: string, flag: string): number {
  const [, number = '', unit = ''] = /^(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?$/i.exec(text.trim()) ?? [];
  const bytes = Number(number || NaN) * UNITS[unit.toUpperCase()];
  if (bytes >= MIN_BYTES && Number.isSafeInteger(Math.floor(bytes))) return Math.floor(bytes);
  throw new UsageError({
    code: 'VALUE_INVALID',
    message: `${flag} wants a size of at least 64M, found ${text}`,
    next: `For example ${flag} 8G.`,
  });
}
