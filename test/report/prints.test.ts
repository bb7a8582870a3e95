/**
 * Owns: that nothing which somebody else named or wrote reaches a terminal as anything but text: one function stands before all prints.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { printable } from '../../src/common/one_line.js';
import { createTextReporter } from '../../src/report/text.js';
import { createJsonReporter } from '../../src/report/json.js';
import { captureStream } from '../support/capture_stream.js';

const sources = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));

/** A stream's `write`, `console` and log-update's `log`. */
const PRINT = /\b(?:(?:stdout|stderr|stream|out|err)\??\.write|console\.\w+|\blog)\(\s*(printable\()?/g;
/** Records for machines, and files. */
const NO_TERMINAL = new Set(['coordinator/storage/run_folder/run_folder.ts']);

it('all prints of the sources go through printable()', () => {
  const prints = sources
    .filter((file) => !NO_TERMINAL.has(file) && !file.startsWith('coordinator/'))
    .flatMap((file) =>
      [...readFileSync(join('src', file), 'utf8').matchAll(PRINT)].map(([call, through]) => ({ file, call, through })),
    )
    .filter(({ call }) => !/^\blog\(/.test(call) || call.includes('printable') || call === 'log(text');
  expect(prints.filter(({ through }) => through === undefined)).toEqual([]);
  expect(prints.length).toBeGreaterThan(15);
});

const ESCAPES = 'conv\u001b[2J\u001b]0;owned\u0007\u009b31m\u202egnp\u2028x\r';
const SHOWN = 'conv\\u001b[2J\\u001b]0;owned\\u0007\\u009b31m\\u202egnp\\u2028x\\u000d';

describe('a name with the terminal’s own codes in it', () => {
  it('is shown as JSON shows it', () => {
    expect(printable(`${ESCAPES}\n\tnext`)).toBe(`${SHOWN}\n\tnext`);
    expect(JSON.parse(printable(JSON.stringify({ name: ESCAPES })))).toEqual({ name: ESCAPES });
    expect(printable('\u001b[33mour yellow\u001b[39m')).toBe('\u001b[33mour yellow\u001b[39m');
  });

  it('is text in what both reporters print', () => {
    const [out, err, records, notes] = [captureStream(), captureStream(), captureStream(), captureStream()];
    const event = { type: 'warn', code: 'X', message: ESCAPES } as const;
    createTextReporter({ out: out, err: err, live: null, now: () => 0, verbose: false })(event);
    createJsonReporter({ out: records, err: notes })(event);
    expect(err.text()).toBe(`warning X: ${SHOWN}\n`);
    expect(notes.text()).toBe(`warning X: ${SHOWN}\n`);
    expect(JSON.parse(records.text())).toMatchObject({ message: ESCAPES });
    expect(records.text()).not.toContain('\u009b');
  });
});
