/**
 * Owns: evaluating a saved model on a data set, sharded over this machine's replicas and exact.
 * Does not: print (cli/evaluate.ts).
 */
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { requireBatchCoversShards } from '../common/config_checks.js';
import type { Dataset } from '../common/dataset.js';
import { DataError } from '../common/errors.js';
import type { Monitor } from '../common/objective.js';
import { largestShard } from '../common/shard.js';
import type { TrainConfig } from '../common/train_config.js';
import { weightsFor } from '../coordinator/storage/state/saved_model.js';
import { evaluate } from '../coordinator/planes/exact/evaluate.js';
import { Fleet } from '../coordinator/planes/exact/fleet/fleet.js';
import { loadDatasetAside } from '../data/load_aside.js';
import { placeRun } from './devices.js';
import { hasForeignLayers } from '../models/class_names.js';
import { isModule, resolveModelSource } from '../models/load.js';
import type { ModelSource } from '../models/model_source.js';
import { requireShards } from '../objective/one_shard.js';
import { monitorOf, valuesOf } from '../objective/values.js';
import { openReplicas } from './replicas.js';
import { readSaved, type SavedSource } from './saved_models.js';

export interface EvaluateRequest {
  /** Folder with model.json, a model.json, or a run folder (its latest model; its newest state where it saved none). */
  readonly path: string;
  /** Data, devices, batch and shards; the model comes from `path`, but where that has only a state, from here. */
  readonly config: TrainConfig;
  readonly say: (line: string) => void;
  /** The library's callers bring their own. */
  readonly dataset?: Dataset;
  /** TensorFlow's names; overrides `config.gpus` and `config.workers`. */
  readonly devices?: readonly string[];
}

export interface Evaluation {
  /** `{ val_loss, val_acc }` and so on. */
  readonly values: Readonly<Record<string, number>>;
  readonly monitor: Monitor;
  /** Right predictions, where each example has one; null otherwise. */
  readonly correct: number | null;
  readonly examples: number;
  readonly model: string;
  readonly dataset: string;
}

/** Every validation example once. Errors: MODEL_FILE_INVALID, data and device errors. */
export async function evaluateModel({ path, config, say, dataset: own, devices }: EvaluateRequest): Promise<Evaluation> {
  const placement = placeRun(devices, config);
  const shards = config.shards ?? placement.replicas.length;
  requireBatchCoversShards({ batch: config.batch, shards });
  const saved = await readSaved(path);
  const dataset = own ?? (await loadDatasetAside({ ...config, sequences: 'evaluated' }, {}));
  if (dataset.validation === null)
    throw new DataError({
      code: 'DATA_NO_VALIDATION',
      message: `${dataset.name} has no validation set, which is what a model is evaluated on`,
      next: 'Name data with one, or put examples that the model never saw into a validation file.',
    });
  const examples = dataset.validation.count;
  const source = await sourceOf(saved, config);
  const choice = choiceIn(path, saved);
  if (choice !== null) say(choice);
  const rows = largestShard({ batch: config.batch, shards, examples: dataset.validation.count });
  const opened = await openReplicas({ placement, rows, source, dataset, config: { ...config, augment: [] }, say });
  try {
    const values = new Float32Array(new SharedArrayBuffer(opened.model.layout.totalSize * 4));
    values.set(weightsFor(opened.model, saved));
    const fleet = new Fleet();
    for (const replica of opened.replicas) fleet.add(replica);
    const { objective } = opened.model;
    requireShards(objective, shards);
    for (const note of objective.notes) say(`warning: ${note}`);
    const monitor = monitorOf(objective, { asked: config.monitor, validated: true });
    const totals = await evaluate({
      fleet,
      objective,
      examples,
      batch: config.batch,
      shards,
      parameters: { version: 0, values },
    });
    const accuracy = objective.metrics.findIndex(({ name, per }) => name === 'acc' && per === 1);
    return {
      values: valuesOf(objective, totals, 'val_'),
      monitor,
      correct: accuracy === -1 ? null : totals.metrics[accuracy],
      examples,
      model: saved.path,
      dataset: dataset.name,
    };
  } finally {
    await opened.close();
  }
}

/** What of a run's folder was taken, where the folder is all that was named; null elsewhere. */
function choiceIn(path: string, saved: SavedSource): string | null {
  if (/\.(?:json|safetensors)$/.test(path)) return null;
  if (saved.kind === 'state') {
    const place = `at epoch ${saved.epoch}, step ${saved.step}`;
    return `${path} has saved no model yet: this is its newest state, ${place}; tfjs-parallel train --resume ${path} goes on`;
  }
  const folder = dirname(saved.path);
  if (resolve(path) === resolve(folder)) return null;
  const best = join(path, 'checkpoints', 'best');
  return `model    ${folder}, the newest of this run${existsSync(best) ? `; its best epoch's is ${best}` : ''}`;
}

/**
 * A state holds weights alone, layers that only a module defines are built by it, and so are functions that judge its model (config.yaml of a run names
 * every other loss): they take the run's own model, or the one that --model names.
 */
async function sourceOf(saved: SavedSource, { model, loss }: TrainConfig): Promise<ModelSource> {
  const byModule = isModule(model) && (loss === null || (saved.kind === 'model' && hasForeignLayers(saved.topology)));
  if (saved.kind === 'state' || byModule) return resolveModelSource(model);
  const { path: name, topology, compiled } = saved;
  return { kind: 'topology', name, topology, ...(compiled && { compiled }) };
}
