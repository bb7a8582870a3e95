/**
 * Owns: the arithmetic of the comparison: which configurations go on to the repeats, medians, ranges, ratios. Pure.
 * Does not: run programs, or draw tables (table.mjs).
 *
 * A sample is { entry, round, value, memoryMb } (images/s; peak resident memory of all its processes, where it told), or { entry, round, error } where the
 * program failed.
 */

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** The `keep` fastest entries of each (task, system) after one trial of all; failed ones are out. */
export function chooseEntries(trials, keep) {
  const groups = groupBy(
    trials.filter(({ value }) => value !== undefined),
    ({ entry }) => `${entry.task}/${entry.system}`,
  );
  const chosen = [...groups.values()].flatMap((group) => [...group].sort((a, b) => b.value - a.value).slice(0, keep));
  // In the order of the plan, so that systems stay neighbors in time.
  return trials.filter((trial) => chosen.includes(trial)).map(({ entry }) => entry);
}

/** The fastest of an entry's task and system that is neither in `tried` nor failed in the trial; null where there is none. */
export function nextBest(trials, { task, system }, tried) {
  const left = trials.filter(({ entry }) => entry.task === task && entry.system === system && !tried.includes(entry));
  return chooseEntries(left, 1)[0] ?? null;
}

/** Entries of one round: rotated by the round, so that no system always runs first, or after the same one. */
export function interleave(entries, round) {
  if (entries.length === 0) return [];
  const shift = round % entries.length;
  return [...entries.slice(shift), ...entries.slice(0, shift)];
}

/**
 * One row per (task, system): its fastest configuration by median over the rounds, range, memory, and for each task our ratio to
 * the best peer: of medians, and the smallest and largest ratio within one round. `missing`: systems without a figure.
 */
export function summarize(samples) {
  const tasks = [];
  for (const [task, ofTask] of groupBy(samples, ({ entry }) => entry.task)) {
    const rows = [];
    for (const [system, ofSystem] of groupBy(ofTask, ({ entry }) => entry.system)) {
      const entries = [...groupBy(ofSystem, ({ entry }) => entry.label)].flatMap(([label, all]) => {
        const good = all.filter(({ value }) => value !== undefined);
        if (good.length === 0) return [];
        const values = good.map(({ value }) => value);
        const memory = good.flatMap(({ memoryMb }) => memoryMb ?? []);
        const byRound = new Map(good.map(({ round, value }) => [round, value]));
        return [
          {
            system,
            label,
            repeats: good.length,
            median: median(values),
            min: Math.min(...values),
            max: Math.max(...values),
            ...(memory.length > 0 && { memoryMb: median(memory) }),
            byRound,
          },
        ];
      });
      if (entries.length) rows.push(entries.reduce((best, entry) => (entry.median > best.median ? entry : best)));
    }
    const systems = new Set(ofTask.map(({ entry }) => entry.system));
    const missing = [...systems].filter((system) => !rows.some((row) => row.system === system));
    tasks.push({ task, rows: rows.map(({ byRound, ...row }) => row), ratio: ratioOf(rows), missing });
  }
  return tasks;
}

function ratioOf(rows) {
  const ours = rows.find(({ system }) => system === 'tfjs-parallel');
  const peers = rows.filter(({ system }) => system !== 'tfjs-parallel');
  if (!ours || peers.length === 0) return null;
  const best = peers.reduce((a, b) => (b.median > a.median ? b : a));
  const perRound = [...ours.byRound]
    .filter(([round]) => best.byRound.has(round))
    .map(([round, value]) => value / best.byRound.get(round));
  return {
    peer: best.system,
    ofMedians: ours.median / best.median,
    min: perRound.length ? Math.min(...perRound) : null,
    max: perRound.length ? Math.max(...perRound) : null,
  };
}

function groupBy(items, keyOf) {
  const groups = new Map();
  for (const item of items) {
    const key = keyOf(item);
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(item);
  }
  return groups;
}
