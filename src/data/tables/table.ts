/**
 * Owns: what a split made of files is: named arrays of rows that are read from front to back, and where rows can be read in any order.
 * Does not: know a format (data/sources do).
 */
import { DataError } from '../../common/errors.js';
import { rowBytes, type NumericArray, type NumericType } from '../../common/dataset.js';
import { LIMITS } from '../../common/limits.js';
import type { Layout } from '../files/value_type.js';

export interface TableField {
  readonly name: string;
  /** Of one row. */
  readonly shape: readonly number[];
  readonly type: NumericType;
}

/** Some rows of the fields that were asked for, all of the same rows. */
export type Rows = Readonly<Record<string, NumericArray>>;

export interface Table {
  readonly count: number;
  readonly inputs: readonly TableField[];
  readonly targets: readonly TableField[];
  /** All rows in order, some at a time, of these fields, whose names are all different. @throws DataError */
  read(fields: readonly TableField[]): AsyncIterable<Rows>;
  /** Of each input. Absent where rows cannot be read in any order: compressed, or text. */
  readonly rowFiles?: Readonly<Record<string, RowFile>>;
}

/** An array of rows in a file, one after the other. Plain data. */
export interface RowFile extends Layout {
  readonly path: string;
  /** Bytes before the first row. */
  readonly at: number;
  readonly count: number;
  /** Values in a row. */
  readonly width: number;
  /** Of the whole file, when it was first read. */
  readonly bytes: number;
  readonly changedMs: number;
}

/** As many as LIMITS allows at once. */
export function rowsAtOnce(fields: readonly TableField[]): number {
  const bytes = rowBytes(fields);
  return Math.max(1, Math.min(LIMITS.maxRowsReadAtOnce, Math.floor(LIMITS.readSliceBytes / Math.max(1, bytes))));
}

export function fileError(path: string, code: string, problem: string, next: string, cause?: unknown): DataError {
  return new DataError({ code, message: `${path}: ${problem}`, next, cause });
}
