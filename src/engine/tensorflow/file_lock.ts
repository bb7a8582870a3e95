/**
 * Owns: one holder at a time of a file, among the processes of a machine, by the kernel's own lock (flock): it ends with its holder, however
 * that ends, so there are no stale ones to judge. Does not: guard against threads of the same process that do not use it.
 */
import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { openLibrary } from '../capi/ffi.js';

const LOCK_EXCLUSIVE = 2;
const LOCK_NO_WAIT = 4;
const POLL_MS = 500;

/**
 * Runs `work` while holding the lock at `path`. If another process holds it, calls `onWait` once with that process's number (as far as it can be
 * read) and waits for as long as it holds it.
 */
export async function withFileLock<Result>(
  path: string,
  onWait: (pid: string) => void,
  work: () => Promise<Result>,
): Promise<Result> {
  const flock = openLibrary(null).func('flock', 'int', ['int', 'int']) as (fd: number, operation: number) => number;
  const file = openSync(path, 'a+');
  try {
    if (flock(file, LOCK_EXCLUSIVE | LOCK_NO_WAIT) !== 0) {
      onWait(readFileSync(path, 'utf8').trim());
      do await sleep(POLL_MS);
      while (flock(file, LOCK_EXCLUSIVE | LOCK_NO_WAIT) !== 0);
    }
    ftruncateSync(file);
    writeSync(file, `${process.pid}\n`);
    return await work();
  } finally {
    // Closing it unlocks it. The file stays: removing it would let two holders hold two files of one name.
    closeSync(file);
  }
}
