/** Owns: the same numbers at each run, for fuzzed bytes. */

/** Marsaglia's xorshift32: unsigned 32-bit integers. `seed` is not 0. */
export function xorshift(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}
