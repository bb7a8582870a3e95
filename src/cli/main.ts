#!/usr/bin/env node
/**
 * Owns: the first lines of the process: it listens for signals, and says how garbage is collected, before the program, which takes a while to load,
 * is there.
 * Does not: anything else. Next hop: command_line.ts.
 */
import { markAtOnce } from './collector.js';
import { endOnEarlySignals } from './terminal/early_signals.js';

if (['coordinator', 'worker'].includes(process.argv[2])) markAtOnce();
const early = endOnEarlySignals();
const { runCommandLine } = await import('./command_line.js');
await runCommandLine(process.argv.slice(2), early);
