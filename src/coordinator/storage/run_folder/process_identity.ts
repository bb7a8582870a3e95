/**
 * Owns: telling one process from another over time: a process id alone is given out again.
 * Does not: lock anything (run_lock.ts).
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
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
    if (isEndedOnly(pid)) return false;
    return startedAt === null || startTimeOf(pid) === startedAt;
  },
};

function ownScope(): string {
  const boot = readOrNull(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim());
  const namespace = readOrNull(() => readlinkSync('/proc/self/ns/pid'));
  return [hostname(), boot ?? 'unknown boot', namespace ?? 'no namespace'].join(' · ');
}

function startTimeOf(pid: number): string | null {
  return statOf(pid)[19] ?? null;
}

/** It has ended, threads and all, and is still listed because its parent has not asked for its end: one that never does is common in containers. */
function isEndedOnly(pid: number): boolean {
  const [state] = statOf(pid);
  if (state !== 'Z' && state !== 'X') return false;
  return (readOrNull(() => readdirSync(`/proc/${pid}/task`)) ?? []).length <= 1;
}

/** From the third field of /proc/PID/stat on, the state; the second may itself hold spaces and parentheses. Empty where the system does not tell. */
function statOf(pid: number): string[] {
  const stat = readOrNull(() => readFileSync(`/proc/${pid}/stat`, 'utf8'));
  return stat === null ? [] : stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}

function readOrNull<Value>(read: () => Value): Value | null {
  try {
    return read();
  } catch {
    return null;
  }
}
