/**
 * Owns: what coordinator and workers of the exchange benchmark agree on: a model of so many weights, a job, a replica that has its gradient
 * ready; and what the weights must be after so many steps. Does not: measure, or open sockets.
 */
import { createBucketLayout } from '../../dist/common/bucket_layout.js';
import { shardSizes } from '../../dist/common/shard.js';
import { DEFAULT_TRAIN_CONFIG } from '../../dist/common/train_config.js';

/** The reference run's: plain SGD. */
export const OPTIMIZER = DEFAULT_TRAIN_CONFIG.optimizer;
export const GLOBAL_BATCH = 200;
export const SOFTWARE = 'exchange benchmark';
const HASH = '0'.repeat(64);
const GRADIENT = 1;

export function modelOf(elements) {
  const layout = createBucketLayout({ weights: [{ name: 'w', shape: [elements] }], trained: 1 });
  const objective = {
    loss: { name: 'mean_squared_error', sum: { kind: 'real', least: 0, most: null } },
    metrics: [],
    wholeBatch: [],
    notes: [],
  };
  return { name: 'exchange', topology: '{}', layout, objective, initial: new Float32Array(elements) };
}

export function jobOf(workers) {
  return {
    ...{ model: { kind: 'builtin', name: 'gluon_cnn' }, data: 'synthetic', dataName: 'none', datasetSha256: HASH },
    ...{
      trainLimit: null,
      overfit: null,
      threadsPerWorker: null,
      batchNorm: 'shard',
      augment: [],
      validationLimit: null,
      loss: 'softmax_cross_entropy',
      metrics: [],
      lossWeights: [],
      seed: 1,
      precision: 'fp32',
      compile: true,
    },
    shardSizes: [...new Set(shardSizes({ globalBatch: GLOBAL_BATCH, shards: workers }))],
  };
}

/** What a worker's `prepare` answers, without a device behind it. */
export function preparedJob({ job, elements, layoutSha256 }) {
  const model = modelOf(elements);
  const values = new Float32Array(elements).fill(GRADIENT);
  const gradient = { kind: 'host', values, release: () => {} };
  const compute = ({ kind, step, shard, attempt, rows, parameters }) => {
    const asked = { kind, step, shard, attempt, version: parameters.version, examples: rows.length };
    return Promise.resolve({ ...asked, lossSum: 1, sums: [], computeMs: 0, gradient });
  };
  return {
    job,
    replicas: [{ name: 'ready', compute }],
    model,
    numerics: {
      ...{ tensorflow: 'none', device: 'CPU', deviceModel: 'none', precision: 'fp32' },
      ...{ intraOpThreads: 1, instructionSet: '', oneDnn: 'off', oneDnnIsa: '' },
      ...{ execution: 'compiled', arithmetic: 1, probe: HASH },
    },
    versions: { tensorflow: 'none', tfjs: 'none' },
    datasetSha256: HASH,
    examples: { train: GLOBAL_BATCH, validation: 0 },
    layoutSha256: layoutSha256(model),
    golden: job.shardSizes.map(() => HASH),
    close: () => Promise.resolve(),
  };
}

/** Every weight after `steps` steps of `workers` gradients: the update's arithmetic, for one element. */
export function weightAfter({ steps, workers }) {
  const { fround } = Math;
  const gradient = fround((workers * GRADIENT) / GLOBAL_BATCH);
  let weight = 0;
  for (let step = 0; step < steps; step++) weight = fround(weight - fround(fround(OPTIMIZER.learningRate) * gradient));
  return weight;
}
