/**
 * Owns: the form of an optimizer: names of its slots, and a pure update of one slice.
 * Does not: hold state: slots are the caller's, double-buffered (training_state.ts). Next hops: sgd.ts, adam.ts.
 */

/** One slice of the trained parameters; all arrays are equally long. Reads the current values, writes the next ones. */
export interface UpdateSlice {
  /** Mean over the global batch, clipped. Scratch: its content is lost. */
  readonly gradient: Float32Array;
  readonly weights: Float32Array;
  readonly nextWeights: Float32Array;
  /** In the order of `slotNames`. */
  readonly slots: readonly Float32Array[];
  readonly nextSlots: readonly Float32Array[];
  readonly learningRate: number;
  /** Commits before this step: 0 for the first. */
  readonly step: number;
}

export interface Optimizer {
  /** One array each, as long as the trained parameters and zero before the first step. */
  readonly slotNames: readonly string[];
  /** Every operation is rounded to float32. Returns 0 if all that it wrote is finite, else NaN. */
  update(slice: UpdateSlice): number;
}
