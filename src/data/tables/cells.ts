/** Owns: a cell of a table as a number: what is missing, what is none, and what no array holds. */
import { fileError } from './table.js';

/** As files hold it: text is a number where it reads as one; null is a value that is missing. */
export type Cell = number | bigint | boolean | string | null | readonly Cell[];

export interface CellPlace {
  readonly path: string;
  /** `line 7`, `row 3`. */
  readonly place: string;
  /** Of the column. */
  readonly name: string;
  readonly mayBeText: boolean;
}

/** `1.0` is a real number, as others read it, too. */
export const isWholeIn = (value: Cell): boolean =>
  typeof value === 'string' ? /^\s*[+-]?\d+\s*$/.test(value) : typeof value === 'bigint' || typeof value === 'boolean';

/** Null for text that may stand there. @throws DataError DATA_VALUE */
export function numberIn(value: Cell, where: CellPlace): number | null {
  if (value === null || (typeof value === 'string' && /^\s*(|null|none|na|n\/a|nan)\s*$/i.test(value)))
    throw badCell(where, value === null || value.trim() === '' ? 'is missing' : `is ${value.trim()}: missing`);
  const number = typeof value === 'string' ? numberOf(value) : Number(value);
  if (Number.isNaN(number)) {
    if (typeof value === 'string' && where.mayBeText) return null;
    const comma =
      typeof value === 'string' && /^[+-]?\d[\d,.]*,\d+$/.test(value.trim())
        ? ': write decimals with a point, and nothing between thousands'
        : '';
    throw badCell(where, `is ${typeof value === 'string' ? JSON.stringify(value) : 'NaN'}, wanted a number${comma}`);
  }
  if (!Number.isFinite(Math.fround(number))) throw badCell(where, `is ${String(value)}, which float32 does not hold`);
  if (isWholeIn(value) && Math.abs(number) >= 2 ** 31 && BigInt(Math.fround(number)) !== exact(value))
    throw badCell(where, `is ${String(value)}, a whole number that neither int32 nor float32 holds`);
  return number;
}

const exact = (value: Cell): bigint =>
  BigInt(typeof value === 'string' ? value.trim().replace('+', '') : (value as bigint | boolean));

/** NaN for what is no decimal number; `Number` also takes 0x10 and an empty text. */
function numberOf(text: string): number {
  const trimmed = text.trim();
  if (/^true$/i.test(trimmed)) return 1;
  if (/^false$/i.test(trimmed)) return 0;
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(trimmed) ? Number(trimmed) : NaN;
}

export function badCell({ path, place, name }: CellPlace, problem: string): Error {
  return fileError(
    path,
    'DATA_VALUE',
    `${place}, column ${name}: ${problem}`,
    'Correct the value, leave the row out, or choose columns with --inputs and --labels.',
  );
}
