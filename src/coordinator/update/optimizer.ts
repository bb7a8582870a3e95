/**
 * Owns: the form of an optimizer: names of its slots, and an update of one slice, in registers.
 * Does not: hold state: slots are the caller's, double-buffered (state/training_state.ts). Next hops: sgd.ts, adam.ts.
 */
import { SUM } from './reducer.js';
import { register, type Register } from './slice_kernels.js';

/** Where the update finds one slice of the trained parameters, and leaves what comes next. */
export const OPERANDS: {
  /** Mean over the global batch, clipped. Scratch: its content is lost. */
  readonly gradient: Register;
  readonly weights: Register;
  /** In the order of `slotNames`. */
  readonly slots: readonly Register[];
} = { gradient: SUM, weights: register(1), slots: [register(2), register(3)] };

export interface SliceStep {
  /** Elements of the slice. */
  readonly length: number;
  readonly learningRate: number;
  /** Commits before this step: 0 for the first. */
  readonly step: number;
}

export interface Optimizer {
  /** One array each, as long as the trained parameters and zero before the first step. */
  readonly slotNames: readonly string[];
  /** Updates `OPERANDS` in place, every operation rounded to float32. Returns whether all of it is finite. */
  update(slice: SliceStep): boolean;
}
