/**
 * Owns: the dozen file-system calls that durable files are made of, as an interface, and their real implementation.
 * Does not: decide an order of calls (atomic_file.ts does). Tests pass a `FileSystem` that fails or crashes at the n-th call.
 *
 * Writes are positional, so that a write that failed half-way can be repeated over its own remains.
 */
import { link, mkdir, open, readdir, rename, rmdir, stat, unlink, utimes } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { constants } from 'node:fs';
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

/** `read`: must exist. `create`: must not exist. `update`: read and write, created where absent, kept where present. */
export type OpenMode = 'read' | 'create' | 'update';

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
    // Without O_NONBLOCK, opening a pipe waits for a writer that never comes.
    const read = constants.O_RDONLY | constants.O_NONBLOCK;
    const flags = { read, create: 'wx+', update: constants.O_RDWR | constants.O_CREAT }[mode];
    const handle = await open(path, flags, 0o644);
    if (mode === 'read' && !(await handle.stat()).isFile()) {
      await handle.close();
      throw Object.assign(new Error(`${path} is no regular file`), { code: 'ENOTFILE' });
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
