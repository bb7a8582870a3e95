/**
 * Owns: what a run's folder holds before its run has begun: telling that there is nothing else, and taking it away.
 * Does not: take a lock (run_lock.ts) or know whether its run has begun (run_folder.ts).
 */
import { join } from 'node:path';
import { errorCode } from '../../../common/error_facts.js';
import type { FileSystem } from '../files/file_system.js';
import type { RunLock } from './run_lock.js';

/** Made with the folder. */
export const SUBFOLDERS = ['state', 'checkpoints', 'logs'];

/** In the order of removal: a folder without config.yaml is one that `isUnconfigured` takes, as long as env.json is not in it. */
const FILES = ['env.json', 'config.yaml', 'metrics.jsonl', join('logs', 'run.log')];

/** The folder of a start that died before its configuration was on the disk: nothing in it is worth keeping, and --resume could not use it. */
export async function isUnconfigured(path: string, fileSystem: FileSystem): Promise<boolean> {
  const names = await namesIn(path, ['state', 'checkpoints'], fileSystem);
  return names.every((name) => /^((lock|released)-\d+|\.tmp-.*|metrics\.jsonl)$/.test(name) || SUBFOLDERS.includes(name));
}

/** Only what a start makes before its run begins, seen by the holder of its lock. */
async function isUnbegun(path: string, fileSystem: FileSystem): Promise<boolean> {
  const names = await namesIn(path, SUBFOLDERS, fileSystem);
  return names.every((name) => /^lock-\d+$/.test(name) || FILES.includes(name) || SUBFOLDERS.includes(name));
}

/** Takes all but the lock away. Each thing goes by its name, so nothing that came in meanwhile goes with it. */
async function clearUnbegun(path: string, fileSystem: FileSystem): Promise<void> {
  const names = await namesIn(path, SUBFOLDERS, fileSystem);
  for (const name of FILES) if (names.includes(name)) await fileSystem.removeFile(join(path, name));
  for (const name of SUBFOLDERS) if (names.includes(name)) await fileSystem.removeFolder(join(path, name));
}

/** `config.yaml`, `logs`, `logs/run.log`: the folder's names, and those in the given folders of it. */
async function namesIn(path: string, folders: readonly string[], fileSystem: FileSystem): Promise<string[]> {
  const names = await fileSystem.list(path);
  const inside = await Promise.all(
    folders
      .filter((folder) => names.includes(folder))
      .map(async (folder) => (await fileSystem.list(join(path, folder))).map((name) => join(folder, name))),
  );
  return [...names, ...inside.flat()];
}

export async function createWhereAbsent(path: string, fileSystem: FileSystem): Promise<void> {
  await fileSystem.createFolder(path).catch((error: unknown) => {
    if (errorCode(error) !== 'EEXIST') throw error;
  });
}

/** Without a word where the disk refuses: why the run did not begin is what the user has to read. */
export async function discardUnbegun(path: string, lock: RunLock, fileSystem: FileSystem): Promise<void> {
  try {
    await lock.requireHeld();
    if (!(await isUnbegun(path, fileSystem))) return await lock.release();
    await clearUnbegun(path, fileSystem);
    await lock.releaseAndRemoveFolder();
  } catch (error) {
    await lock.release();
    if (errorCode(error) === '') throw error;
  }
}
