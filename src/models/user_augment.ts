/** Owns: the `augment` that a model's module may export. Does not: call it (src/worker/augment). */
import { pathToFileURL } from 'node:url';
import { UsageError } from '../common/errors.js';
import type { ModelSource } from './model_source.js';

/** Null where the model comes from no module, or the module has none. The module has been imported before, by build.ts. @throws UsageError MODEL_INVALID */
export async function moduleAugment(source: ModelSource): Promise<((...given: never[]) => unknown) | null> {
  if (source.kind !== 'module') return null;
  const { augment } = (await import(pathToFileURL(source.path).href)) as { augment?: unknown };
  if (augment === undefined) return null;
  if (typeof augment === 'function') return augment as (...given: never[]) => unknown;
  throw new UsageError({
    code: 'MODEL_INVALID',
    message: `${source.name} exports augment, which is ${augment === null ? 'null' : typeof augment} and no function`,
    next: 'Export function augment(tf, { inputs, targets }, random) { … return { inputs }; }, or give it another name.',
  });
}
