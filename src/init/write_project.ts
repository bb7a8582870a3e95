/** Owns: putting a project's files on the disk: all of them or none, and never over one that is there. */
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { errorMessage } from '../common/error_facts.js';
import { EnvironmentError, UsageError } from '../common/errors.js';
import { makeFolder } from '../system/make_folder.js';
import type { ProjectFile } from './project.js';

/** @returns their paths. @throws UsageError FILES_EXIST, EnvironmentError FILES_NOT_WRITABLE */
export function writeProject(folder: string, files: readonly ProjectFile[]): string[] {
  const paths = files.map(({ name }) => join(folder, name));
  const there = paths.filter((path) => existsSync(path));
  if (there.length > 0) {
    throw new UsageError({
      code: 'FILES_EXIST',
      message: `${there.join(' and ')} ${there.length === 1 ? 'is' : 'are'} there already, and nothing is written over a file`,
      next: 'Name another folder (tfjs-parallel init FOLDER), or move what is there.',
    });
  }
  const written: string[] = [];
  try {
    makeFolder(folder);
    files.forEach(({ text }, at) => {
      // Exclusive: another process may have made it since.
      writeFileSync(paths[at], text, { flag: 'wx' });
      written.push(paths[at]);
    });
  } catch (cause) {
    for (const path of written) rmSync(path, { force: true });
    throw new EnvironmentError({
      code: 'FILES_NOT_WRITABLE',
      message: `${folder} cannot be written: ${errorMessage(cause)}`,
      next: 'Name a folder that you may write to: tfjs-parallel init FOLDER.',
      cause,
    });
  }
  return paths;
}
