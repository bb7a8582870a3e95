/**
 * Owns: the dozen file-system calls that durable files are made of, as an interface, and their real implementation.
 * Does not: decide an order of calls (atomic_file.ts does). Tests pass a `FileSystem` that fails or crashes at the n-th call.
 *
 * Writes are positional, so that a write that failed half-way can be repeated over its own remains.
 */
import { link, lstat, mkdir, open, readdir, readlink, rename, rmdir, stat, unlink, utimes } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { constants, type Stats } from 'node:fs';
import { errorCode } from '../../../common/error_facts.js';

export interface OpenFile {
  size(): Promise<number>;
  /** Bytes read: fewer than asked at the end of the file, 0 past it. */
  read(into: Uint8Array, position: number): Promise<number>;
  /** Bytes written, which may be fewer than given. */
  write(bytes: Uint8Array, position: number): Promise<number>;
  truncate(bytes: number): Promise<void>;
  /** Content and length reach the disk. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/**
 * `read`: must exist. `read_own`: the same of what only a run writes, so that no link is followed. `create`: must not exist. `update`: read and write,
 * created where absent, kept where present; no link either. What is no file (a pipe, a socket, a folder, a link where none is followed) is refused with
 * ENOTFILE, and never waited on.
 */
export type OpenMode = 'read' | 'read_own' | 'create' | 'update';

/** Paths are absolute or relative to the working folder. Errors carry Node's `code` (ENOSPC, EEXIST, ...). */
export interface FileSystem {
  open(path: string, mode: OpenMode): Promise<OpenFile>;
  /** Fails with EEXIST where the folder exists. `owner`: nobody else may look into it. */
  createFolder(path: string, access?: 'owner'): Promise<void>;
  /** Names, unsorted. */
  list(folder: string): Promise<string[]>;
  /** Replaces a file of the new name; fails on a folder that is not empty. */
  rename(from: string, to: string): Promise<void>;
  /** A second name for a file; fails with EEXIST where the name is taken. */
  link(from: string, to: string): Promise<void>;
  removeFile(path: string): Promise<void>;
  /** The folder must be empty. */
  removeFolder(path: string): Promise<void>;
  /** Names in the folder reach the disk. */
  syncFolder(path: string): Promise<void>;
  touch(path: string): Promise<void>;
  modifiedMs(path: string): Promise<number>;
}

export const nodeFileSystem: FileSystem = {
  async open(path, mode) {
    const { O_RDONLY, O_NONBLOCK, O_NOFOLLOW, O_RDWR, O_CREAT } = constants;
    // Without O_NONBLOCK, opening a pipe waits for a writer that never comes.
    const read = O_RDONLY | O_NONBLOCK;
    const update = O_RDWR | O_CREAT | O_NONBLOCK | O_NOFOLLOW;
    const flags = { read, read_own: read | O_NOFOLLOW, create: 'wx+', update }[mode];
    const handle = await open(path, flags, 0o644).catch(async (error: unknown) => {
      if (['ELOOP', 'ENXIO', 'EISDIR', 'ENODEV'].includes(errorCode(error))) await requireFile(path, await lstat(path));
      throw error;
    });
    try {
      if (mode !== 'create') await requireFile(path, await handle.stat());
    } catch (error) {
      await handle.close();
      throw error;
    }
    return openFile(handle);
  },
  async createFolder(path, access) {
    await mkdir(path, access === 'owner' ? { mode: 0o700 } : {});
  },
  list: (folder) => readdir(folder),
  rename: (from, to) => rename(from, to),
  link: (from, to) => link(from, to),
  removeFile: (path) => unlink(path),
  removeFolder: (path) => rmdir(path),
  async syncFolder(path) {
    const handle = await open(path, 'r');
    try {
      await handle.sync();
    } catch (error) {
      // Some network file systems cannot sync a folder; they order names themselves.
      if (!['EINVAL', 'ENOTSUP', 'EISDIR'].includes(errorCode(error))) throw error;
    } finally {
      await handle.close();
    }
  },
  async touch(path) {
    const now = new Date();
    await utimes(path, now, now);
  },
  modifiedMs: async (path) => (await stat(path)).mtimeMs,
};

async function requireFile(path: string, found: Stats): Promise<void> {
  if (found.isFile()) return;
  const kind = found.isFIFO() ? 'a pipe' : found.isSocket() ? 'a socket' : found.isDirectory() ? 'a folder' : null;
  const link = found.isSymbolicLink() ? `a link to ${await readlink(path)}` : 'a device';
  throw Object.assign(new Error(`${path} is no file but ${kind ?? link}`), { code: 'ENOTFILE' });
}

function openFile(handle: FileHandle): OpenFile {
  return {
    size: async () => (await handle.stat()).size,
    read: async (into, position) => (await handle.read(into, 0, into.byteLength, position)).bytesRead,
    write: async (bytes, position) => (await handle.write(bytes, 0, bytes.byteLength, position)).bytesWritten,
    truncate: (bytes) => handle.truncate(bytes),
    sync: () => handle.sync(),
    close: () => handle.close(),
  };
}
