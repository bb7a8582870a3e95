/**
 * Owns: fetching one file over HTTP from the first mirror that has it whole, into a folder, atomically.
 * Does not: know what the file should hold: the caller's `verify` reads it before it gets its name.
 *
 * Nothing here trusts a mirror: size, silence and total time are capped, and a file that `verify` refuses is deleted.
 */
import { randomBytes } from 'node:crypto';
import { open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrorLike } from '../common/error_facts.js';
import { DataError } from '../common/errors.js';
import { LIMITS } from '../common/limits.js';
import { makeFolder } from '../system/make_folder.js';
import type { OnDataProgress } from './progress.js';

const PART_SUFFIX = '.part';
/** A partial file this old belongs to a process that was killed. */
const STALE_PART_MS = 3_600_000;
/** Bytes between two reports: a handful of lines for MNIST's largest file. */
const REPORT_EVERY_BYTES = 2 * 2 ** 20;

export interface DownloadLimits {
  readonly maxBytes: number;
  readonly idleTimeoutMs: number;
  readonly totalTimeoutMs: number;
}

export const DOWNLOAD_LIMITS: DownloadLimits = {
  maxBytes: LIMITS.maxDownloadBytes,
  idleTimeoutMs: LIMITS.mirrorIdleTimeoutMs,
  totalTimeoutMs: LIMITS.mirrorTotalTimeoutMs,
};

export interface Download<T> {
  /** Name below each mirror, and in the folder. */
  readonly file: string;
  readonly folder: string;
  /** Base URLs with a trailing slash, tried in order. */
  readonly mirrors: readonly string[];
  readonly limits: DownloadLimits;
  readonly onProgress: OnDataProgress;
  /** Reads the file that has arrived; throws if it is not the one. Returns its value and the name it is kept under. */
  readonly verify: (path: string) => Promise<{ value: T; name: string }>;
}

/**
 * Tries one mirror after the other.
 * @returns the value that `verify` made, and the mirror that served it.
 * @throws DataError DATA_CACHE where the folder cannot be written; MirrorsFailed where no mirror had the file.
 */
export async function download<T>(job: Download<T>): Promise<{ value: T; mirror: string }> {
  const part = join(job.folder, `.${job.file}.${process.pid}.${randomBytes(4).toString('hex')}${PART_SUFFIX}`);
  await prepareFolder(job.folder);
  const reasons: string[] = [];
  try {
    for (const mirror of job.mirrors) {
      try {
        await fetchInto(part, mirror, job);
        const { value, name } = await job.verify(part);
        // Readers verify the hash each time, so a rename that a power cut loses costs a download, not a wrong run.
        await inFolder(job.folder, () => rename(part, join(job.folder, name)));
        return { value, mirror };
      } catch (error) {
        if (error instanceof DataError && error.code === 'DATA_CACHE') throw error;
        const reason = `${new URL(mirror).host}: ${describe(error).replaceAll(part, job.file)}`;
        reasons.push(reason);
        job.onProgress({ kind: 'note', message: `${job.file} not taken from ${reason}` });
      }
    }
  } finally {
    await rm(part, { force: true });
  }
  throw new MirrorsFailed(reasons);
}

/** No mirror had the file. The caller turns this into an error with a next step. */
export class MirrorsFailed extends Error {
  override readonly name = 'MirrorsFailed';
  constructor(readonly reasons: readonly string[]) {
    super(reasons.join('; '));
  }
}

async function fetchInto(part: string, mirror: string, { file, folder, limits, onProgress }: Download<unknown>): Promise<void> {
  const controller = new AbortController();
  const giveUp = (ms: number, what: string): NodeJS.Timeout =>
    setTimeout(() => controller.abort(new Error(`${what} ${ms / 1000} s`)), ms);
  const idle = giveUp(limits.idleTimeoutMs, 'nothing received for');
  const total = giveUp(limits.totalTimeoutMs, 'not complete after');
  const target = await inFolder(folder, () => open(part, 'w'));
  try {
    const response = await fetch(new URL(file, mirror), { signal: controller.signal });
    if (!response.ok || response.body === null) throw new Error(`HTTP ${response.status}`);
    const declared = Number(response.headers.get('content-length') ?? NaN);
    // With a content encoding the length counts other bytes than those that arrive here.
    const totalBytes = Number.isSafeInteger(declared) && !response.headers.has('content-encoding') ? declared : null;
    let receivedBytes = 0;
    let reportedBytes = 0;
    const report = (): void => {
      reportedBytes = receivedBytes;
      onProgress({ kind: 'download', file, mirror, receivedBytes, totalBytes });
    };
    for await (const chunk of response.body) {
      idle.refresh();
      receivedBytes += chunk.byteLength;
      if (receivedBytes > limits.maxBytes) throw new Error(`larger than ${limits.maxBytes} bytes`);
      await inFolder(folder, () => target.appendFile(chunk));
      if (receivedBytes - reportedBytes >= REPORT_EVERY_BYTES) report();
    }
    if (reportedBytes < receivedBytes) report();
  } finally {
    clearTimeout(idle);
    clearTimeout(total);
    // Ends the transfer where we stopped reading early.
    controller.abort();
    await target.close();
  }
}

async function prepareFolder(folder: string): Promise<void> {
  await inFolder(folder, async () => makeFolder(folder));
  for (const name of await readdir(folder)) {
    if (!name.endsWith(PART_SUFFIX)) continue;
    const path = join(folder, name);
    const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Infinity }));
    if (Date.now() - mtimeMs > STALE_PART_MS) await rm(path, { force: true });
  }
}

/** Trouble with our own disk is not the mirror's fault and would be the same with the next one. */
async function inFolder<T>(folder: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (cause) {
    throw new DataError({
      code: 'DATA_CACHE',
      message: `${folder}: the cache cannot be written: ${describe(cause)}`,
      next: 'Free some space or name another folder by TFJS_PARALLEL_CACHE.',
      cause,
    });
  }
}

/** `fetch failed` says nothing; its cause does. */
function describe(error: unknown): string {
  if (!isErrorLike(error)) return String(error);
  if (error.cause instanceof AggregateError && error.cause.errors.length > 0) return describe(error.cause.errors[0]);
  if (error.message === 'fetch failed' && isErrorLike(error.cause)) return describe(error.cause);
  return error.message;
}
