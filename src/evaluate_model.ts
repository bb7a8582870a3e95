/**
 * Owns: evaluating a saved model on a data set, sharded over this machine's replicas and exact.
 * Does not: print (cli/evaluate.ts).
 */
import { chooseDevices } from './common/device_choice.js';
import { requireBatchCoversShards } from './common/config_checks.js';
import type { TrainConfig } from './common/train_config.js';
import { readModel, weightsFor } from './coordinator/state/checkpoint.js';
import { evaluate, type Evaluation } from './coordinator/evaluate.js';
import { Fleet } from './coordinator/fleet/fleet.js';
import { loadDataset } from './data/load.js';
import { placeReplicas } from './devices.js';
import { openReplicas } from './replicas.js';

export interface EvaluateRequest {
  /** Folder with model.json, a model.json, or a run folder (its latest model). */
  readonly path: string;
  /** Data, devices, batch and shards; the model comes from `path`. */
  readonly config: TrainConfig;
  readonly say: (line: string) => void;
}

/** Every validation example once. Errors: MODEL_FILE_INVALID, data and device errors. */
export async function evaluateModel({
  path,
  config,
  say,
}: EvaluateRequest): Promise<Evaluation & { model: string; dataset: string }> {
  const placement = placeReplicas(chooseDevices(config), config.threadsPerWorker);
  const shards = config.shards ?? placement.replicas.length;
  requireBatchCoversShards({ batch: config.batch, shards });
  const saved = await readModel(path);
  const dataset = await loadDataset(config, {});
  const source = { kind: 'topology', name: saved.path, topology: saved.topology } as const;
  const opened = await openReplicas({ placement, source, dataset, config, batchNorm: 'batch', say });
  try {
    const values = new Float32Array(new SharedArrayBuffer(opened.model.layout.totalSize * 4));
    values.set(weightsFor(opened.model.layout, saved));
    const fleet = new Fleet();
    for (const replica of opened.replicas) fleet.add(replica);
    const examples = dataset.validation.count;
    const result = await evaluate({ fleet, examples, batch: config.batch, shards, parameters: { version: 0, values } });
    return { ...result, model: saved.path, dataset: dataset.name };
  } finally {
    await opened.close();
  }
}
