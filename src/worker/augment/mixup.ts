/**
 * Owns: whom an example is mixed with, and in which shares: by its row and the epoch alone, among the rows of the global batch.
 * Does not: mix (augment.ts does), or read rows.
 *
 * Source: Zhang and others, "mixup: beyond empirical risk minimization", arXiv:1710.09412; here with a share of its own for each example.
 */
import { below, deriveKey, exampleWords, PURPOSE } from '../../common/random.js';

export interface MixupPlan {
  /** Rows of the partners of the shard's examples. */
  readonly rows: Int32Array;
  /** Of the example itself; the partner has the rest. */
  readonly shares: Float32Array;
}

interface MixupRequest {
  readonly seed: number;
  readonly alpha: number;
  readonly epoch: number;
  /** Of the global batch, in which the shard's `count` examples begin at `first`. */
  readonly batchRows: Int32Array;
  /** Where those rows stand in the data. */
  readonly places: Int32Array;
  readonly first: number;
  readonly count: number;
}

export function planMixup({ seed, alpha, epoch, batchRows, places, first, count }: MixupRequest): MixupPlan {
  const key = deriveKey({ seed, purpose: PURPOSE.mixup, layer: 0 });
  const rows = new Int32Array(count);
  const shares = new Float32Array(count);
  const others = batchRows.length - 1;
  for (let i = 0; i < count; i++) {
    const next = exampleWords(key, { row: places[first + i], epoch });
    // One of the others; alone in its batch, an example is mixed with itself.
    const away = others === 0 ? 0 : 1 + below(others, next);
    rows[i] = batchRows[(first + i + away) % batchRows.length];
    shares[i] = beta(alpha, next);
  }
  return { rows, shares };
}

/** Of Beta(α, α), as x / (x + y) of two of Gamma(α); in logarithms, which do not vanish where α is small. */
function beta(alpha: number, next: () => number): number {
  const [x, y] = [logGamma(alpha, next), logGamma(alpha, next)];
  return 1 / (1 + Math.exp(y - x));
}

/** The logarithm of a number of Gamma(α). Source: Marsaglia and Tsang, "A simple method for generating gamma variables", TOMS 2000. */
function logGamma(alpha: number, next: () => number): number {
  if (alpha < 1) return logGamma(alpha + 1, next) + Math.log(uniform(next)) / alpha;
  const d = alpha - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const x = Math.sqrt(-2 * Math.log(uniform(next))) * Math.cos(2 * Math.PI * uniform(next));
    const root = 1 + c * x;
    if (root <= 0) continue;
    const v = root * root * root;
    if (Math.log(uniform(next)) < (x * x) / 2 + d - d * v + d * Math.log(v)) return Math.log(d * v);
  }
}

/** In (0, 1). */
function uniform(next: () => number): number {
  return (next() + 0.5) / 2 ** 32;
}
