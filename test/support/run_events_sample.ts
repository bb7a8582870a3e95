/**
 * Owns: one small run as events, for tests of what is told about it: two replicas, two epochs of three steps, the second epoch saved.
 */
import type { EndEvent, EpochEvent, StartEvent, StepEvent } from '../../src/common/run_events.js';
import { DEFAULT_TRAIN_CONFIG } from '../../src/common/train_config.js';

export const SAMPLE_START: StartEvent = {
  type: 'start',
  config: { ...DEFAULT_TRAIN_CONFIG, epochs: 2 },
  replicas: ['cpu(0)', 'cpu(1)'],
  numerics: {
    tensorflow: '2.21.0',
    device: 'CPU',
    deviceModel: 'Some CPU',
    precision: 'fp32',
    intraOpThreads: 1,
    instructionSet: 'avx2',
    oneDnn: 'off',
    oneDnnIsa: '',
    execution: 'compiled',
    arithmetic: 1,
    probe: '0123456789abcdef'.repeat(4),
  },
  runFolder: 'runs/mnist-001',
  dataset: { name: 'MNIST', train: 600, validation: 100, sha256: '0123456789abcdef' },
  model: { name: 'gluon_cnn', trainedParameters: 1_085_002, totalParameters: 1_085_898 },
  objective: { loss: 'softmax_cross_entropy', metrics: ['acc'], monitor: { name: 'val_acc', direction: 'max' } },
  plan: {
    shards: 2,
    shardSizes: [100, 100],
    stepsPerEpoch: 3,
    epochs: 2,
    firstEpoch: 1,
    bytesPerReplicaStep: 4_340_008,
    batchNormPerShard: true,
  },
  versions: { tfjsParallel: '0.1.0', node: '22.21.0', tensorflow: '2.21.0', tfjs: '4.22.0' },
};

export function sampleStep({ epoch, stepInEpoch }: { epoch: number; stepInEpoch: number }): StepEvent {
  return {
    type: 'step',
    epoch,
    step: 3 * (epoch - 1) + stepInEpoch,
    stepInEpoch,
    stepsPerEpoch: 3,
    loss: 1.5,
    epochValues: { loss: 1.25, acc: 0.5 },
    learningRate: 0.1,
    imagesPerS: 1234.4,
    phasesMs: { data: 1, compute: 2, wait: 3, reduce: 4, apply: 5, publish: 6 },
    replicaTimes: [{ replica: 'cpu(0)', computeMs: 2, startMs: 1, endMs: 4 }],
  };
}

export function sampleEpoch({ epoch, valAcc, saved }: { epoch: number; valAcc: number; saved: boolean }): EpochEvent {
  const values = { loss: 0.25, acc: 0.9499, val_loss: 0.125, val_acc: valAcc };
  return { type: 'epoch', epoch, values, seconds: 10, imagesPerS: 60, saved };
}

export function sampleEnd(changes: Partial<EndEvent> = {}): EndEvent {
  return {
    type: 'end',
    epochs: 2,
    steps: 6,
    best: { epoch: 2, monitor: 'val_acc', value: 0.995 },
    weightsSha256: 'ab'.repeat(32),
    reason: 'done',
    ...changes,
  };
}
