/**
 * Owns: telling one process from another over time: a process id alone is given out again.
 * Does not: lock anything (run_lock.ts).
 */
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { errorCode } from '../../../common/error_facts.js';

export interface ProcessIdentity {
  pid: number;
  /** Start time since boot in the system's ticks; null where the system does not tell (no /proc). */
  startedAt: string | null;
  /** Host, boot and process-id namespace: only within one scope can we ask whether a process lives. */
  scope: string;
}

export interface ProcessTable {
  self(): ProcessIdentity;
  /** Whether that very process lives; null when it is of another scope and cannot be asked. */
  isAlive(identity: ProcessIdentity): boolean | null;
}

export const systemProcesses: ProcessTable = {
  self: () => ({ pid: process.pid, startedAt: startTimeOf(process.pid), scope: ownScope() }),
  isAlive({ pid, startedAt, scope }) {
    if (scope !== ownScope()) return null;
    try {
      process.kill(pid, 0);
    } catch (error) {
      // EPERM: it lives, under another user.
      if (errorCode(error) !== 'EPERM') return false;
    }
    return startedAt === null || startTimeOf(pid) === startedAt;
  },
};

function ownScope(): string {
  const boot = readOrNull(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim());
  const namespace = readOrNull(() => readlinkSync('/proc/self/ns/pid'));
  return [hostname(), boot ?? 'unknown boot', namespace ?? 'no namespace'].join(' · ');
}

/** Field 22 of /proc/PID/stat; the second field may itself hold spaces and parentheses. */
function startTimeOf(pid: number): string | null {
  const stat = readOrNull(() => readFileSync(`/proc/${pid}/stat`, 'utf8'));
  return stat === null ? null : (stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null);
}

function readOrNull(read: () => string): string | null {
  try {
    return read();
  } catch {
    return null;
  }
}
