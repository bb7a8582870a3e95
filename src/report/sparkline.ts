/** Owns: a curve in one line of text. Does not: know what it is of. */

const BARS = '▁▂▃▄▅▆▇█';

/** The last `columns` values, lowest to highest of those shown; a flat line where all are equal, a space where one is not finite. */
export function sparkline(values: readonly number[], columns: number): string {
  const shown = values.slice(-Math.max(0, columns) || values.length);
  if (columns < 1) return '';
  const finite = shown.filter(Number.isFinite);
  const [low, high] = [Math.min(...finite), Math.max(...finite)];
  return shown
    .map((value) => (Number.isFinite(value) ? BARS[high > low ? Math.round(((value - low) / (high - low)) * 7) : 0] : ' '))
    .join('');
}
