/**
 * Owns: taking over the folder of an earlier start: what of it counts, what is cleared away, and what is said of it.
 * Does not: judge a state (state/state_file.ts) or what the folder should hold (look_back.ts).
 */
import { basename, join } from 'node:path';
import { errorCode } from '../../../common/error_facts.js';
import { StorageError } from '../../../common/errors.js';
import { clearRemains } from '../files/atomic_file.js';
import { nodeFileSystem } from '../files/file_system.js';
import type { FileSystem } from '../files/file_system.js';
import { explained } from '../files/storage_error.js';
import { damagedOlder, readNewestState } from '../state/state_file.js';
import type { NewestState } from '../state/state_file.js';
import { endOfLog, hasEnded, isFolder, lostSound, lostState, movedAway, strangeLogLines } from './look_back.js';
import { asideName, openRunFolder, type RunFolder } from './run_folder.js';
import { acquireRunLock, isLockName } from './run_lock.js';
import type { LockOptions } from './run_lock.js';
import { createWhereAbsent, SUBFOLDERS } from './unbegun_folder.js';

export interface ResumedRun extends NewestState {
  run: RunFolder;
  /** What is gone, changed or no file of the run's, one sentence each. */
  findings: readonly string[];
}

/**
 * Takes over the folder of an earlier start: its lock, the newest state that verifies, the metrics cut to that state. `state` is null where no state was
 * written before the run died: it then starts from its beginning. @throws StorageError RUN_NOT_FOUND, RUN_IN_USE, STATE_DAMAGED, ...
 */
export async function resumeRunFolder({
  path,
  fileSystem = nodeFileSystem,
  ...lockOptions
}: { path: string; fileSystem?: FileSystem } & Omit<LockOptions, 'folder' | 'fileSystem'>): Promise<ResumedRun> {
  return explained(`resume ${path}`, async () => {
    await requireRun(path, fileSystem);
    const findings: string[] = [];
    const states = join(path, 'state');
    const before = await fileSystem.list(path);
    const lock = await acquireRunLock({
      folder: path,
      fileSystem,
      onForeign: (message) => findings.push(message),
      lost: async () => {
        const { runId, coordinatorEpoch: starts } =
          (await readNewestState({ folder: states, fileSystem }).catch(() => null))?.state ?? {};
        return { ...(runId !== undefined && { runId }), ...(starts !== undefined && { starts }) };
      },
      ...lockOptions,
    });
    try {
      const there = await fileSystem.list(path);
      if (!before.some(isLockName))
        findings.push(`the lock is gone: by the states that are left this is start ${lock.coordinatorEpoch}`);
      for (const folder of SUBFOLDERS) {
        const aside = asideName(folder, lock);
        if (!there.includes(folder)) findings.push(`${folder}/ was gone and is made anew`);
        else if (await movedAway(join(path, folder), join(path, aside), fileSystem))
          findings.push(`${folder} is no folder, and is ${aside} now`);
        await createWhereAbsent(join(path, folder), fileSystem);
      }
      for (const file of ['env.json', 'sound.json']) {
        if (!there.includes(file) || !(await isFolder(join(path, file), fileSystem))) continue;
        const aside = asideName(file, lock);
        await fileSystem.rename(join(path, file), join(path, aside));
        findings.push(`${file} is a folder, and is ${aside} now`);
      }
      const cleared = (
        await Promise.all(
          [path, ...SUBFOLDERS.map((folder) => join(path, folder))].map((folder) => clearRemains(folder, fileSystem)),
        )
      ).flat();
      const newest = await readNewestState({ folder: states, fileSystem, runId: lock.runId });
      if (newest.state === null && newest.rejected.length > 0) throw noneVerifies(path, newest);
      const log = await endOfLog(path, fileSystem);
      const lost = await lostState(log, states, fileSystem);
      for (const { path: file, reason } of await damagedOlder({ folder: states, fileSystem }, newest))
        findings.push(`state/${basename(file)}, which is older than the one that is taken, is damaged: ${reason}`);
      if (!there.includes('metrics.jsonl') && newest.state === null) findings.push('metrics.jsonl is gone');
      if (lost !== null) findings.push(`state/${lost}, the newest that logs/run.log knows, is gone`);
      // It was written before the first of them.
      if (!there.includes('env.json') && newest.state !== null) findings.push('env.json is gone and is written anew');
      const sound = await lostSound(path, fileSystem);
      if (sound !== null)
        findings.push(`state/${sound}, which sound.json calls sound, is gone: the next good evaluation finds another`);
      const strange = strangeLogLines(log);
      if (strange > 0) findings.push(`logs/run.log has lines that no run wrote (${strange}); they are passed over`);
      const cursor = newest.state?.metrics ?? { bytes: 0, lines: 0 };
      const passedOver = new Set(newest.rejected.map(({ path: file }) => basename(file)));
      // What was computed before is told by nothing else any more.
      const isBereft = newest.state === null && (lost !== null || !there.includes('state'));
      const best = newest.state?.progress.best?.epoch ?? null;
      // Versions that kept no best and no last model wrote no checksum of the metrics either.
      const isOlder = newest.state !== null && cursor.crc32 === undefined;
      const unkeptBest = isOlder ? best : (newest.state?.unkeptBest ?? null);
      const run = await openRunFolder({
        ...{ path, lock, fileSystem, cursor, isNew: false, passedOver, isBereft, findings },
        hadEnded: !isOlder && hasEnded(log),
        bestEpoch: best === unkeptBest ? null : best,
        unkeptBest,
      });
      run.log({
        message: 'resumed',
        ...(isOlder && { ofOlderVersion: true }),
        state: newest.path,
        rejected: newest.rejected,
        cleared,
        findings,
      });
      return { run, ...newest, findings };
    } catch (error) {
      await lock.release();
      throw error;
    }
  });
}

async function requireRun(path: string, fileSystem: FileSystem): Promise<void> {
  const fail = (what: string) =>
    new StorageError({
      code: 'RUN_NOT_FOUND',
      message: `${path} ${what}`,
      next: 'give the folder of a run, such as runs/mnist-001; ls shows those there are',
    });
  let names: string[];
  try {
    names = await fileSystem.list(path);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') throw fail('does not exist');
    if (errorCode(error) === 'ENOTDIR') throw fail('is a file, not the folder of a run');
    throw error;
  }
  if (!names.includes('config.yaml')) throw fail(`is not the folder of a run: it has no config.yaml`);
}

function noneVerifies(path: string, { rejected }: NewestState): StorageError {
  const [first, ...more] = rejected.map(({ path: file, reason }) => `${basename(file)}: ${reason}`);
  const others = more.length === 0 ? '' : `, and ${more.length} more`;
  return new StorageError({
    code: 'STATE_DAMAGED',
    message: `no state in ${path} can be trusted (${first}${others})`,
    next: `check the disk; start a new run, from a saved model with --init-from ${path}/checkpoints/... if there is one`,
  });
}
