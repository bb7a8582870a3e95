/**
 * Owns: making a run's folder, named or numbered, without ever overwriting one.
 * Does not: write into it (run_folder.ts).
 */
import { dirname, join } from 'node:path';
import { errorCode } from '../../../common/error_facts.js';
import { StorageError } from '../../../common/errors.js';
import { nodeFileSystem } from '../files/file_system.js';
import type { FileSystem } from '../files/file_system.js';
import { explained } from '../files/storage_error.js';
import { openRunFolder, type RunFolder } from './run_folder.js';
import { acquireRunLock } from './run_lock.js';
import { createWhereAbsent, discardUnbegun, isUnconfigured, SUBFOLDERS } from './unbegun_folder.js';

export interface NewRun {
  /** `runs`; made if absent. */
  parent: string;
  /** `mnist`: the run is `mnist-001`, or the next free number. */
  configName: string;
  /** `--name`: exactly this; null to number. */
  name: string | null;
  fileSystem?: FileSystem;
}

/** Makes a new run folder and takes its lock. @throws StorageError RUN_EXISTS, RUN_FOLDER_READ_ONLY, DISK_FULL, ... */
export async function createRunFolder({ parent, configName, name, fileSystem = nodeFileSystem }: NewRun): Promise<RunFolder> {
  return explained(`create a run folder in ${parent}`, async () => {
    await createFolders(parent, fileSystem);
    const path =
      name === null ? await createNumbered(parent, configName, fileSystem) : await createNamed(parent, name, fileSystem);
    const lock = await acquireRunLock({ folder: path, fileSystem });
    try {
      for (const folder of SUBFOLDERS) await createWhereAbsent(join(path, folder), fileSystem);
      await fileSystem.syncFolder(path);
      await fileSystem.syncFolder(parent);
      return await openRunFolder({ path, lock, fileSystem, cursor: { bytes: 0, lines: 0 }, isNew: true });
    } catch (error) {
      await discardUnbegun(path, lock, fileSystem);
      throw error;
    }
  });
}

async function createFolders(path: string, fileSystem: FileSystem): Promise<void> {
  try {
    await fileSystem.createFolder(path);
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return;
    if (errorCode(error) !== 'ENOENT' || dirname(path) === path) throw error;
    await createFolders(dirname(path), fileSystem);
    await fileSystem.createFolder(path);
  }
}

async function createNamed(parent: string, name: string, fileSystem: FileSystem): Promise<string> {
  const path = join(parent, name);
  try {
    await fileSystem.createFolder(path, 'owner');
    return path;
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error;
    if (await isLeftOver(path, fileSystem)) return path;
    throw new StorageError({
      code: 'RUN_EXISTS',
      message: `${path} exists, and a run never overwrites another`,
      next: `continue it with --resume ${path}, or choose another --name`,
    });
  }
}

async function isLeftOver(path: string, fileSystem: FileSystem): Promise<boolean> {
  return isUnconfigured(path, fileSystem).catch((error: unknown) => {
    if (errorCode(error) === 'ENOTDIR') return false;
    throw error;
  });
}

async function createNumbered(parent: string, configName: string, fileSystem: FileSystem): Promise<string> {
  const taken = (await fileSystem.list(parent)).flatMap((name) => {
    const number = name.startsWith(`${configName}-`) ? name.slice(configName.length + 1) : '';
    return /^\d{3,9}$/.test(number) ? [Number(number)] : [];
  });
  for (let number = Math.max(0, ...taken) + 1; ; number++) {
    const path = join(parent, `${configName}-${String(number).padStart(3, '0')}`);
    try {
      await fileSystem.createFolder(path, 'owner');
      return path;
    } catch (error) {
      // Another run took the number since we looked.
      if (errorCode(error) !== 'EEXIST') throw error;
    }
  }
}
