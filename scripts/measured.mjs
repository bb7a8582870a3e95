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

/** Load average above which other programs surely take part of the cores. */
export const QUIET_LOAD = 0.5;
/** Of the machine's processor time during a run: what others may take of it, system services included, before its figures are theirs too. */
export const QUIET_SHARE = 0.05;

/** `machine` is describeMachine's (bench_peers/programs.mjs). */
export function warnUnlessQuiet({ loadBefore }) {
  if (loadBefore > QUIET_LOAD)
    console.error(`warning: load average ${loadBefore.toFixed(2)}: other programs are running, the figures will not count`);
}

/** Why no record is written of this machine, with what to do; null where one is. `othersShare` is null before the run and where the system does not tell. */
export function refusalOfRecord({ loadBefore, othersShare = null }) {
  const next =
    'End them, wait until `uptime` shows a load average below 0.5, and run this again; --no-record measures all the same and writes nothing.';
  if (loadBefore > QUIET_LOAD)
    return `load average ${loadBefore.toFixed(2)} before the run: other programs are running, and a record of a loaded machine is not written\nnext: ${next}`;
  if (othersShare !== null && othersShare > QUIET_SHARE)
    return `other programs took ${(100 * othersShare).toFixed(0)} % of the machine's processor time during the run, and a record of a loaded machine is not written\nnext: ${next}`;
  return null;
}

export function writePart(marks, markdown) {
  const before = existsSync(PAGE) ? readFileSync(PAGE, 'utf8') : '# Benchmarks\n';
  writeFileSync(PAGE, replacePart(before, marks, markdown));
}

function git(...args) {
  return execFileSync('git', args, { encoding: 'utf8' }).trim();
}
