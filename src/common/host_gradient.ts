/** A gradient in the host's memory. Only the exact plane, and workers that make or send one, may import this: lint holds to it. */
import { invariant } from './errors.js';
import type { ShardGradient } from './replica.js';

export interface HostGradient extends ShardGradient {
  readonly kind: 'host';
  /** Trained parameters only, in layout order. Valid until `release`; whoever holds the gradient may write over them. */
  readonly values: Float32Array;
}

export function hostGradient(gradient: HostGradient): ShardGradient {
  return gradient;
}

/** What was made by `hostGradient`. */
export function hostValues(gradient: ShardGradient): Float32Array {
  invariant('values' in gradient && gradient.values instanceof Float32Array, 'a gradient of kind host lies in memory');
  return gradient.values;
}
