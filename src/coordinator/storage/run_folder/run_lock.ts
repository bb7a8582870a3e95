/**
 * Owns: that one process at a time drives a run, and the count of such starts (the coordinator epoch, which fences the ones before).
 * Does not: know what else is in the folder (run_folder.ts).
 *
 * The file `lock-000003` is the third start; it appears with its content by link(2), which lets exactly one of two rivals win. Releasing renames
 * it to `released-000003`, so the count is never lost. A holder that died is seen by its process id and start time; one on another host by its
 * silence: a holder touches its file every few seconds. Reboots and containers count as other hosts.
 */
import { randomUUID } from 'node:crypto';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { StorageError } from '../../../common/errors.js';
import { LIMITS } from '../../../common/limits.js';
import { readWholeFile, TEMPORARY_PREFIX, writeAll } from '../files/atomic_file.js';
import { errorCode } from '../../../common/error_facts.js';
import type { FileSystem } from '../files/file_system.js';
import { systemProcesses } from './process_identity.js';
import type { ProcessTable } from './process_identity.js';

export interface RunLock {
  /** +1 at every start on this run, from 1. */
  readonly coordinatorEpoch: number;
  /** Random, and the same at every start on this run: another run of the same name has another. */
  readonly runId: string;
  /** @throws StorageError RUN_TAKEN_OVER when a later start holds the run, RUN_FOLDER_GONE when nobody does: this one must not write any more. */
  requireHeld(): Promise<void>;
  /** Idempotent. */
  release(): Promise<void>;
  /** Releases and removes the folder, which must hold the lock alone; where it does not, or a rival came, the folder stays. Keeps no count. */
  releaseAndRemoveFolder(): Promise<void>;
}

export interface LockOptions {
  folder: string;
  fileSystem: FileSystem;
  processes?: ProcessTable;
  wait?: (ms: number) => Promise<unknown>;
  /** Told once when another host's lock has to be watched before it counts as abandoned. */
  onWaiting?: (message: string) => void;
  /** Told of what is no file, in place of a lock. */
  onForeign?: (message: string) => void;
  /** The run's id, and the starts so far, where no lock tells them any more. */
  lost?: () => Promise<{ readonly runId?: string; readonly starts?: number }>;
}

const holderSchema = z.object({
  pid: z.int(),
  startedAt: z.string().nullable(),
  scope: z.string(),
  token: z.string(),
  run: z.string().max(100).optional(),
});
type Holder = z.infer<typeof holderSchema>;

/** Locks held by this process: its own file must look alive to itself only while it is in here. */
const heldTokens = new Set<string>();

/** @throws StorageError RUN_IN_USE */
export async function acquireRunLock(options: LockOptions): Promise<RunLock> {
  const { folder, fileSystem, processes = systemProcesses } = options;
  const token = randomUUID();
  for (;;) {
    const before = await newest(options);
    if (before?.state === 'lock') await requireAbandoned(options, before.number);
    const recorded = await recordedRunId(options);
    const lost = before === null || recorded === undefined ? await options.lost?.() : undefined;
    // Beginning from 1 again, this start would count as older than the states that it goes on from.
    const number = (before?.number ?? lost?.starts ?? 0) + 1;
    const runId = recorded ?? lost?.runId ?? randomUUID();
    const holder: Holder = { ...processes.self(), token, run: runId };
    if (!(await claim(options, number, holder))) continue;
    // A rival may have come and gone with this very number between our look and our claim.
    const rivals = (await entries(options)).filter(
      (entry) => entry.number > number || (entry.number === number && entry.state === 'released'),
    );
    if (rivals.length > 0) {
      await fileSystem.removeFile(join(folder, fileName('lock', number)));
      continue;
    }
    await removeOlder(options, number);
    heldTokens.add(token);
    return heldLock(options, { number, token, runId });
  }
}

function heldLock(options: LockOptions, { number, token, runId }: { number: number; token: string; runId: string }): RunLock {
  const { folder, fileSystem } = options;
  const path = join(folder, fileName('lock', number));
  let released = false;
  /** Where ours was deleted while this process was stopped, a rival's may have the same number. */
  const isOurs = async (): Promise<boolean> => {
    const holder = await readHolder(path, fileSystem);
    return typeof holder === 'object' && holder?.token === token;
  };
  // A beat that fails shows at the next requireHeld, with the reason; a deleted folder must not end the process from a timer.
  const beat = setInterval(() => void fileSystem.touch(path).catch(() => undefined), LIMITS.lockBeatMs);
  beat.unref();
  const release = async (letGo: () => Promise<void>): Promise<void> => {
    if (released) return;
    released = true;
    clearInterval(beat);
    heldTokens.delete(token);
    try {
      await letGo();
    } catch (error) {
      // A folder deleted or gone read-only: our process id in the file says all that is needed.
      if (errorCode(error) === '') throw error;
    }
  };
  return {
    coordinatorEpoch: number,
    runId,
    async requireHeld() {
      const top = await newest(options);
      if (top?.number === number && top.state === 'lock' && (await isOurs())) return;
      // No rival has one either: somebody is deleting the folder, file by file, or has deleted this one.
      if (top === null) {
        throw new StorageError({
          code: 'RUN_FOLDER_GONE',
          message: `the lock of ${folder} was deleted; nothing more is written here`,
          next: 'do not move or delete a run folder or a file in it while its run is on; start again with --resume if it still exists',
        });
      }
      throw new StorageError({
        code: 'RUN_TAKEN_OVER',
        message: `another process took over ${folder} (start ${top.number}, this one is ${number}); nothing more is written here`,
        next: 'let the other one go on; this one was silent too long or its lock was deleted',
      });
    },
    release: () =>
      release(async () => {
        if (!(await isOurs())) return;
        await fileSystem.rename(path, join(folder, fileName('released', number)));
        await fileSystem.syncFolder(folder);
      }),
    releaseAndRemoveFolder: () =>
      release(async () => {
        if (!(await isOurs())) return;
        await fileSystem.removeFile(path);
        // Only an empty folder goes: one that a rival has claimed since has its lock in it.
        await fileSystem.removeFolder(folder);
        await fileSystem.syncFolder(dirname(folder));
      }),
  };
}

/** Makes the lock file appear whole; false when a rival was first. */
async function claim({ folder, fileSystem }: LockOptions, number: number, holder: Holder): Promise<boolean> {
  const temporary = join(folder, `${TEMPORARY_PREFIX}lock-${holder.token}`);
  const path = join(folder, fileName('lock', number));
  await writeHolder(temporary, holder, fileSystem);
  try {
    await fileSystem.link(temporary, path).catch(async (error: unknown) => {
      // Some network file systems have no links; there a rival may see the file before its content, and waits.
      if (!['EPERM', 'ENOTSUP', 'ENOSYS', 'EMLINK'].includes(errorCode(error))) throw error;
      await writeHolder(path, holder, fileSystem);
    });
    await fileSystem.syncFolder(folder);
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw error;
  } finally {
    await fileSystem.removeFile(temporary);
  }
}

async function writeHolder(path: string, holder: Holder, fileSystem: FileSystem): Promise<void> {
  const file = await fileSystem.open(path, 'create');
  try {
    await writeAll(file, Buffer.from(`${JSON.stringify(holder)}\n`), 0);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function requireAbandoned(options: LockOptions, number: number): Promise<void> {
  const { folder, fileSystem, processes = systemProcesses, wait = sleep, onWaiting } = options;
  const path = join(folder, fileName('lock', number));
  const holder = await readHolder(path, fileSystem);
  if (holder === 'gone') return;
  if (holder === 'foreign') return options.onForeign?.(`${basename(path)} is no file and was passed over`);
  const where = holder === null ? 'an unreadable lock' : `process ${holder.pid} on ${holder.scope.split(' · ')[0]}`;
  const inUse = (next: string) => new StorageError({ code: 'RUN_IN_USE', message: `${folder} is in use by ${where}`, next });
  if (holder !== null) {
    const self = processes.self();
    const isSelf = holder.pid === self.pid && holder.startedAt === self.startedAt && holder.scope === self.scope;
    const alive = isSelf ? heldTokens.has(holder.token) : processes.isAlive(holder);
    if (alive === false) return;
    if (alive === true) throw inUse('wait for it to end or stop it, or start another run with another --name');
  }
  onWaiting?.(
    `${folder} was in use by ${where}, which cannot be asked from here; watching for ${LIMITS.lockSilenceMs / 1000} s whether it still lives`,
  );
  const before = await fileSystem.modifiedMs(path);
  await wait(LIMITS.lockSilenceMs);
  let after: number;
  try {
    after = await fileSystem.modifiedMs(path);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return;
    throw error;
  }
  if (after !== before) throw inUse('stop it there, or start another run with another --name');
}

/** As the newest lock that can be read has it. */
async function recordedRunId(options: LockOptions): Promise<string | undefined> {
  const { folder, fileSystem } = options;
  const newestFirst = (await entries(options)).sort((a, b) => b.number - a.number);
  for (const { state, number } of newestFirst) {
    const holder = await readHolder(join(folder, fileName(state, number)), fileSystem);
    if (typeof holder === 'object' && holder?.run !== undefined) return holder.run;
  }
  return undefined;
}

/** Null for a file that cannot be understood, `foreign` for what is no file. */
async function readHolder(path: string, fileSystem: FileSystem): Promise<Holder | null | 'gone' | 'foreign'> {
  try {
    const bytes = await readWholeFile(path, 4096, fileSystem, 'own');
    const checked = holderSchema.safeParse(JSON.parse(Buffer.from(bytes ?? []).toString()));
    return checked.success ? checked.data : null;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return 'gone';
    if (errorCode(error) === 'ENOTFILE') return 'foreign';
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

interface LockEntry {
  state: 'lock' | 'released';
  number: number;
}

async function newest(options: LockOptions): Promise<LockEntry | null> {
  const all = await entries(options);
  return all.reduce<LockEntry | null>((top, entry) => (top === null || entry.number > top.number ? entry : top), null);
}

const LOCK_NAME = /^(lock|released)-(\d{6,15})$/;

/** Held or released. */
export const isLockName = (name: string): boolean => LOCK_NAME.test(name);

async function entries({ folder, fileSystem }: LockOptions): Promise<LockEntry[]> {
  return (await fileSystem.list(folder)).flatMap((name) => {
    const match = LOCK_NAME.exec(name);
    return match === null ? [] : [{ state: match[1] as LockEntry['state'], number: Number(match[2]) }];
  });
}

async function removeOlder(options: LockOptions, number: number): Promise<void> {
  for (const entry of await entries(options)) {
    if (entry.number >= number) continue;
    await options.fileSystem.removeFile(join(options.folder, fileName(entry.state, entry.number))).catch((error: unknown) => {
      // A folder in its place stays.
      if (!['ENOENT', 'EISDIR', 'EPERM'].includes(errorCode(error))) throw error;
    });
  }
}

function fileName(state: LockEntry['state'], number: number): string {
  return `${state}-${String(number).padStart(6, '0')}`;
}
