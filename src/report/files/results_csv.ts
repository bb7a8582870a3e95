/** Owns: results.csv: one row an epoch, every column from the first line on. Does not: write it. */
import type { RunStory } from './run_story.js';

/** An empty cell is a value that was not finite. Numbers in full: reading them back gives the same doubles. */
export function resultsCsv(story: RunStory): string {
  const { names } = story;
  const phases = [...new Set(story.epochs.flatMap((row) => Object.keys(row.phases)))];
  const header = [
    'epoch',
    ...names,
    'learning_rate',
    'images_per_s',
    'seconds',
    'saved',
    ...phases.map((phase) => `${phase}_ms`),
  ];
  const rows = story.epochs.map((row) => [
    row.epoch,
    ...names.map((name) => row.values[name] ?? null),
    row.learningRate,
    row.imagesPerS,
    row.seconds,
    row.saved,
    ...phases.map((phase) => row.phases[phase] ?? null),
  ]);
  return [header.map(cell), ...rows.map((row) => row.map((value) => (value === null ? '' : String(value))))].map(line).join('');
}

const line = (cells: readonly string[]): string => `${cells.join(',')}\n`;

/** A metric of one's own may have any name. */
function cell(text: string): string {
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
