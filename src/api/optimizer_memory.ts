/**
 * Owns: what the optimizer of the caller's model remembers of its steps (momentum, moments, how many there were), read for a run and put back after it.
 * Does not: know which class keeps what where (src/optimizers): of tfjs 4.22, which saves and loads the same lists.
 */
import type * as tfjs from '@tensorflow/tfjs';
import { trainedWeights, type BucketLayout } from '../common/bucket_layout.js';
import type { TrainConfig } from '../common/train_config.js';
import type { RunValues } from '../coordinator/planes/plane.js';
import type { TrainingOutcome } from './train.js';
import { weightsInOrder } from '../models/weights.js';
import { compiledOptimizerOf } from '../optimizers/compiled.js';
import { rowOf } from '../optimizers/from_tfjs.js';
import { firstSlots, optimizerProgram } from '../optimizers/optimizer_program.js';
import { OPTIMIZERS } from '../optimizers/table.js';

export interface OptimizerMemory {
  /** Commits that it was in. */
  readonly steps: number;
  /** One value per trained parameter, in layout order. */
  readonly slots: RunValues['optimizerSlots'];
}

interface Parts {
  readonly model: tfjs.LayersModel;
  readonly layout: BucketLayout;
  readonly config: TrainConfig['optimizer'];
}

/** One weight's part of a list, as tfjs's optimizers have them. */
interface Entry {
  readonly originalName: string;
  readonly variable: tfjs.Variable;
}

type Weight = tfjs.LayersModel['weights'][number];

interface List {
  readonly slot: string;
  readonly field: string;
  readonly suffix: string;
  readonly entries: readonly Entry[];
}

/** Whose steps an optimizer was given here last: tfjs tells lists of two models apart by nothing. */
const lastOf = new WeakMap<tfjs.Optimizer, WeakRef<tfjs.LayersModel>>();

/** Null where it remembers nothing of these weights. `parameters`: all weights in layout order. */
export function readMemory({ model, layout, config }: Parts, parameters: Float32Array): OptimizerMemory | null {
  const { optimizer } = model;
  const lists = listsOf(optimizer);
  const specs = optimizerProgram(config).slots;
  const values = firstSlots(specs, parameters.subarray(0, layout.trainedSize));
  const ordered = weightsInOrder(model, layout.slots);
  let isKnown = lists.every(({ slot }) => specs.every(({ name }) => name !== slot));
  specs.forEach(({ name }, at) => {
    const list = lists.find(({ slot }) => slot === name);
    if (list === undefined) return;
    const entryOf = findEntries(model, list);
    trainedWeights(layout).forEach(({ offset }, index) => {
      const entry = entryOf(ordered[index]);
      if (entry === undefined) return;
      isKnown = true;
      values[at].set(entry.variable.dataSync(), offset);
    });
  });
  const steps = isKnown ? optimizer.iterations : 0;
  return steps === 0 ? null : { steps, slots: specs.map(({ name }, at) => ({ name, values: values[at] })) };
}

/** After a run by the optimizer that the model is compiled with, so that tfjs's `model.fit` and `model.save(url, { includeOptimizer: true })` go on from there. */
export function putMemory(tf: typeof tfjs, model: tfjs.LayersModel, outcome: TrainingOutcome): void {
  const { optimizer } = model;
  const { layout } = outcome.model;
  const { optimizerSlots: slots } = outcome.values;
  const { steps } = outcome.end;
  const fields = optimizer as unknown as Record<string, unknown>;
  const ordered = weightsInOrder(model, layout.slots);
  const places = new Map(trainedWeights(layout).map((place, index) => [ordered[index], place]));
  const stepped = steppedByTfjs(model);
  const others = model.weights.filter((weight) => !stepped.includes(weight));
  const first = new Map(optimizerProgram(outcome.optimizer).slots.map(({ name, initial }) => [name, Number(initial)]));
  tf.tidy(() => {
    for (const list of listsOf(optimizer)) {
      const values = slots.find(({ name }) => name === list.slot)?.values;
      const entryOf = findEntries(model, list);
      // Those of frozen weights wait behind the ones that tfjs's own steps take.
      const waiting = others.filter((weight) => places.has(weight) || entryOf(weight) !== undefined);
      const next = [...stepped, ...waiting].map((weight): Entry => {
        const place = places.get(weight);
        const entry = entryOf(weight);
        if (place === undefined && entry !== undefined) return entry;
        const shape = weight.shape as number[];
        const tensor =
          place === undefined || values === undefined
            ? tf.fill(shape, first.get(list.slot) ?? 0)
            : tf.tensor(values.slice(place.offset, place.offset + place.size), shape, 'float32');
        entry?.variable.assign(tensor);
        return { originalName: `${weight.name}/${list.suffix}`, variable: entry?.variable ?? tensor.variable(false) };
      });
      const kept = new Set(next.map(({ variable }) => variable));
      for (const { variable } of list.entries) if (!kept.has(variable)) variable.dispose();
      fields[list.field] = next;
    }
    const config = optimizer.getConfig();
    for (const [field, valueAt] of Object.entries(rowOf(optimizer.getClassName())?.row.counts ?? {}))
      (fields[field] as tfjs.Variable).assign(tf.scalar(valueAt(steps, config)));
  });
  fields.iterations_ = steps;
  lastOf.set(optimizer, new WeakRef(model));
}

/** Whether the run was by the optimizer that the model is compiled with: of its kind, with what it remembers. */
export function isOptimizerOf({ optimizer }: tfjs.LayersModel, { optimizer: config, values }: TrainingOutcome): boolean {
  const own = compiledOptimizerOf({ optimizer: optimizer as tfjs.Optimizer | null | undefined })?.settings;
  if (own?.name !== config.name) return false;
  const wanted = OPTIMIZERS[config.name].slots({ ...config, ...own });
  return Object.keys(wanted).every((slot) => values.optimizerSlots.some(({ name }) => name === slot));
}

function listsOf(optimizer: tfjs.Optimizer): List[] {
  const config = optimizer.getConfig();
  const memory = rowOf(optimizer.getClassName())?.row.memory ?? {};
  return Object.entries(memory)
    .filter(([, { onlyIf }]) => onlyIf === undefined || config[onlyIf] === true)
    .map(([slot, { field, suffix }]) => {
      const entries = (optimizer as unknown as Record<string, readonly (Entry | undefined)[] | undefined>)[field] ?? [];
      return { slot, field, suffix, entries: entries.filter((entry) => entry !== undefined) };
    });
}

/**
 * By name, so that layers may have been frozen since. A model that was loaded may have other numbers behind its names than the file; then by position, as
 * tfjs's own steps do.
 */
function findEntries(model: tfjs.LayersModel, { suffix, entries }: List): (weight: Weight) => Entry | undefined {
  const byName = new Map(entries.map((entry) => [entry.originalName, entry]));
  const fits = (entry: Entry | undefined, { shape }: Weight): boolean => String(entry?.variable.shape) === String(shape);
  const named = (weight: Weight): Entry | undefined => byName.get(`${weight.name}/${suffix}`);
  // All of them: a name alone may be one of another model's.
  if (model.weights.filter((weight) => named(weight) !== undefined).length === entries.length) {
    return (weight) => (fits(named(weight), weight) ? named(weight) : undefined);
  }
  const stepped = steppedByTfjs(model);
  const owner = lastOf.get(model.optimizer)?.deref() ?? model;
  const isOfFile =
    owner === model &&
    entries.length >= stepped.length &&
    stepped.every((weight, at) => fits(entries[at], weight) && isNameOf(weight, entries[at], suffix));
  return (weight) => (isOfFile && stepped.includes(weight) ? entries[stepped.indexOf(weight)] : undefined);
}

/** `dense/kernel/m` or `dense/kernel_3/m` for the weight dense/kernel. */
function isNameOf({ originalName }: Weight, entry: Entry, suffix: string): boolean {
  if (!entry.originalName.startsWith(originalName) || !entry.originalName.endsWith(`/${suffix}`)) return false;
  return /^(_\d+)?$/.test(entry.originalName.slice(originalName.length, -suffix.length - 1));
}

/** The weights that tfjs's optimizer gets gradients of, in its order: those that were trained when the model was compiled. */
function steppedByTfjs(model: tfjs.LayersModel): readonly Weight[] {
  const { model: inner } = model as unknown as { model?: tfjs.LayersModel | null };
  const { collectedTrainableWeights } = (inner ?? model) as unknown as { collectedTrainableWeights?: readonly Weight[] | null };
  return collectedTrainableWeights ?? model.trainableWeights;
}
