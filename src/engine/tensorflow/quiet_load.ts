/**
 * Owns: keeping the notes that TensorFlow prints while its libraries are loaded, and devices are looked for, off standard error. Does not: touch what it says
 * later, which TF_CPP_MIN_LOG_LEVEL governs.
 */
import { accessSync, closeSync, constants, fstatSync, openSync, readSync, unlinkSync, writeSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { errorCode } from '../../common/error_facts.js';
import { openLibrary, setNativeDefaults } from '../capi/ffi.js';

const STANDARD_ERROR = 2;
const ERRORS_ONLY = 2;
/**
 * Printed at load, of level INFO, before anything could set a level; and the error of a CUDA build, which pip's `tensorflow` is, on a machine without a
 * driver.
 */
const NOTES =
  /absl::InitializeLog\(\) is called|port\.cc:\d+\] oneDNN custom operations are on|Could not find cuda drivers|\] failed call to cuInit: /;

/**
 * Runs `load` with standard error caught, then passes on all of it but the notes: what other threads wrote meanwhile is late, not lost.
 * If the user has set TF_CPP_MIN_LOG_LEVEL to 0 or 1, nothing is caught.
 */
export function withoutLoadNotes(load: () => void): void {
  const level = process.env.TF_CPP_MIN_LOG_LEVEL;
  if (level !== undefined && Number(level) < ERRORS_ONLY) return load();
  const libc = openLibrary(null);
  setNativeDefaults({ TF_CPP_MIN_LOG_LEVEL: String(ERRORS_ONLY) });
  const duplicate = libc.func('dup', 'int', ['int']) as (fd: number) => number;
  const duplicateOnto = libc.func('dup2', 'int', ['int', 'int']) as (from: number, to: number) => number;

  // Not closeSync: Node warns of a descriptor that it did not open itself.
  const close = libc.func('close', 'int', ['int']) as (fd: number) => number;

  const original = duplicate(STANDARD_ERROR);
  if (original < 0) return load();
  const stat = fstatSync(original);
  const anotherThreadCatches = stat.isFile() && stat.nlink === 0;
  if (anotherThreadCatches) {
    close(original);
    return load();
  }
  const caught = openUnlinked();
  if (caught === null) {
    close(original);
    return load();
  }
  try {
    duplicateOnto(caught, STANDARD_ERROR);
    load();
  } finally {
    duplicateOnto(original, STANDARD_ERROR);
    close(original);
    const lines = readAll(caught).split(/(?<=\n)/);
    closeSync(caught);
    const others = lines.filter((line) => !NOTES.test(line)).join('');
    if (others !== '') writeSync(STANDARD_ERROR, others);
  }
}

/** Null where there is no temporary folder to write in: then the notes are seen, and nothing is lost. */
function openUnlinked(): number | null {
  const path = join(tmpdir(), `tfjs-parallel-${randomUUID()}`);
  try {
    const file = openSync(path, 'wx+', 0o600);
    unlinkSync(path);
    return file;
  } catch {
    return null;
  }
}

/** What is wrong with the temporary folder, for a line to the user; empty where nothing is. */
export function temporaryFolderProblem(): string {
  const folder = tmpdir();
  try {
    accessSync(folder, constants.W_OK);
    const file = openUnlinked();
    if (file === null) return `the temporary folder ${folder} takes no files`;
    closeSync(file);
    return '';
  } catch (error) {
    const code = errorCode(error);
    return `the temporary folder ${folder} ${code === 'ENOENT' ? 'does not exist' : `cannot be written (${code})`}`;
  }
}

function readAll(file: number): string {
  const bytes = Buffer.alloc(fstatSync(file).size);
  let count = 0;
  while (count < bytes.length) {
    const read = readSync(file, bytes, count, bytes.length - count, count);
    if (read === 0) break;
    count += read;
  }
  return bytes.toString('utf8', 0, count);
}
