#!/usr/bin/env node
/**
 * Owns: the first lines of the process: it listens for signals, says how garbage is collected, and shows a terminal that something is under way, before
 * the program, which takes a while to load, is there.
 * Does not: anything else. Next hop: command_line.ts.
 */
import { isatty } from 'node:tty';
import { printable } from '../common/one_line.js';
import { markAtOnce } from './collector.js';
import { endOnEarlySignals } from './terminal/early_signals.js';

if (['coordinator', 'worker'].includes(process.argv[2])) markAtOnce();
const early = endOnEarlySignals();
// On a terminal, while the program is loaded. What is written next stands over it: every line of ours is longer.
const isLong = ['train', 'coordinator', 'worker', 'evaluate', 'verify', 'bench'].includes(process.argv[2]);
const isAsked = process.argv.some((argument) => argument === '--help' || argument === '-h');
if (isLong && !isAsked && isatty(2) && process.env.TERM !== 'dumb') {
  process.stderr.write(printable('⠋ starting'));
  process.stderr.cursorTo(0);
}
const { runCommandLine } = await import('./command_line.js');
await runCommandLine(process.argv.slice(2), early);
