/**
 * Owns: a harness's runs as lines of a file (`--continue FILE`), so that thousands can be made in pieces, on any day: date, commit, seed, outcome.
 * Does not: know what a run is.
 */
import { execFileSync } from 'node:child_process';
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { randomFrom } from './plan.mjs';

/** What `settings` were given decides what a run is: those of a file made with others are no part of this. Without a file nothing is kept. */
export function openJournal({ file, seed, settings }) {
  const key = JSON.stringify(settings);
  const lines = file !== null && existsSync(file) ? readFileSync(file, 'utf8').split('\n') : [];
  const done = new Map();
  for (const line of lines) {
    if (line === '') continue;
    const record = JSON.parse(line);
    if (record.seed === seed && record.settings === key) done.set(record.run, record);
  }
  const commit = commitOf();
  return {
    done,
    /** Each run has draws of its own, whichever were made before it. */
    randomOf: (run) => randomFrom(seed * 1_000_003 + run),
    add(record) {
      const whole = { ...record, seed, date: new Date().toISOString(), commit, settings: key };
      done.set(record.run, whole);
      if (file !== null) appendFileSync(file, `${JSON.stringify(whole)}\n`);
    },
    /** `2026-11-23 to 2026-11-28, commits 8968652, 9eb5f2e`. */
    provenance() {
      const records = [...done.values()];
      const days = [...new Set(records.map(({ date }) => date.slice(0, 10)))].sort();
      const commits = [...new Set(records.map((record) => record.commit))].join(', ');
      return `${[...new Set([days[0], days.at(-1)])].join(' to ')}, commit ${commits}`;
    },
  };
}

function commitOf() {
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return 'unknown';
  }
}
