/**
 * Owns: the control groups that this process is in, as folders: its own, and those above it, whose limits hold too.
 * Does not: read their limits.
 */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Text of a file, null where it cannot be read. */
export type ReadText = (path: string) => string | null;

export function readText(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}

export interface ControlGroup {
  readonly version: 1 | 2;
  readonly folder: string;
}

const MOUNT = '/sys/fs/cgroup';

/**
 * The process's own group first. Lines of /proc/self/cgroup: `0::/path` (version 2), `4:cpu,cpuacct:/path` (version 1; hybrid systems name the mount by
 * all controllers, or by one alone). The root is always among them: a container may see its own group there, whatever that file says.
 */
export function controlGroups(controller: 'cpu' | 'memory' | 'pids', read: ReadText = readText): ControlGroup[] {
  const groups: ControlGroup[] = [];
  for (const line of (read('/proc/self/cgroup') ?? '').split('\n')) {
    const [, controllers, path] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    if (path === undefined) continue;
    if (controllers === '') groups.push(...ancestors(path).map((group) => ({ version: 2 as const, folder: join(MOUNT, group) })));
    else if (controllers.split(',').includes(controller))
      for (const mount of new Set([controllers, controller]))
        groups.push(...ancestors(path).map((group) => ({ version: 1 as const, folder: join(MOUNT, mount, group) })));
  }
  groups.push({ version: 2, folder: MOUNT }, { version: 1, folder: join(MOUNT, controller) });
  const seen = new Set<string>();
  return groups
    .map(({ version, folder }) => ({ version, folder: folder.replace(/\/$/, '') }))
    .filter(({ version, folder }) => {
      const key = `${version} ${folder}`;
      return !seen.has(key) && seen.add(key);
    });
}

/** `/a/b` → /a/b, /a, /. */
function ancestors(path: string): string[] {
  return dirname(path) === path ? [path] : [path, ...ancestors(dirname(path))];
}
