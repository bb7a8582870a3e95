/**
 * Owns: what every benchmark's report says of its circumstances, and where its part of docs/benchmarks.md goes.
 * Does not: measure, or make the part's text.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { replacePart } from './page_part.mjs';

const PAGE = 'docs/benchmarks.md';

/** The commit that is measured, and whether it is quite that. */
export function measuredCommit() {
  return git('rev-parse', '--short', 'HEAD') + (git('status', '--porcelain', '--', 'src', 'scripts') ? ', with changes' : '');
}

/** `machine` is describeMachine's (bench_peers/programs.mjs). */
export function warnUnlessQuiet({ loadBefore }) {
  if (loadBefore > 0.5)
    console.error(`warning: load average ${loadBefore.toFixed(2)}: other programs are running, the figures will not count`);
}

export function writePart(marks, markdown) {
  const before = existsSync(PAGE) ? readFileSync(PAGE, 'utf8') : '# Benchmarks\n';
  writeFileSync(PAGE, replacePart(before, marks, markdown));
}

function git(...args) {
  return execFileSync('git', args, { encoding: 'utf8' }).trim();
}
