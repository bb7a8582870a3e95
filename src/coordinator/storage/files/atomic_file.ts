/**
 * Owns: the procedure by which a file, or a folder of files, appears whole or not at all, whatever dies when.
 * Does not: know what is in them. Next hop: state/state_file.ts, state/checkpoint.ts.
 *
 * Temporary name (exclusive) → write, checking the count → fsync → rename (the name may hold the digest) → fsync of the folder.
 * Only after that may a caller delete what the new file replaces.
 */
import { createHash, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { LIMITS } from '../../../common/limits.js';
import { failPoint } from './fail_point.js';
import type { FileSystem, OpenFile } from './file_system.js';

/** Everything with this prefix is the remains of a process that died while writing. */
export const TEMPORARY_PREFIX = '.tmp-';

export interface AtomicFile {
  path: string;
  /** SHA-256 (hex) of the whole file. */
  sha256: string;
  bytes: number;
}

export interface AtomicWrite {
  folder: string;
  /** The final name; receives the SHA-256 (hex) of the content. */
  name: (sha256: string) => string;
  /** The content, in order. Not copied: must not change until the promise settles. */
  parts: readonly Uint8Array[];
  /** Prefix of the fail points: `state`, `checkpoint`, `file`. */
  point: string;
  fileSystem: FileSystem;
  /** Called when all bytes are on the disk and before the name appears; a throw leaves no trace of the file. */
  beforeRename?: () => Promise<void>;
}

/** Resolves when the file is on the disk under its name. After a rejection the folder holds what it held before (but a temporary file if removing that failed too). */
export async function writeFileAtomically({
  folder,
  name,
  parts,
  point,
  fileSystem,
  beforeRename,
}: AtomicWrite): Promise<AtomicFile> {
  const temporary = join(folder, temporaryName());
  let renamed = false;
  try {
    const { sha256, bytes } = await writeNewFile({ path: temporary, parts, point, fileSystem });
    await beforeRename?.();
    const path = join(folder, name(sha256));
    failPoint(`${point}.rename`);
    await fileSystem.rename(temporary, path);
    renamed = true;
    failPoint(`${point}.renamed`);
    await fileSystem.syncFolder(folder);
    return { path, sha256, bytes };
  } catch (error) {
    if (!renamed) await ignoreFailure(fileSystem.removeFile(temporary));
    throw error;
  }
}

export interface FolderFile {
  name: string;
  parts: readonly Uint8Array[];
}

/** Like `writeFileAtomically` for a folder of files. An existing folder of that name is replaced. */
export async function writeFolderAtomically(write: {
  parent: string;
  name: string;
  files: readonly FolderFile[];
  point: string;
  fileSystem: FileSystem;
}): Promise<string> {
  const { parent, name, files, point, fileSystem } = write;
  const temporary = join(parent, temporaryName());
  const path = join(parent, name);
  let renamed = false;
  let replaced: string | null = null;
  await fileSystem.createFolder(temporary);
  try {
    for (const file of files) await writeNewFile({ path: join(temporary, file.name), parts: file.parts, point, fileSystem });
    await fileSystem.syncFolder(temporary);
    failPoint(`${point}.rename`);
    replaced = await moveAway(parent, name, fileSystem);
    await fileSystem.rename(temporary, path);
    renamed = true;
    failPoint(`${point}.renamed`);
    await fileSystem.syncFolder(parent);
    if (replaced !== null) {
      failPoint(`${point}.delete`);
      await ignoreFailure(removeFlatFolder(replaced, fileSystem));
    }
    return path;
  } catch (error) {
    if (!renamed && replaced !== null) await ignoreFailure(fileSystem.rename(replaced, path));
    if (!renamed) await ignoreFailure(removeFlatFolder(temporary, fileSystem));
    throw error;
  }
}

/**
 * Clears what dead writers left in a folder: removes temporary files and folders, and puts back a folder that was moved away but whose
 * successor never got its name. Only the holder of the run's lock may call it.
 */
export async function clearRemains(folder: string, fileSystem: FileSystem): Promise<string[]> {
  const names = await fileSystem.list(folder);
  const cleared: string[] = [];
  for (const name of names) {
    const path = join(folder, name);
    const replaced = REPLACED_NAME.exec(name);
    if (replaced !== null && !names.includes(replaced[1])) {
      await fileSystem.rename(path, join(folder, replaced[1]));
    } else if (replaced !== null || name.startsWith(TEMPORARY_PREFIX)) {
      await fileSystem.removeFile(path).catch(() => removeFlatFolder(path, fileSystem));
    } else continue;
    cleared.push(name);
  }
  return cleared;
}

/** Reads a whole file of at most `maxBytes`; null where it is longer. `own`: only a run writes it, and no link is followed. */
export async function readWholeFile(
  path: string,
  maxBytes: number,
  fileSystem: FileSystem,
  whose?: 'own',
): Promise<Uint8Array | null> {
  const file = await fileSystem.open(path, whose === 'own' ? 'read_own' : 'read');
  try {
    const size = await file.size();
    if (size > maxBytes) return null;
    const bytes = new Uint8Array(size);
    const got = await readAll(file, bytes, 0);
    return bytes.subarray(0, got);
  } finally {
    await file.close();
  }
}

/** Fills `into` from `position`; returns the bytes read, fewer only at the end of the file. */
export async function readAll(file: Pick<OpenFile, 'read'>, into: Uint8Array, position: number): Promise<number> {
  let done = 0;
  while (done < into.byteLength) {
    const got = await file.read(into.subarray(done), position + done);
    if (got === 0) break;
    done += got;
  }
  return done;
}

/** Writes all bytes or throws; a disk that takes none without an error counts as full. */
export async function writeAll(file: Pick<OpenFile, 'write'>, bytes: Uint8Array, position: number): Promise<void> {
  let done = 0;
  while (done < bytes.byteLength) {
    const written = await file.write(bytes.subarray(done), position + done);
    if (written <= 0)
      throw Object.assign(new Error('ENOSPC: the disk took no more bytes, write'), { code: 'ENOSPC', syscall: 'write' });
    done += written;
  }
}

/** Views of at most `LIMITS.storageSliceBytes`, so that neither hashing nor writing holds the event loop for long. */
function* slices(parts: readonly Uint8Array[]): Generator<Uint8Array> {
  for (const part of parts)
    for (let start = 0; start < part.byteLength; start += LIMITS.storageSliceBytes)
      yield part.subarray(start, Math.min(part.byteLength, start + LIMITS.storageSliceBytes));
}

/** SHA-256 (hex) of the parts, one slice per turn of the event loop. */
export async function hashParts(parts: readonly Uint8Array[]): Promise<string> {
  const hash = createHash('sha256');
  for (const slice of slices(parts)) {
    hash.update(slice);
    await setImmediate();
  }
  return hash.digest('hex');
}

async function writeNewFile({
  path,
  parts,
  point,
  fileSystem,
}: {
  path: string;
  parts: readonly Uint8Array[];
  point: string;
  fileSystem: FileSystem;
}) {
  const hash = createHash('sha256');
  let bytes = 0;
  const file = await fileSystem.open(path, 'create');
  try {
    for (const slice of slices(parts)) {
      hash.update(slice);
      await writeAll(file, slice, bytes);
      bytes += slice.byteLength;
      failPoint(`${point}.write`);
    }
    failPoint(`${point}.fsync`);
    await file.sync();
  } catch (error) {
    await ignoreFailure(file.close());
    throw error;
  }
  // Not in a finally: some file systems report a failed write only here.
  await file.close();
  return { sha256: hash.digest('hex'), bytes };
}

const REPLACED_NAME = /^\.old-(.+)-[0-9a-f]{12}$/;

async function moveAway(parent: string, name: string, fileSystem: FileSystem): Promise<string | null> {
  if (!(await fileSystem.list(parent)).includes(name)) return null;
  const aside = join(parent, `.old-${name}-${randomBytes(6).toString('hex')}`);
  await fileSystem.rename(join(parent, name), aside);
  return aside;
}

async function removeFlatFolder(folder: string, fileSystem: FileSystem): Promise<void> {
  for (const name of await fileSystem.list(folder)) await fileSystem.removeFile(join(folder, name));
  await fileSystem.removeFolder(folder);
}

function temporaryName(): string {
  return `${TEMPORARY_PREFIX}${process.pid}-${randomBytes(6).toString('hex')}`;
}

/** For tidying up after an error that is already on its way to the user: a second one would hide it. */
async function ignoreFailure(work: Promise<unknown>): Promise<void> {
  await work.catch(() => undefined);
}
