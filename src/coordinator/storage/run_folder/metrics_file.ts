/**
 * Owns: appending lines to metrics.jsonl so that they and the state agree: a cursor to put into a state, a sync before that state counts,
 * and the cut back to the cursor when a run resumes.
 * Does not: make the lines (common/run_record.ts).
 *
 * Lines are written at known positions, so a write that a full disk cut short is repeated over its own remains when there is space again.
 */
import { crc32 } from 'node:zlib';
import { isErrorLike } from '../../../common/error_facts.js';
import { StorageError } from '../../../common/errors.js';
import { LIMITS } from '../../../common/limits.js';
import { writeAll } from '../files/atomic_file.js';
import type { FileSystem, OpenFile } from '../files/file_system.js';
import type { MetricsCursor } from '../state/state_schema.js';
import { storageError } from '../files/storage_error.js';

export interface MetricsFile {
  /** Queues one line, newline included; it is written in the next turns. A disk that refuses is tried again with the next line. */
  append(line: string): void;
  /** Everything appended so far. */
  cursor(): MetricsCursor;
  /** Resolves when all lines are on the disk. @throws StorageError */
  sync(): Promise<void>;
  /** Writes what can be written and closes. */
  close(): Promise<void>;
}

export interface OpenedMetrics {
  metrics: MetricsFile;
  /** Bytes cut off: lines of work that is done again. */
  cutBytes: number;
  /** Bytes that the state counts on and the file no longer has; 0 unless somebody changed the file. */
  missingBytes: number;
  /** The bytes that are kept are not those that the state counts on. */
  isChanged: boolean;
}

/** Opens or creates the file and cuts it to the cursor; what is kept of it passes by `onLine`, unless it is `unread`: then nobody asks for its sum. */
export async function openMetricsFile({
  path,
  cursor,
  fileSystem,
  onLine = () => {},
  unread = false,
}: {
  path: string;
  cursor: MetricsCursor;
  fileSystem: FileSystem;
  onLine?: (line: string) => void;
  unread?: boolean;
}): Promise<OpenedMetrics> {
  const file = await fileSystem.open(path, 'update');
  try {
    const size = await file.size();
    if (size > cursor.bytes) {
      await file.truncate(cursor.bytes);
      await file.sync();
    }
    const kept = Math.min(size, cursor.bytes);
    const sum = unread ? 0 : await read(file, kept, onLine);
    const isChanged = kept === cursor.bytes && cursor.crc32 !== undefined && cursor.crc32 !== sum;
    const metrics = new AppendedFile(file, path, { bytes: kept, lines: cursor.lines, crc32: sum });
    if (!(await endsLine(file, kept))) metrics.append('\n');
    return { metrics, cutBytes: size - kept, missingBytes: cursor.bytes - kept, isChanged };
  } catch (error) {
    await file.close().catch(() => undefined);
    throw error;
  }
}

/** The CRC-32 of the first `bytes`, in slices. */
async function read(file: OpenFile, bytes: number, onLine: (line: string) => void): Promise<number> {
  const slice = new Uint8Array(Math.min(bytes, LIMITS.storageSliceBytes));
  let sum = 0;
  let rest = '';
  for (let at = 0; at < bytes;) {
    const got = await file.read(slice.subarray(0, Math.min(slice.length, bytes - at)), at);
    if (got === 0) break;
    at += got;
    sum = crc32(slice.subarray(0, got), sum);
    const lines = (rest + Buffer.from(slice.buffer, 0, got).toString('latin1')).split('\n');
    // A file without line ends must not be held whole.
    rest = (lines.pop() ?? '').slice(-LIMITS.storageSliceBytes);
    for (const line of lines) onLine(line);
  }
  return sum;
}

/** Always so unless somebody changed the file; then the next line must not run into the remains. */
async function endsLine(file: OpenFile, bytes: number): Promise<boolean> {
  const last = new Uint8Array(1);
  return bytes === 0 || ((await file.read(last, bytes - 1)) === 1 && last[0] === 0x0a);
}

class AppendedFile implements MetricsFile {
  private queue: Uint8Array[] = [];
  private writtenBytes: number;
  private totalBytes: number;
  private lines: number;
  private sum: number;
  private draining: Promise<void> | null = null;
  private failure: unknown = null;

  constructor(
    private readonly file: OpenFile,
    private readonly path: string,
    start: MetricsCursor,
  ) {
    this.writtenBytes = start.bytes;
    this.totalBytes = start.bytes;
    this.lines = start.lines;
    this.sum = start.crc32 ?? 0;
  }

  append(line: string): void {
    if (this.queue.length >= LIMITS.maxPendingMetricsLines) throw this.explain(this.failure);
    const bytes = Buffer.from(line);
    this.queue.push(bytes);
    this.totalBytes += bytes.byteLength;
    this.sum = crc32(bytes, this.sum);
    this.lines++;
    void this.drain();
  }

  cursor(): MetricsCursor {
    return { bytes: this.totalBytes, lines: this.lines, crc32: this.sum };
  }

  async sync(): Promise<void> {
    await this.drain();
    // Lines may have come while the last piece was on its way.
    if (this.failure === null && this.queue.length > 0) return this.sync();
    if (this.failure !== null) throw this.explain(this.failure);
    try {
      await this.file.sync();
    } catch (error) {
      throw this.explain(error);
    }
  }

  async close(): Promise<void> {
    await this.drain();
    await this.file.close();
  }

  private drain(): Promise<void> {
    this.draining ??= this.writeQueue().finally(() => {
      this.draining = null;
    });
    return this.draining;
  }

  /** Never rejects: a failure is kept for `sync`, and the lines for the next try. */
  private async writeQueue(): Promise<void> {
    try {
      this.failure = null;
      while (this.queue.length > 0) {
        const piece = Buffer.concat(this.queue);
        const lines = this.queue.length;
        await writeAll(this.file, piece, this.writtenBytes);
        this.queue.splice(0, lines);
        this.writtenBytes += piece.byteLength;
      }
    } catch (error) {
      this.failure = error;
    }
  }

  private explain(error: unknown): Error {
    const explained = storageError(error, `append to ${this.path}`, 'the lines are kept in memory and tried again');
    if (isErrorLike(explained)) return explained;
    return new StorageError({ code: 'METRICS_BACKLOG', message: `${this.path} takes no lines`, next: 'check the disk' });
  }
}
