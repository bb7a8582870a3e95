/**
 * Owns: how many of the threads that a replica may have its model keeps busy.
 * Does not: know models (worker/replica/model_work.ts) or the machine (api/devices.ts).
 *
 * A rule of model and shards alone, so that equal replicas decide alike; threads are part of the numerics class. TensorFlow hands each product to all threads,
 * whatever its size: docs/benchmarks.md, "Threads that follow the model".
 */

/** Of a layer's forward product, for each thread: what TensorFlow needs to wake it takes as long as a few million. */
const MULTIPLY_ADDS_A_THREAD = 5e6;

/** What a model computes for one row. */
export interface ModelWork {
  /**
   * Multiply-adds of a forward product of matrices or a convolution, the mean of all, each weighted by its own: the product that a thread is in at any
   * time. Null where that is not known.
   */
  readonly multiplyAdds: number | null;
}

export interface ThreadsWanted {
  /** Of the largest shard. */
  readonly rows: number;
  readonly most: number;
}

export function threadsFor({ multiplyAdds }: ModelWork, { rows, most }: ThreadsWanted): number {
  if (multiplyAdds === null) return most;
  return Math.min(most, Math.max(1, Math.floor((multiplyAdds * rows) / MULTIPLY_ADDS_A_THREAD)));
}
