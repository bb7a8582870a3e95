/** Owns: findings as lines, aligned, never wider than they may be. Does not: print or read a terminal. */
import type { Status } from './check.js';
import type { NamedFinding } from './examine.js';
import { counted } from '../common/counted.js';

export interface Form {
  /** Of the terminal. */
  readonly columns: number;
  readonly paint: (color: 'bold' | 'cyan' | 'yellow' | 'red', text: string) => string;
}

const STATUS_WIDTH = 7;
const NAME_WIDTH = 11;
const COLORS = { ok: 'cyan', note: 'yellow', problem: 'red' } as const;
/** Below it what was found stands under its name. */
const NARROW = 50;

export function findingLines({ status, name, found, means, next }: NamedFinding, { columns, paint }: Form): string[] {
  const head = `${status.padEnd(STATUS_WIDTH)} ${name.padEnd(NAME_WIDTH)}`;
  const shown = `${paint(COLORS[status], status)}${head.slice(status.length)}`;
  const narrow = columns < NARROW;
  const indent = narrow ? 2 : head.length + 1;
  const texts = [found, ...(means === undefined ? [] : [means]), ...(next === undefined ? [] : [`next: ${next}`])];
  const lines = texts.flatMap((text) => wrapped(text, Math.max(1, columns - indent)));
  const margin = ' '.repeat(indent);
  if (narrow) return [...wrapped(head.trimEnd(), columns), ...lines.map((line) => `${margin}${line}`)];
  return lines.map((line, at) => (at === 0 ? `${shown} ${line}` : `${margin}${line}`));
}

export function summaryLine(findings: readonly NamedFinding[], { paint }: Form): string {
  const count = (status: Status): number => findings.filter((finding) => finding.status === status).length;
  const [problems, notes] = [count('problem'), count('note')];
  if (problems > 0) return paint('bold', `${counted(problems, 'problem')}, ${counted(notes, 'note')}`);
  return paint('bold', notes === 0 ? 'nothing is in the way' : `nothing is in the way, ${counted(notes, 'note')}`);
}

/** At spaces; what is longer than a line, such as a path, is cut. */
function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/).flatMap((whole) => pieces(whole, width))) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

function pieces(word: string, width: number): string[] {
  return word.length <= width ? [word] : [word.slice(0, width), ...pieces(word.slice(width), width)];
}
