/** The optimizer that a model was compiled with, as data: what a run takes over of it, or why it cannot. */
import { ExpectedError } from '../common/errors.js';
import { readTfjsOptimizer, type ReadOptimizer, type TfjsOptimizerObject } from './from_tfjs.js';

export interface CompiledOptimizer {
  /** `Adam`. */
  readonly className: string;
  /** What the configuration's `optimizer` section would say; null where `refusal` says why it cannot. */
  readonly settings: ReadOptimizer['settings'] | null;
  readonly refusal: { readonly code: string; readonly message: string; readonly next: string } | null;
  /** One sentence each, for what is not taken over. */
  readonly notes: readonly string[];
}

/** Null where the model is not compiled. Throws nothing: a run may have settings that say otherwise. */
export function compiledOptimizerOf({
  optimizer,
}: {
  readonly optimizer?: TfjsOptimizerObject | null;
}): CompiledOptimizer | null {
  if (optimizer === undefined || optimizer === null) return null;
  return describedOptimizer(optimizer.getClassName(), () => readTfjsOptimizer(optimizer));
}

export function describedOptimizer(className: string, read: () => ReadOptimizer): CompiledOptimizer {
  try {
    return { className, refusal: null, ...read() };
  } catch (error) {
    if (!(error instanceof ExpectedError)) throw error;
    const { code, message, next } = error;
    return { className, settings: null, refusal: { code, message, next }, notes: [] };
  }
}
