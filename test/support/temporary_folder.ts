/**
 * Owns: fresh folders, of one test or of all in a file, removed after them.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, onTestFinished } from 'vitest';

const PREFIX = join(tmpdir(), 'tfjs-parallel-test-');

/** @param files written into it, by name. */
export async function temporaryFolder(files: Readonly<Record<string, Uint8Array | string>> = {}): Promise<string> {
  const folder = await mkdtemp(PREFIX);
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);
  return folder;
}

/** Called while a file's tests are collected: for all of them, or for those of the `describe` it is in. */
export function folderOfTests(): string {
  const folder = mkdtempSync(PREFIX);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
