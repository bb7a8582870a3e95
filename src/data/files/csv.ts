/** Owns: a CSV file (RFC 4180) as named columns: its separator, its header, its lines. */
import type { Parser } from 'csv-parse';
import { open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { errorMessage } from '../../common/error_facts.js';
import type { ColumnFile, ColumnRow } from '../tables/columns.js';
import { fileError } from '../tables/table.js';
import { utf8Chunks } from './utf8.js';

/** Bytes of the header that are looked at for the separator. */
const HEAD_BYTES = 2 ** 16;
/** Longest record, bytes: a quote that is never closed ends there. */
const MAX_RECORD_BYTES = 2 ** 24;
const SEPARATORS = [',', ';', '\t', '|'] as const;
const NAMES: Readonly<Record<string, string>> = { ';': 'semicolons', '\t': 'tabs', '|': 'bars' };

export interface CsvFile extends ColumnFile {
  /** What separates its columns where no comma does, for people. */
  readonly separatedBy: string | null;
}

/** The first line names the columns. @throws DataError DATA_MISSING, DATA_NOT_CSV */
export async function openCsv(path: string): Promise<CsvFile> {
  const header = await firstLine(path);
  const delimiter = separatorOf(header);
  for await (const { record } of records(path, delimiter)) {
    const names = record.map((name) => name.trim());
    const numbers = names.filter((name) => name !== '' && !Number.isNaN(Number(name)));
    if (numbers.length === names.length)
      throw notCsv(path, `its first line holds numbers (${names.slice(0, 3).join(', ')}), wanted the names of the columns`);
    return {
      // pandas' to_csv writes the numbers of the rows without a name; a separator at the end of each line makes an empty column.
      ...{ path, names, index: [''], separatedBy: NAMES[delimiter] ?? null },
      rows: (wanted) =>
        rowsOf(
          path,
          delimiter,
          wanted.map((name) => names.indexOf(name)),
        ),
    };
  }
  throw notCsv(path, 'is empty');
}

async function* rowsOf(path: string, delimiter: string, columns: readonly number[]): AsyncGenerator<ColumnRow> {
  let isHeader = true;
  for await (const { record, info } of records(path, delimiter)) {
    if (!isHeader) yield { cells: columns.map((column) => record[column]), place: `line ${info.lines}` };
    isHeader = false;
  }
}

interface ParsedRecord {
  readonly record: readonly string[];
  readonly info: { readonly lines: number };
}

async function* records(path: string, delimiter: string): AsyncGenerator<ParsedRecord> {
  // With the first file of its kind: every run and every replica loads this module.
  const { CsvError, parse } = await import('csv-parse');
  const file = await opened(path);
  const source = file.createReadStream({ highWaterMark: 2 ** 18 });
  const parser: Parser = parse({
    ...{ bom: true, delimiter, info: true, skip_empty_lines: true, max_record_size: MAX_RECORD_BYTES },
    // All of them: by itself it takes the first line's for all, and of another one leaves a part in the last cell.
    record_delimiter: ['\r\n', '\n', '\r'],
  });
  const notUtf8 = (line: number): Error => notCsv(path, `line ${line} is not UTF-8`);
  const checked = Readable.from(utf8Chunks(source as AsyncIterable<Buffer>, notUtf8));
  checked.on('error', (error) => parser.destroy(error));
  checked.pipe(parser);
  try {
    for await (const parsed of parser as AsyncIterable<ParsedRecord>) yield parsed;
  } catch (cause) {
    if (!(cause instanceof CsvError)) throw cause;
    throw notCsv(path, cause.message);
  } finally {
    checked.destroy();
    source.destroy();
  }
}

async function firstLine(path: string): Promise<string> {
  const file = await opened(path);
  try {
    const head = Buffer.alloc(HEAD_BYTES);
    const { bytesRead } = await file.read(head, 0, HEAD_BYTES, 0);
    const text = head.toString('utf8', 0, bytesRead);
    if (text.includes('\0'))
      throw notCsv(path, text[1] === '\0' || text.charCodeAt(0) === 0xfffd ? 'is UTF-16 or binary, wanted UTF-8' : 'is binary');
    return text.split(/[\r\n]/, 1)[0];
  } finally {
    await file.close();
  }
}

/** Whichever there are most of outside of quotes; a comma where there is none. */
function separatorOf(header: string): string {
  const bare = header.replace(/"[^"]*"/g, '');
  const counts = SEPARATORS.map((separator) => bare.split(separator).length);
  return SEPARATORS[counts.indexOf(Math.max(...counts))];
}

async function opened(path: string): ReturnType<typeof open> {
  try {
    const file = await open(path, 'r');
    if ((await file.stat()).isFile()) return file;
    await file.close();
    throw new Error('not a regular file');
  } catch (cause) {
    throw fileError(path, 'DATA_MISSING', `cannot be read: ${errorMessage(cause)}`, 'Check the path and its permissions.', cause);
  }
}

function notCsv(path: string, problem: string): Error {
  return fileError(path, 'DATA_NOT_CSV', problem, 'Save it as CSV in UTF-8, with the names of the columns in its first line.');
}
