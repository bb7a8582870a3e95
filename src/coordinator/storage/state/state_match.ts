/**
 * Owns: whether a saved state may go on here: the same model, data, arithmetic and settings, with the first difference named.
 * Does not: read states (state_file.ts), or say which flag changed a setting (src/cli/resolve_config.ts).
 */
import { isDeepStrictEqual } from 'node:util';
import type { BucketLayout } from '../../../common/bucket_layout.js';
import { StorageError } from '../../../common/errors.js';
import { numericsDifference } from '../../../common/numerics_class.js';
import type { ObjectiveDescription } from '../../../common/objective.js';
import type { ModelDescription, NumericsClass } from '../../../common/replica.js';
import { SETTING_LIST } from '../../../common/settings/table.js';
import { renameKeys, toSnakeCase, valueAt } from '../../../common/snake_case.js';
import type { TrainConfig } from '../../../common/train_config.js';
import { namedAsSaved, topologySha256 } from './saved_names.js';
import type { DataIdentity, Progress, RunState } from './state_schema.js';

export interface Present {
  model: ModelDescription;
  data: DataIdentity;
  numerics: NumericsClass;
  /** `relaxed` (--numerics relaxed) goes on with other arithmetic: the result is then no longer the undisturbed run's to the bit. */
  numericsCheck: 'strict' | 'relaxed';
  /** For messages: `runs/mnist-001`. */
  run: string;
}

/**
 * The present model, under the names that it was saved with.
 * @throws StorageError RESUME_MODEL_DIFFERS, RESUME_DATA_DIFFERS or RESUME_NUMERICS_DIFFERS
 */
export function requireSameRun(state: RunState, { model, data, numerics, numericsCheck, run }: Present): ModelDescription {
  const anew = `continue with what the run was started with, or start a new run from its weights with --init-from ${run}`;
  const named = namedAsSaved(state.model, model);
  if (named.kind === 'refused') {
    const message = `${run} was saved with other names: ${named.difference}`;
    const next = `${named.remedy}, or start a new run from its weights with --init-from ${run}`;
    throw new StorageError({ code: 'RESUME_MODEL_DIFFERS', message, next });
  }
  const tensor = layoutDifference(state.model.layout, named.model.layout);
  if (tensor !== null)
    throw new StorageError({
      code: 'RESUME_MODEL_DIFFERS',
      message: `${run} was saved with another model: ${tensor}`,
      next: anew,
    });
  const topology = topologySha256(named.model);
  if (topology !== state.model.topologySha256) {
    const message = `${run} was saved with another model: all weights agree, but the layers do not (topology ${state.model.topologySha256.slice(0, 12)}… saved, ${topologySha256(model).slice(0, 12)}… now)`;
    throw new StorageError({ code: 'RESUME_MODEL_DIFFERS', message, next: anew });
  }
  for (const item of ['sha256', 'train', 'validation'] as const) {
    if (state.data[item] === data[item]) continue;
    const message = `${run} was trained on other data: ${item} was ${state.data[item]} (${state.data.name}), is ${data[item]} (${data.name})`;
    throw new StorageError({ code: 'RESUME_DATA_DIFFERS', message, next: anew });
  }
  if (numericsCheck === 'relaxed') return named.model;
  const difference = numericsDifference(state.numerics, numerics);
  if (difference !== null) {
    const { item, wanted, got, remedy } = difference;
    throw new StorageError({
      code: 'RESUME_NUMERICS_DIFFERS',
      message: `${run} was computed with other arithmetic, so its result could not be the same to the bit: ${item} was ${wanted || 'none'}, is ${got || 'none'}`,
      next: `${remedy}, or accept rounding differences with --numerics relaxed`,
    });
  }
  return named.model;
}

/** Not by name: what they are is compared (requireSameRun), wherever they lie now; and shards may be what the machine decided. */
const COMPARED_OTHERWISE = new Set(['model', 'data', 'shards', 'loss', 'metrics']);
const FIXED = SETTING_LIST.filter(({ path, setting }) => setting.resume === 'fixed' && !COMPARED_OTHERWISE.has(path));

/** What the final weights depend on besides model, data and arithmetic. @throws StorageError RESUME_CONFIG_DIFFERS naming the setting */
export function requireSameSettings(
  state: RunState,
  { config, shards, run }: { config: TrainConfig; shards: number; run: string },
): void {
  const [then, now] = [state.config, config].map((given) => renameKeys(given, toSnakeCase));
  const compared = FIXED.map(({ path }) => ({ path, saved: valueAt(then, path), present: valueAt(now, path) }));
  compared.push({ path: 'shards', saved: state.shards, present: shards });
  const differing = compared.find(({ saved, present }) => !isDeepStrictEqual(saved, present));
  if (differing === undefined) return;
  const { path, saved, present } = differing;
  const message = `${run} was saved with ${path} ${JSON.stringify(saved)}, and is to go on with ${JSON.stringify(present)}`;
  const next = `take back the change, to ${run}/config.yaml too, or start a new run from its weights with --init-from ${run}`;
  throw new StorageError({ code: 'RESUME_CONFIG_DIFFERS', message, next });
}

/**
 * The saved progress, for the present objective: its totals start anew where the metrics are others and the epoch has not begun.
 * @throws StorageError RESUME_CONFIG_DIFFERS where the loss is another, or the metrics of an epoch that has
 */
export function progressUnder(present: ObjectiveDescription, { objective: saved, progress }: RunState, run: string): Progress {
  const differs = (what: string, was: string, is: string): StorageError =>
    new StorageError({
      code: 'RESUME_CONFIG_DIFFERS',
      message: `${run} was saved with the ${what} ${was}, and is to go on with ${is}`,
      next: `Take back the change, or start a new run from its weights with --init-from ${run}.`,
    });
  if (saved.loss.name !== present.loss.name) throw differs('loss', saved.loss.name, present.loss.name);
  const told = ({ metrics }: ObjectiveDescription): string =>
    metrics.map(({ name, per, value }) => `${name} (${value === 'mean' ? `mean of ${per}` : value})`).join(', ') || 'none';
  if (told(saved) === told(present)) return progress;
  if (progress.nextExample > 0) throw differs('metrics', told(saved), told(present));
  return { ...progress, totals: { examples: 0, loss: 0, metrics: present.metrics.map(() => 0) } };
}

/** The first tensor that differs, as `weight 3 is conv2d/kernel [3, 3, 1, 64] in the file, and … here`; null where all agree. */
function layoutDifference(saved: BucketLayout, present: BucketLayout): string | null {
  const show = (layout: BucketLayout, at: number) => {
    if (at >= layout.slots.length) return 'absent';
    const { name, shape } = layout.slots[at];
    return `${name} [${shape.join(', ')}]${at < layout.trainedSlots ? '' : ' (not trained)'}`;
  };
  for (let at = 0; at < Math.max(saved.slots.length, present.slots.length); at++) {
    if (show(saved, at) !== show(present, at)) return `weight ${at + 1} is ${show(saved, at)} there, ${show(present, at)} here`;
  }
  const momenta = (layout: BucketLayout) =>
    layout.statistics.map(({ slot, momentum }) => `${layout.slots[slot].name} ${momentum}`);
  const [before, now] = [momenta(saved), momenta(present)];
  const differing = [...before.keys(), ...now.keys()].find((at) => before[at] !== now[at]);
  return differing === undefined
    ? null
    : `the moving statistics' momentum is ${before[differing] ?? 'absent'} there, ${now[differing] ?? 'absent'} here`;
}
