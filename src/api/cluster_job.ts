/**
 * Owns: what a cluster's workers are told of a run: model, data, settings, the sizes of shards.
 * Does not: send it (coordinator/cluster does).
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Dataset } from '../common/dataset.js';
import type { CompiledModel } from '../common/compiled_model.js';
import { UsageError } from '../common/errors.js';
import { LIMITS } from '../common/limits.js';
import type { Job } from '../common/protocol/messages.js';
import { workerSettings } from '../common/settings/table.js';
import { shardSizes } from '../common/shard.js';
import type { TrainConfig } from '../common/train_config.js';
import { nameEverywhere } from '../data/load.js';
import type { ModelSource } from '../models/model_source.js';
import { requireKnownLoss } from '../objective/compiled.js';
import { overriddenBy } from '../objective/create_objective.js';
import { lossBesides, lossWeightsOf } from '../objective/per_output.js';

/** The run's own settings, else what the model's file was compiled with, which a topology does not carry. @throws UsageError LOSS_UNKNOWN */
function judgedBy(config: TrainConfig, source: ModelSource): Pick<TrainConfig, 'loss' | 'metrics' | 'lossWeights'> {
  const { loss, metrics } = config;
  const compiled = source.kind === 'topology' ? source.compiled : undefined;
  requireKnownLoss(compiled ?? null, { loss });
  const named = compiled?.metrics ?? null;
  return {
    loss: lossBesides(loss, compiled?.loss ?? null),
    metrics: metrics ?? (named === null ? null : [...named]),
    lossWeights: [...lossWeightsOf(config, compiled ?? null)],
  };
}

/** What a topology was compiled with is in its file, and does not reach the workers' models. */
export function compiledIn(asked: TrainConfig, source: ModelSource): CompiledModel | undefined {
  if (source.kind !== 'topology' || source.compiled === undefined) return undefined;
  const { loss, metrics, optimizer, lossWeights } = source.compiled;
  return {
    ...{ loss: lossBesides(asked.loss, loss), metrics: metrics && [...metrics], optimizer },
    ...(lossWeights !== undefined && { lossWeights: [...lossWeights] }),
  };
}

/** Workers see names alone, and cannot tell who named them. */
export function notesOf(asked: TrainConfig, source: ModelSource): string[] {
  return source.kind === 'topology' ? overriddenBy(asked, source.compiled ?? null) : [];
}

interface JobParts {
  readonly config: TrainConfig;
  readonly shards: number;
  readonly source: ModelSource;
  readonly dataset: Dataset;
}

/** @throws UsageError MODEL_TOO_LARGE */
export async function jobOf({ config, shards, source, dataset }: JobParts): Promise<Job> {
  const train = dataset.train.count;
  const batches = [Math.min(config.batch, train), train % config.batch];
  const sizes = batches.flatMap((globalBatch) => shardSizes({ globalBatch, shards })).filter((size) => size > 0);
  return {
    model: await jobModel(source),
    data: nameEverywhere(config.data),
    dataName: dataset.name,
    datasetSha256: dataset.sha256,
    ...workerSettings({ ...config, ...judgedBy(config, source) }),
    shardSizes: [...new Set(sizes)],
  };
}

async function jobModel(source: ModelSource): Promise<Job['model']> {
  if (source.kind === 'builtin') return { kind: 'builtin', name: source.name };
  if (source.kind === 'module') {
    const sha256 = createHash('sha256')
      .update(await readFile(source.path))
      .digest('hex');
    return { kind: 'module', name: source.name, sha256 };
  }
  if (Buffer.byteLength(source.topology) > LIMITS.maxTopologyBytes) {
    throw new UsageError({
      code: 'MODEL_TOO_LARGE',
      message: `the topology of ${source.name} has ${Buffer.byteLength(source.topology)} bytes, at most ${LIMITS.maxTopologyBytes} can be sent to workers`,
      next: 'Pass it as a module with createModel(tf) to the coordinator and to each worker.',
    });
  }
  return { kind: 'topology', name: source.name };
}
