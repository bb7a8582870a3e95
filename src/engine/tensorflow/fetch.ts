/**
 * Owns: bringing a TensorFlow into the cache: wheel by wheel, resumable at the wheel it was at, whole or not at all, one process at a time.
 * Does not: decide whether it is needed (tensorflow_library.ts) or talk to Python itself (python.ts).
 *
 * In the cache folder: `NAME/` is complete and never changes; `NAME.partial/` is being made, and `NAME.partial/done/` notes the wheels that are
 * in it; `NAME.lock` is held by the process that makes it.
 */
import { createHash } from 'node:crypto';
import {
  accessSync,
  constants,
  createReadStream,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { LIMITS } from '../../common/limits.js';
import { errorMessage } from '../../common/error_facts.js';
import { EnvironmentError } from '../../common/errors.js';
import { makeFolder } from '../../system/make_folder.js';
import { withFileLock } from './file_lock.js';
import { downloadWheel, unpackWheel, whyNoPip } from './python.js';
import { KEPT_FILES, TENSORFLOW_VERSION, type Distribution, type Wheel } from './wheels.js';

export interface FetchRequest {
  cacheFolder: string;
  distribution: Distribution;
  /** Lines for people, at most about one in two seconds. */
  onProgress: OnFetchProgress;
  /** The Python to use. */
  python?: string;
}

/** Returns the folder of the complete distribution, after fetching what is missing of it. */
export async function fetchDistribution(request: FetchRequest): Promise<string> {
  const { cacheFolder, distribution, onProgress } = request;
  const complete = join(cacheFolder, distribution.name);
  if (existsSync(complete)) return complete;
  prepareCache(cacheFolder);
  try {
    return await withFileLock(`${complete}.lock`, waiting, async () => {
      if (!existsSync(complete)) await fetchLocked(request, complete);
      return complete;
    });
  } catch (cause) {
    if (cause instanceof EnvironmentError) throw cause;
    throw failed(cause, cacheFolder);
  }

  function waiting(pid: string): void {
    onProgress(`another process (${pid || 'unknown'}) is fetching TensorFlow; waiting for it`);
  }
}

/** @throws EnvironmentError CACHE_NOT_WRITABLE */
function prepareCache(cacheFolder: string): void {
  try {
    makeFolder(cacheFolder);
    accessSync(cacheFolder, constants.W_OK);
  } catch (cause) {
    throw new EnvironmentError({
      code: 'CACHE_NOT_WRITABLE',
      message: `the folder that TensorFlow is kept in, ${cacheFolder}, cannot be written: ${errorMessage(cause)}`,
      next: 'Set TFJS_PARALLEL_CACHE to a folder that can be written, or TFJS_PARALLEL_TENSORFLOW to a TensorFlow package folder.',
      cause,
    });
  }
}

async function fetchLocked(
  { cacheFolder, distribution, onProgress, python = 'python3' }: FetchRequest,
  complete: string,
): Promise<void> {
  const noPip = whyNoPip(python);
  if (noPip !== undefined) throw pipMissing(python, noPip);
  const partial = `${complete}.partial`;
  const done = join(partial, 'done');
  const tree = join(partial, 'tree');
  for (const folder of [done, tree]) mkdirSync(folder, { recursive: true });
  // Left by a process that was cut off.
  for (const name of readdirSync(partial)) if (name.startsWith('pip.')) rmSync(join(partial, name), { recursive: true });

  const missing = distribution.wheels.filter((wheel) => !existsSync(join(done, wheel.sha256)));
  checkSpace(cacheFolder, distribution, missing);
  const total = sum(missing);
  onProgress(
    `fetching TensorFlow ${TENSORFLOW_VERSION} (${distribution.kind === 'cuda' ? 'CUDA' : 'CPU'}), ` +
      `${megabytes(total)}, into ${cacheFolder}: once, for all projects of this user`,
  );
  let before = 0;
  for (const wheel of missing) {
    const folder = join(partial, `pip.${process.pid}`);
    const report = throttled(onProgress, (bytes) => {
      const here = before + Math.min(bytes, wheel.bytes);
      return [`${progressText(here, total)} ${wheel.requirement}`, here / total];
    });
    const wheelFile = await downloadWheel({ python, wheel, distribution, folder, onBytes: report, stallMs: LIMITS.fetchStallMs });
    await checkHash(wheelFile, wheel);
    await unpackWheel({ python, wheelFile, folder: tree, kept: KEPT_FILES });
    writeFileSync(join(done, wheel.sha256), `${wheel.requirement}\n`);
    rmSync(folder, { recursive: true });
    before += wheel.bytes;
    onProgress(`${progressText(before, total)} ${wheel.requirement} unpacked`, before / total);
  }
  renameSync(tree, complete);
  rmSync(partial, { recursive: true });
}

/** pip has compared it already; this holds whatever pip is on the PATH. */
async function checkHash(file: string, wheel: Wheel): Promise<void> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  const got = hash.digest('hex');
  if (got !== wheel.sha256) throw wrongHash(`${wheel.requirement}: SHA-256 wanted ${wheel.sha256}, got ${got}`);
}

function checkSpace(cacheFolder: string, distribution: Distribution, missing: readonly Wheel[]): void {
  const { bavail, bsize } = statfsSync(cacheFolder);
  const largest = Math.max(0, ...missing.map((wheel) => wheel.bytes));
  const needed = Math.ceil(distribution.installedBytes * (sum(missing) / sum(distribution.wheels))) + largest;
  if (bavail * bsize >= needed) return;
  throw new EnvironmentError({
    code: 'DISK_FULL',
    message: `TensorFlow needs ${megabytes(needed)} in ${cacheFolder}; ${megabytes(bavail * bsize)} are free`,
    next: 'Free space there, or set TFJS_PARALLEL_CACHE to a folder on another disk.',
  });
}

/** A line for people, and of a download how much of it has come, from 0 to 1. */
export type OnFetchProgress = (line: string, share?: number) => void;

function throttled(
  onProgress: OnFetchProgress,
  text: (bytes: number) => readonly [line: string, share: number],
): (bytes: number) => void {
  let lastAt = performance.now();
  let lastLine = '';
  return (bytes) => {
    const [line, share] = text(bytes);
    if (line === lastLine || performance.now() - lastAt < LIMITS.fetchReportMs) return;
    lastAt = performance.now();
    lastLine = line;
    onProgress(line, share);
  };
}

function pipMissing(python: string, reason: string): EnvironmentError {
  return new EnvironmentError({
    code: 'PIP_NOT_FOUND',
    message: `TensorFlow is not on this machine, and pip, which would fetch it, does not run: ${reason}`,
    next:
      `Install Python 3 with pip (Debian, Ubuntu: sudo apt install python3-pip), or set TFJS_PARALLEL_TENSORFLOW to the folder of ` +
      `TensorFlow ${TENSORFLOW_VERSION}${python === 'python3' ? '' : ` (${python})`}.`,
  });
}

function wrongHash(message: string): EnvironmentError {
  return new EnvironmentError({
    code: 'TENSORFLOW_HASH_MISMATCH',
    message,
    next: 'Your package index serves another file under this name. Check pip config list, and do not use that file.',
  });
}

function failed(cause: unknown, cacheFolder: string): EnvironmentError {
  const message = errorMessage(cause);
  if (/DO NOT MATCH THE HASHES/i.test(message)) return wrongHash(message);
  return new EnvironmentError({
    code: 'TENSORFLOW_FETCH_FAILED',
    message: `TensorFlow could not be fetched into ${cacheFolder}: ${message}`,
    next: 'Start again: it goes on at the wheel it was at. Without a network, set TFJS_PARALLEL_TENSORFLOW to a TensorFlow package folder.',
    cause,
  });
}

function progressText(bytes: number, total: number): string {
  return `TensorFlow: ${megabytes(bytes)} of ${megabytes(total)} (${Math.floor((100 * bytes) / total)} %)`;
}

function sum(wheels: readonly Wheel[]): number {
  return wheels.reduce((total, wheel) => total + wheel.bytes, 0);
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1e6).toLocaleString('en-US')} MB`;
}
