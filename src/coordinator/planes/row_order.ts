import { permutation } from '../../common/random.js';
import type { RowPlan } from './plane.js';

/** All rows of the epoch in the order in which its steps take them. */
export function rowOrder({ seed, epoch, examples, shuffle }: Omit<RowPlan, 'batch'>): Int32Array {
  return shuffle ? permutation({ seed, epoch, count: examples }) : Int32Array.from({ length: examples }, (_, row) => row);
}
