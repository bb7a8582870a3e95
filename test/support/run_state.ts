/** A small run state whose every number can be redone by hand: weights 0, 1, 2, ..., velocities 1/2 of them. */
import { ACCURACY_OBJECTIVE } from './accuracy_objective.js';
import { createBucketLayout } from '../../src/common/bucket_layout.js';
import type { ModelDescription, NumericsClass } from '../../src/common/replica.js';
import { DEFAULT_TRAIN_CONFIG } from '../../src/common/train_config.js';
import type { ModelToSave } from '../../src/coordinator/storage/state/checkpoint.js';
import { topologySha256 } from '../../src/coordinator/storage/state/saved_names.js';
import type { RunState } from '../../src/coordinator/storage/state/state_schema.js';

const layout = createBucketLayout({
  weights: [
    { name: 'dense/kernel', shape: [3, 2] },
    { name: 'dense/bias', shape: [2] },
    { name: 'batch_norm/moving_mean', shape: [2], statisticMomentum: 0.9 },
    { name: 'batch_norm/moving_variance', shape: [2], statisticMomentum: 0.9 },
  ],
  trained: 2,
});

/** 6 + 2 trained values, 12 in all. */
export const tinyModel: ModelDescription = {
  name: 'tiny',
  topology: '{"class_name":"Sequential"}',
  layout,
  objective: ACCURACY_OBJECTIVE,
  initial: new Float32Array(12),
};

export const tinyNumerics: NumericsClass = {
  tensorflow: '2.21.0',
  device: 'CPU',
  deviceModel: 'a processor',
  precision: 'fp32',
  intraOpThreads: 1,
  instructionSet: 'avx512',
  oneDnn: 'off',
  oneDnnIsa: '',
  execution: 'compiled',
  arithmetic: 1,
  probe: '0123456789abcdef'.repeat(4),
};

export const tinyData = { name: 'MNIST', sha256: 'ab'.repeat(32), train: 60_000, validation: 10_000 };

export function tinyState({ step = 300, coordinatorEpoch = 1 }: { step?: number; coordinatorEpoch?: number } = {}): RunState {
  return {
    parameters: Float32Array.from({ length: 12 }, (_, at) => at + step),
    optimizerSlots: [{ name: 'velocity', values: Float32Array.from({ length: 8 }, (_, at) => at / 2) }],
    progress: {
      step,
      epoch: 1,
      stepInEpoch: step,
      nextExample: step * 200,
      totals: { examples: 9, loss: 0.1 + 0.2, metrics: [7] },
      best: { epoch: 1, monitor: 'val_acc', value: 0.9753 },
    },
    seed: 0,
    shards: 2,
    coordinatorEpoch,
    config: { ...DEFAULT_TRAIN_CONFIG, shards: 2, saveAbove: 0.993 },
    model: { name: tinyModel.name, topologySha256: topologySha256(tinyModel), layout },
    objective: ACCURACY_OBJECTIVE,
    data: tinyData,
    numerics: tinyNumerics,
    metrics: { bytes: 0, lines: 0 },
  };
}

/** Its weights are `first`, `first` + 1, … */
export function tinyModelToSave(first: number): ModelToSave {
  return {
    topology: tinyModel.topology,
    layout: tinyModel.layout,
    values: Float32Array.from({ length: 12 }, (_, at) => first + at),
    notes: { epoch: 3 },
    generatedBy: 'tfjs-parallel 0.0.0',
  };
}
