/**
 * Owns: whether an array holds neither NaN nor Inf, in one fast pass.
 * Does not: say where (replica_thread.ts does).
 *
 * x · 0 is 0 for a finite x and NaN for any other, so sums tell without a branch per element. Four of them, because an addition
 * waits for the one before it in the same sum.
 */
export function allFinite(values: Float32Array): boolean {
  let a = 0;
  let b = 0;
  let c = 0;
  let d = 0;
  const fours = values.length - (values.length % 4);
  for (let i = 0; i < fours; i += 4) {
    a += values[i] * 0;
    b += values[i + 1] * 0;
    c += values[i + 2] * 0;
    d += values[i + 3] * 0;
  }
  for (let i = fours; i < values.length; i++) a += values[i] * 0;
  return a + b + c + d === 0;
}
