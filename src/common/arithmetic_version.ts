/**
 * Raised whenever our own arithmetic gives other bits for the same run: it belongs to the numerics class, so that a run is not resumed
 * with other arithmetic than it began with.
 *
 * 1: the first.
 * 2: the update flushes denormals, as TensorFlow does.
 * 3: the norm that gradients are clipped by is added by halves.
 * 4: compiled functions keep the arithmetic of the function; in bf16 sums, and what no product comes after, are float32.
 * 5: a dropout mask that all examples share (noise shape of 1 first) is the whole batch's, not the shard's.
 */
export const ARITHMETIC_VERSION = 5;
