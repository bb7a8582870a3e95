/**
 * Owns: a memory cgroup (version 1 or 2) below this process's own, that holds another process to a number of bytes, its page cache included.
 * Does not: start that process, or judge how it ended.
 */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

let made = 0;

export interface MemoryGroup {
  /** With all its threads. What it took before is not counted. */
  hold(pid: number): void;
  /** Processes in it that were ended because they took more. */
  ended(): number;
  /** The most that was in use at once, bytes. */
  most(): number;
  /** When all of it have ended. */
  remove(): void;
}

/** @throws Error where this machine lets nobody make one */
export function memoryGroup(name: string, bytes: number): MemoryGroup {
  const { version, own } = ownGroup();
  const folder = join(own, `${name}-${process.pid}-${++made}`);
  mkdirSync(folder);
  const write = (file: string, value: string | number): void => writeFileSync(join(folder, file), `${value}`);
  const read = (file: string): string => readFileSync(join(folder, file), 'utf8');
  const limits = version === 1 ? ['memory.limit_in_bytes', 'memory.memsw.limit_in_bytes'] : ['memory.max', 'memory.swap.max'];
  try {
    write(limits[0], bytes);
    // Nothing may flee to the disk: in version 1 the second is of both together.
    if (existsSync(join(folder, limits[1]))) write(limits[1], version === 1 ? bytes : 0);
  } catch (error) {
    rmdirSync(folder);
    throw error;
  }
  return {
    hold: (pid) => write('cgroup.procs', pid),
    ended: () => Number(/^oom_kill (\d+)$/m.exec(read(version === 1 ? 'memory.oom_control' : 'memory.events'))?.[1]),
    most: () => Number(read(version === 1 ? 'memory.max_usage_in_bytes' : 'memory.peak')),
    remove: () => rmdirSync(folder),
  };
}

function ownGroup(): { version: 1 | 2; own: string } {
  const groups = readFileSync('/proc/self/cgroup', 'utf8');
  const first = /^\d+:(?:[^:]*,)?memory(?:,[^:]*)?:(.*)$/m.exec(groups);
  if (first !== null) return { version: 1, own: join('/sys/fs/cgroup/memory', first[1]) };
  const second = /^0::(.*)$/m.exec(groups);
  if (second === null) throw new Error('/proc/self/cgroup names no group');
  return { version: 2, own: join('/sys/fs/cgroup', second[1]) };
}
