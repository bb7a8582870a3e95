/**
 * Owns: what was found out about files by reading all of them, kept for as long as none has another size or time: their identity.
 * Does not: decide what is kept, or hash.
 */
import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { cacheFolder } from '../cache_folder.js';

/** A file as it is when nothing in it has changed. */
export interface FileStamp {
  readonly path: string;
  readonly bytes: number;
  readonly changedMs: number;
}

export async function stampOf(path: string): Promise<FileStamp> {
  const absolute = resolve(path);
  const { size, mtimeMs } = await stat(absolute);
  return { path: absolute, bytes: size, changedMs: mtimeMs };
}

/** A name for these files, as they are, read in this way. */
export function keyOf(stamps: readonly FileStamp[], how: unknown): string {
  return createHash('sha256')
    .update(JSON.stringify({ version: 1, stamps, how }))
    .digest('hex');
}

/** Null where nothing is known, or nothing can be read. */
export async function recall<T>(key: string): Promise<T | null> {
  try {
    return JSON.parse(await readFile(placeOf(key), 'utf8')) as T;
  } catch {
    return null;
  }
}

/** Nothing is lost where it cannot be kept: it is found out again. */
export async function keep(key: string, facts: unknown): Promise<void> {
  const place = placeOf(key);
  const fresh = `${place}.${process.pid}`;
  try {
    await mkdir(join(cacheFolder(), 'identities'), { recursive: true });
    await writeFile(fresh, JSON.stringify(facts));
    await rename(fresh, place);
  } catch {
    return;
  }
}

function placeOf(key: string): string {
  return join(cacheFolder(), 'identities', `${key}.json`);
}
