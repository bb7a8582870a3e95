/**
 * Owns: appending lines to metrics.jsonl so that they and the state agree: a cursor to put into a state, a sync before that state counts,
 * and the cut back to the cursor when a run resumes.
 * Does not: make the lines (common/run_record.ts).
 *
 * Lines are written at known positions, so a write that a full disk cut short is repeated over its own remains when there is space again.
 */
import { isErrorLike } from '../../../common/error_facts.js';
import { CheckpointError } from '../../../common/errors.js';
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
  /** Resolves when all lines are on the disk. @throws CheckpointError */
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
}

/** Opens or creates the file and cuts it to the cursor. */
export async function openMetricsFile({
  path,
  cursor,
  fileSystem,
}: {
  path: string;
  cursor: MetricsCursor;
  fileSystem: FileSystem;
}): Promise<OpenedMetrics> {
  const file = await fileSystem.open(path, 'update');
  try {
    const size = await file.size();
    if (size > cursor.bytes) {
      await file.truncate(cursor.bytes);
      await file.sync();
    }
    const kept = Math.min(size, cursor.bytes);
    const metrics = new AppendedFile(file, path, { bytes: kept, lines: cursor.lines });
    if (!(await endsLine(file, kept))) metrics.append('\n');
    return { metrics, cutBytes: size - kept, missingBytes: cursor.bytes - kept };
  } catch (error) {
    await file.close().catch(() => undefined);
    throw error;
  }
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
  }

  append(line: string): void {
    if (this.queue.length >= LIMITS.maxPendingMetricsLines) throw this.explain(this.failure);
    const bytes = Buffer.from(line);
    this.queue.push(bytes);
    this.totalBytes += bytes.byteLength;
    this.lines++;
    void this.drain();
  }

  cursor(): MetricsCursor {
    return { bytes: this.totalBytes, lines: this.lines };
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
    return new CheckpointError({ code: 'METRICS_BACKLOG', message: `${this.path} takes no lines`, next: 'check the disk' });
  }
}
