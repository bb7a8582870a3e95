/**
 * Owns: how many bytes of memory a process has resident.
 * Does not: know whose.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** Null for a process that is gone. */
export function residentBytes(pid) {
  try {
    if (process.platform !== 'linux')
      return 1024 * Number(execFileSync('ps', ['-o', 'rss=', '-p', String(pid)], { encoding: 'utf8' }));
    const kib = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return kib === undefined ? null : 1024 * Number(kib);
  } catch {
    return null;
  }
}
