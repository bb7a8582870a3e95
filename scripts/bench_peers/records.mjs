/**
 * Owns: docs/benchmarks.json: one record for each kind of processor and set of instructions, so that a run on one leaves those of others. Pure.
 * Does not: measure, or make the page (table.mjs).
 */

/** What a record is one of. */
export function recordKey({ machine: { processor, cores, instructions, heldTo = null } }) {
  return [processor, `${cores} cores`, instructions.join('+'), heldTo === null ? '' : `held to ${heldTo}`].join(', ');
}

/** The file's records; an empty list for a file that is not there yet. */
export function readRecords(text) {
  return text === null ? [] : JSON.parse(text).records;
}

/**
 * With `report` in the place of the record of its kind, or at the end. What that record has of tasks that this run left out stays, with the date and the
 * commit it was measured at.
 */
export function withRecord(records, report) {
  const key = recordKey(report);
  const at = records.findIndex((record) => recordKey(record) === key);
  if (at < 0) return [...records, report];
  const measured = new Set(report.tasks.map(({ id }) => id));
  const { date, commit } = records[at];
  const kept = records[at].tasks.filter(({ id }) => !measured.has(id)).map((task) => ({ earlier: { date, commit }, ...task }));
  return records.with(at, { ...report, tasks: [...report.tasks, ...kept] });
}

export function recordsText(records) {
  return `${JSON.stringify({ v: 2, records }, null, 1)}\n`;
}
