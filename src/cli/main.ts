#!/usr/bin/env node
/**
 * Owns: the first line of the process: it listens for signals before the program, which takes a while to load, is there.
 * Does not: anything else. Next hop: command_line.ts.
 */
import { endOnEarlySignals } from './terminal/early_signals.js';

const early = endOnEarlySignals();
const { runCommandLine } = await import('./command_line.js');
await runCommandLine(process.argv.slice(2), early);
