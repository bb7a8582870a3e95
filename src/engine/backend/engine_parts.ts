/** Owns: what of an engine its own parts need. Does not: make one (engine.ts). */
import type * as tf from '@tensorflow/tfjs';
import type { Binding } from './binding.js';
import type { Context } from '../capi/context.js';

export interface EngineParts {
  /** The tfjs instance it was installed under. */
  readonly tf: typeof tf;
  readonly binding: Binding;
  readonly context: Context;
}
