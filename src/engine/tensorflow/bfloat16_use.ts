/** Owns: by what functions that are compiled for bf16 compute on this machine. Does not: choose what is bfloat16 of one (mixed_precision.ts). */
import { oneDnnHasBfloat16 } from './instruction_set.js';
import type { OneDnnUse } from './one_dnn.js';

export interface Bfloat16Use {
  /** oneDNN has kernels for it; else Eigen's, for matrix products alone. */
  readonly byOneDnn: boolean;
}

/** With such a oneDNN; null where everything stays float32: without oneDNN Eigen's kernels take longer than its float32 ones. */
export function bfloat16Use(oneDnn: OneDnnUse): Bfloat16Use | null {
  if (oneDnn === 'off') return null;
  return { byOneDnn: oneDnnHasBfloat16() };
}
