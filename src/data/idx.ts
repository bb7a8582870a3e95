/**
 * Owns: reading one IDX file, raw or gzip.
 * Does not: judge its bytes (idx_sink.ts), know which files make a data set (mnist.ts, idx_folder.ts do), or fetch them (download.ts does).
 */
import { open, type FileHandle } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { constants, createGunzip } from 'node:zlib';
import { errorMessage } from '../common/error_facts.js';
import { DataError, ExpectedError } from '../common/errors.js';
import { IdxSink, nextStep, type IdxArray, type IdxExpectation } from './idx_sink.js';

/**
 * Reads the whole file.
 * @throws DataError DATA_MISSING, DATA_UNREADABLE, DATA_NOT_IDX, DATA_SHAPE, DATA_LENGTH, DATA_DAMAGED, DATA_CHECKSUM, DATA_NOT_FINITE or DATA_TOO_LARGE.
 */
export async function readIdx(path: string, want: IdxExpectation): Promise<IdxArray> {
  const file = await openFile(path);
  try {
    const fileBytes = (await file.stat()).size;
    const gzip = await isGzip(file);
    const sink = new IdxSink(path, want, fileBytes, gzip);
    try {
      await pour(file, gzip, false, (chunk) => sink.take(chunk));
    } catch (error) {
      if (error instanceof ExpectedError) throw error;
      throw gzip ? await describeGzipError(path, want, file, sink, error) : unreadable(path, error);
    }
    return sink.finish();
  } finally {
    await file.close();
  }
}

async function openFile(path: string): Promise<FileHandle> {
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw unreadable(path, error);
    throw new DataError({
      code: 'DATA_MISSING',
      message: `${path}: no such file`,
      next: 'Check the folder given by --data-dir.',
    });
  }
  if ((await file.stat()).isFile()) return file;
  await file.close();
  throw unreadable(path, new Error('not a regular file'));
}

function unreadable(path: string, cause: unknown): DataError {
  const reason = errorMessage(cause);
  return new DataError({
    code: 'DATA_UNREADABLE',
    message: `${path}: cannot be read: ${reason}`,
    next: 'Check the file and its permissions.',
    cause,
  });
}

/** By content, not by name: `.gz` files are often unpacked on the way without losing their name. */
async function isGzip(file: FileHandle): Promise<boolean> {
  const head = Buffer.alloc(2);
  const { bytesRead } = await file.read(head, 0, 2, 0);
  return bytesRead === 2 && head[0] === 0x1f && head[1] === 0x8b;
}

/** Feeds the uncompressed content to `take`. `lenient` takes the end of the file for the end of the gzip stream. */
async function pour(file: FileHandle, gzip: boolean, lenient: boolean, take: (chunk: Buffer) => void): Promise<void> {
  const source = file.createReadStream({ start: 0, autoClose: false, highWaterMark: 1 << 18 });
  // A pipeline that is left early may report its own end in place of the reason.
  let refusal: unknown;
  const drain = async (chunks: AsyncIterable<Buffer>): Promise<void> => {
    try {
      for await (const chunk of chunks) take(chunk);
    } catch (error) {
      if (error instanceof ExpectedError) refusal = error;
      throw error;
    }
  };
  const finishFlush = lenient ? constants.Z_SYNC_FLUSH : constants.Z_FINISH;
  try {
    await (gzip ? pipeline(source, createGunzip({ chunkSize: 1 << 18, finishFlush }), drain) : pipeline(source, drain));
  } catch (error) {
    throw refusal ?? error;
  }
}

/** A strict decompressor loses what it had when it fails, so a cut file is read again to say how much it holds. */
async function describeGzipError(
  path: string,
  want: IdxExpectation,
  file: FileHandle,
  sink: IdxSink,
  error: unknown,
): Promise<DataError> {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === undefined || !code.startsWith('Z_')) return unreadable(path, error);
  if (code === 'Z_BUF_ERROR') {
    const counter = sink.again();
    await pour(file, true, true, (chunk) => counter.take(chunk));
    counter.requireComplete();
  }
  const detail = code === 'Z_BUF_ERROR' ? 'its gzip trailer is missing' : `its gzip stream is damaged (${message})`;
  return new DataError({ code: 'DATA_DAMAGED', message: `${path}: ${detail}`, next: nextStep(want), cause: error });
}
