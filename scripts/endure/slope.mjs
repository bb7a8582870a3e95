/**
 * Owns: the slope of a process's memory over steps, from several pieces of a run, and how sure it is.
 * Does not: measure (memory.mjs), or know what ran.
 */

/** The means of `count` stretches of as many samples each: neighbors of a sample say the same as it does, so that they must not count one by one. */
export function inBlocks(samples, count = 20) {
  const size = Math.max(1, Math.floor(samples.length / count));
  const blocks = [];
  for (let at = 0; at + size <= samples.length; at += size) {
    const block = samples.slice(at, at + size);
    blocks.push([mean(block.map(([step]) => step)), mean(block.map(([, bytes]) => bytes))]);
  }
  return blocks;
}

/**
 * `pieces`: of each process that ran, pairs of step and bytes; each has a level of its own, the slope is that of all. In bytes per 1,000 steps, with the half
 * width of its 95 % interval; null where there is too little to say.
 */
export function slopeOf(pieces) {
  const blocks = pieces.map((piece) => inBlocks(piece)).filter((piece) => piece.length >= 3);
  const freedom = blocks.reduce((sum, piece) => sum + piece.length, 0) - blocks.length - 1;
  if (freedom < 1) return null;
  const centered = blocks.flatMap((piece) => {
    const [step, bytes] = [mean(piece.map(([x]) => x)), mean(piece.map(([, y]) => y))];
    return piece.map(([x, y]) => [x - step, y - bytes]);
  });
  const spread = sum(centered.map(([x]) => x * x));
  const slope = sum(centered.map(([x, y]) => x * y)) / spread;
  const rest = sum(centered.map(([x, y]) => (y - slope * x) ** 2));
  const error = Math.sqrt(rest / freedom / spread);
  return { per1000: 1000 * slope, plusMinus: 1000 * studentT95(freedom) * error, blocks: centered.length };
}

/** Two-sided 95 % quantile of Student's t: Cornish and Fisher's expansion, from 3 degrees of freedom within 1 %. */
export function studentT95(freedom) {
  if (freedom === 1) return 12.706;
  if (freedom === 2) return 4.303;
  const z = 1.959964;
  const [a, b] = [(z ** 3 + z) / 4, (5 * z ** 5 + 16 * z ** 3 + 3 * z) / 96];
  const c = (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / 384;
  return z + a / freedom + b / freedom ** 2 + c / freedom ** 3;
}

const sum = (values) => values.reduce((total, value) => total + value, 0);
const mean = (values) => sum(values) / values.length;
