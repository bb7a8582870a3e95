/**
 * Owns: what the crash harness does to a run, drawn from a seed, and which parts of two metrics files must agree.
 * Does not: start or kill processes (scripts/crash.mjs does).
 */

/** Fail points of src/coordinator/storage/files/fail_point.ts and how often a short run comes by them at most. */
const FAIL_POINTS = [
  ...['write', 'fsync', 'rename', 'renamed', 'delete'].map((at) => ({ point: `state.${at}`, hits: at === 'write' ? 24 : 4 })),
  ...['write', 'fsync', 'rename', 'renamed'].map((at) => ({
    point: `checkpoint.${at}`,
    hits: at === 'write' || at === 'fsync' ? 4 : 2,
  })),
  ...['write', 'fsync', 'rename', 'renamed'].map((at) => ({ point: `file.${at}`, hits: 2 })),
];

const SIGNALS = ['SIGKILL', 'SIGKILL', 'SIGKILL', 'SIGTERM', 'SIGUSR1', 'SIGINT', 'SIGINT twice'];

/**
 * One disturbance per start, then a start that is left alone. `lengthMs`: the time of an undisturbed run.
 * @returns {{ kind: 'fail point', value: string } | { kind: 'signal', signal: string, afterMs: number }[]}
 */
export function drawPlan(random, lengthMs) {
  return Array.from({ length: 1 + Math.floor(random() * 3) }, () => {
    if (random() < 0.5) {
      const { point, hits } = FAIL_POINTS[Math.floor(random() * FAIL_POINTS.length)];
      return { kind: 'fail point', value: `${point}:${1 + Math.floor(random() * hits)}` };
    }
    return { kind: 'signal', signal: SIGNALS[Math.floor(random() * SIGNALS.length)], afterMs: Math.floor(random() * lengthMs) };
  });
}

/** mulberry32 (Tommy Ettinger, public domain): the same plans for the same seed. */
export function randomFrom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Times, rates, places and who computed differ between equal runs. */
const VARYING = new Set(['seconds', 'images_per_s', 'phases_ms', 'replica_times', 'run_folder', 'config', 'replicas']);

/** Every line of the metrics, which hold what a run computed; what happened to its process is in logs/run.log. */
export function comparableLines(metricsText) {
  return metricsText
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
    .map((record) => JSON.stringify(Object.fromEntries(Object.entries(record).filter(([key]) => !VARYING.has(key)))));
}

/** The first line in which two runs differ, in words; null where they agree. */
export function firstDifference(wanted, got) {
  for (let at = 0; at < Math.max(wanted.length, got.length); at++) {
    if (wanted[at] !== got[at])
      return `line ${at + 1} of the metrics\n  wanted ${wanted[at] ?? 'nothing'}\n  got    ${got[at] ?? 'nothing'}`;
  }
  return null;
}
