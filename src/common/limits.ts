/**
 * Owns: every cap and default time of the product, with unit and reason. Add yours here; assert relations in test/common/limits.test.ts.
 */
export const LIMITS = {
  /** A shard count beyond this is a typo: the tree and the buffers grow with it. */
  maxShards: 1024,
  /** Longest turn of the main thread's event loop in reduction and SGD, ms; sockets and signals wait behind it. */
  maxTurnMs: 10,
} as const;
