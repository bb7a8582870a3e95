/**
 * Owns: that a replica and the coordinator's update take the golden step: loss, every gradient, batch statistics, and weights and
 * moving statistics after five SGD steps, against PyTorch. Compiled and op by op.
 */
import { hostValues } from '../../src/common/host_gradient.js';
import { describe, expect, it } from 'vitest';
import type { ShardResult } from '../../src/common/replica.js';
import { DEFAULT_TRAIN_CONFIG } from '../../src/common/train_config.js';
import { shardBatch } from '../../src/coordinator/planes/exact/batches.js';
import { Parameters } from '../../src/coordinator/planes/exact/parameters.js';
import { createUpdate } from '../../src/coordinator/planes/exact/update/update.js';
import { datasetFromArrays } from '../../src/data/arrays.js';
import { furthestTensor, loadGolden, type GoldenName } from '../support/golden.js';
import { openReplica, testModel } from '../support/replica_under_test.js';

const TOLERANCE = 1e-4;
const MODELS: Record<GoldenName, string> = { gluon_cnn: 'golden_cnn', gluon_cnn_eighth: 'golden_cnn_eighth' };

describe.each([
  { name: 'gluon_cnn', compile: true },
  { name: 'gluon_cnn', compile: false },
  { name: 'gluon_cnn_eighth', compile: true },
] as const)('a replica computing $name (compiled: $compile)', ({ name, compile }) => {
  it('agrees with PyTorch on loss, gradients, statistics, and five SGD steps', async () => {
    const golden = loadGolden(name);
    const split = { x: golden.images, y: golden.labels };
    const dataset = await datasetFromArrays({ train: split, validation: split, inputShape: [28, 28, 1], classes: 10, scale: 1 / 255 });
    const replica = await openReplica({ model: testModel(MODELS[name]), dataset, compile });
    try {
      const description = await replica.describe();
      const { layout } = description;
      expect(layout.slots.map((slot) => ({ name: slot.name, shape: slot.shape }))).toEqual(
        golden.tensors.map((tensor) => ({ name: tensor.name, shape: tensor.shape })),
      );
      const update = createUpdate({ layout, optimizer: { ...DEFAULT_TRAIN_CONFIG.optimizer, learningRate: golden.learningRate } });
      const state = new Parameters({ layout, initial: golden.initial }, update.slots);
      const rows = Int32Array.from({ length: golden.batch }, (_, row) => row);
      for (let step = 0; step < golden.steps; step++) {
        const [assignment] = shardBatch({ kind: 'train', rows, shards: 1, step, parameters: state.snapshot() });
        const result: ShardResult = await replica.compute(assignment);
        expect(result.lossSum / golden.lossSums[step]).toBeCloseTo(1, 5);
        if (step === 0) {
          expect(result.sums).toEqual([golden.correct]);
          expect(furthestTensor(golden, golden.gradients, hostValues(result.gradient!)).difference).toBeLessThan(TOLERANCE);
          expect(furthestTensor(golden, golden.statistics, result.statistics!).difference).toBeLessThan(TOLERANCE);
        }
        const { current, next } = state;
        const gradients = [hostValues(result.gradient!)];
        const input = { gradients, results: [result], shards: 1, globalBatch: golden.batch, step, current, next };
        expect((await update({ ...input, learningRate: golden.learningRate })).nonFinite).toBeUndefined();
        result.gradient!.release();
        state.commit();
      }
      const { parameters } = state.current;
      expect(furthestTensor(golden, golden.weights, parameters.subarray(0, layout.trainedSize)).difference).toBeLessThan(TOLERANCE);
      expect(furthestTensor(golden, golden.moving, parameters.subarray(layout.trainedSize)).difference).toBeLessThan(TOLERANCE);
    } finally {
      await replica.close();
    }
  });
});
