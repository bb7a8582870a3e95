/**
 * Owns: what a run is made of, resolved: the type every part reads.
 * Does not: parse files, flags or environment (src/cli/config_file.ts does), or choose devices (src/train.ts does).
 *
 * YAML, JSON and `--set` use the same names in snake_case.
 */
import { DEFAULT_OPTIMIZER_SETTINGS, type OptimizerName, type OptimizerSettings } from '../optimizers/settings.js';

export type LossName = 'softmax_cross_entropy' | 'sigmoid_cross_entropy' | 'mean_squared_error';

export interface ScheduleConfig {
  name: 'constant' | 'step' | 'cosine';
  /** Epochs of linear warm-up from 0 to the base rate; fractions allowed; 0 for none. */
  warmupEpochs: number;
  /** `step`: epochs at whose start the rate is multiplied by `decay`. */
  milestones: number[];
  decay: number;
  /** `cosine`: the rate at the last epoch's end, as a fraction of the base rate. */
  finalFraction: number;
}

/** With the settings of every optimizer (src/optimizers), of which the one named reads its own. */
export interface OptimizerConfig extends OptimizerSettings {
  name: OptimizerName;
  learningRate: number;
  weightDecay: number;
  /** Largest global gradient norm; null for no clipping. */
  clipNorm: number | null;
  schedule: ScheduleConfig;
}

export interface TrainConfig {
  /** `gluon_cnn`, a path to model.json (tf.LayersModel), or a path to a module exporting createModel(tf). */
  model: string;
  /** `mnist`, `idx`, `synthetic`, or a path to a module exporting train and validation sets. */
  data: string;
  /** Folder with the IDX files; null to download MNIST into the cache. */
  dataDir: string | null;
  loss: LossName;
  epochs: number;
  /** Stop after this many steps in all; null for no limit. */
  maxSteps: number | null;
  /** Global batch. */
  batch: number;
  /** Logical shards; null for the number of replicas. */
  shards: number | null;
  seed: number;
  optimizer: OptimizerConfig;
  /** Use only the first N examples; null for all. */
  trainLimit: number | null;
  validationLimit: number | null;

  /** `0,1`, `0-3`, `all`, `none`; null for all GPUs, or the CPU where there is none. */
  gpus: string | null;
  /** Replicas on the CPU; null for one. */
  workers: number | null;
  /** CPU threads per replica; null for the machine's cores divided by the replicas. */
  threadsPerWorker: number | null;
  precision: 'fp32' | 'bf16';
  compile: boolean;

  /** Parent of run folders. */
  runDir: string;
  /** Name of the run; null for `mnist-001`, -002, ..., after the configuration, or the model or data given without one. */
  name: string | null;
  /** Save the model when validation accuracy is at least this and the best so far; null: never by this rule. */
  saveAbove: number | null;
  /** Exit 8 if validation accuracy never reaches this; null for no target. */
  target: number | null;
  /** State files kept. */
  keep: number;
  /** `epoch`, `60s`, `500 steps`; several joined by `,`. */
  checkpointEvery: string;
  onCheckpointFailure: 'continue' | 'stop';

  reporter: 'text' | 'json';
  /** Print a step every N steps; null leaves that to the reporter. metrics.jsonl has every step anyway. */
  logEvery: number | null;
}

/** The reference run's values; config/mnist.yaml says why for each. */
export const DEFAULT_TRAIN_CONFIG: TrainConfig = {
  model: 'gluon_cnn',
  data: 'mnist',
  dataDir: null,
  loss: 'softmax_cross_entropy',
  epochs: 130,
  maxSteps: null,
  batch: 200,
  shards: null,
  seed: 1,
  optimizer: {
    name: 'sgd',
    learningRate: 0.1,
    weightDecay: 0,
    clipNorm: null,
    ...DEFAULT_OPTIMIZER_SETTINGS,
    schedule: { name: 'constant', warmupEpochs: 0, milestones: [], decay: 0.1, finalFraction: 0 },
  },
  trainLimit: null,
  validationLimit: null,
  gpus: null,
  workers: null,
  threadsPerWorker: null,
  precision: 'fp32',
  compile: true,
  runDir: 'runs',
  name: null,
  saveAbove: null,
  target: null,
  keep: 3,
  checkpointEvery: 'epoch,60s',
  onCheckpointFailure: 'continue',
  reporter: 'text',
  logEvery: null,
};
