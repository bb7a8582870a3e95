/** Owns: how much memory a step of a replica that keeps the weights has on its device at most, beside activations: counted where tensors are made. */
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEFAULT_TRAIN_CONFIG, type OptimizerConfig } from '../../../src/common/train_config.js';
import { installEngine, type Engine } from '../../../src/engine/index.js';
import { firstSlots, optimizerProgram } from '../../../src/optimizers/optimizer_program.js';
import { layoutOf } from '../../../src/worker/replica/model_layout.js';
import { Resident } from '../../../src/worker/replica/resident.js';
import type { Feed, TrainStep } from '../../../src/worker/replica/train_step.js';

describe('on the device', () => {
  let engine: Engine;
  beforeAll(() => {
    engine = installEngine();
  });
  afterAll(() => engine.dispose());

  /** Bytes of tensors at the most, over steps of `shards` shards, beyond what was there before the model. */
  function mostBytes(
    optimizer: OptimizerConfig,
    shards: number,
    stretch: { steps: number; early: boolean } | null = null,
  ): { most: number; weights: number; slots: number } {
    const before = tf.memory().numBytes;
    let most = 0;
    const look = <T>(value: T): T => {
      most = Math.max(most, tf.memory().numBytes - before);
      return value;
    };
    const watched: Engine = {
      ...engine,
      tf,
      compile: ((fn: (...args: never[]) => unknown, options: object) => {
        const compiled = engine.compile(fn as never, options) as (...args: unknown[]) => unknown;
        return Object.assign((...args: unknown[]) => look(compiled(...args)), compiled);
      }) as Engine['compile'],
      compileLoop: ((body: never, options: never) => {
        const loop = engine.compileLoop(body, options);
        return Object.assign((...args: Parameters<typeof loop>) => look(loop(...args)), loop);
      }) as Engine['compileLoop'],
    };
    const model = tf.sequential({ layers: [tf.layers.dense({ units: 50, inputShape: [400] }), tf.layers.dense({ units: 40 })] });
    const layout = layoutOf(model);
    // Gradients alone: what a model's own step has besides are activations.
    const train: TrainStep = () =>
      (stretch === null ? look : <T>(value: T): T => value)({
        loss: tf.scalar(1),
        sums: [tf.scalar(1)],
        gradients: layout.slots.map(({ shape }) => tf.ones([...shape])),
        statistics: [],
      });
    const resident = new Resident(
      {
        ...{ engine: watched, model, layout, residence: { optimizer, rates: [1, 1, 1, 1] }, sums: 1 },
        spec: { device: 'CPU:0', isApart: false, precision: 'fp32', compile: true, execution: 'graph', intraOpThreads: 1 },
      },
      train,
      () => undefined,
    );
    const { slots } = optimizerProgram(optimizer);
    resident.versions.takeSlots(0, firstSlots(slots, new Float32Array(layout.trainedSize)));
    const work = {
      key: 1,
      lends: false,
      then: [],
      beside: [],
      keepsBefore: false,
      globalBatch: 4,
      learningRate: 0.1,
      shards: Array.from({ length: shards }, (_, shard) => shard),
    };
    const rest = { from: undefined as never, rescue: undefined as never };
    for (let step = 0; stretch !== null && step < 4 * stretch.steps; step += stretch.steps) {
      const then = Array.from({ length: stretch.steps - 1 }, (_, at) => {
        return { step: step + at + 1, shards: [{ rows: new Int32Array(4) }], learningRate: 0.1 };
      });
      resident.versions.settle(step, { early: stretch.early });
      const feed = {
        batches: { inputs: {}, targets: {}, weights: {}, scales: {} },
        positions: tf.zeros([stretch.steps, 4], 'int32'),
        regularization: tf.scalar(4),
      };
      const results = resident.computeStretch([feed], { version: step, step, shard: 0 }, { ...work, ...rest, then });
      expect(results.map(({ resident: { finite } }) => finite)).toEqual(Array.from({ length: stretch.steps }, () => true));
      tf.dispose(feed as unknown as tf.TensorContainer);
      // The first one records, with copies of the variables.
      if (step === 0) most = 0;
    }
    for (let step = 0; stretch === null && step < 3; step++) {
      resident.versions.settle(step);
      for (const shard of work.shards) {
        const outcome = resident.compute([] as unknown as Feed, { version: step, step, shard }, { ...work, ...rest }, (read) => {
          tf.dispose([read.loss, ...read.sums]);
          return 1;
        });
        expect(outcome?.finite).toBe(shard === shards - 1 ? true : undefined);
      }
    }
    model.dispose();
    return { most, weights: layout.totalSize * 4, slots: slots.length * layout.trainedSize * 4 };
  }

  it.each([
    ['one that is asked for holds two versions of weights and slots, beside that of TensorFlow’s own within', false, 2],
    ['one that is begun early holds a third', true, 3],
  ] as const)('a stretch of several steps: %s', (_, early, versions) => {
    const { most, weights, slots } = mostBytes({ ...DEFAULT_TRAIN_CONFIG.optimizer, momentum: 0.9 }, 1, { steps: 8, early });
    expect(most).toBeGreaterThanOrEqual(versions * (weights + slots));
    // tfjs counts what shares a variable's data once more: the weights that a stretch begins from.
    expect(most).toBeLessThanOrEqual(versions * (weights + slots) + weights + 4096);
  });

  it.each([
    [1, {}],
    [2, { momentum: 0.9 }],
    [5, { name: 'adam' }],
    [8, { clipNorm: 1 }],
    [64, {}],
  ] as const)(
    '%i shards: two versions of weights and slots, and a gradient for each level of the tree and one that comes',
    (shards, change) => {
      const { most, weights, slots } = mostBytes({ ...DEFAULT_TRAIN_CONFIG.optimizer, ...change }, shards);
      // Where siblings are added, their sum is one more; the second version of weights and slots, no smaller, is made after that.
      const gradients = 1 + Math.ceil(Math.log2(shards));
      // Numbers of a step, norms and probes.
      const scalars = 4096;
      expect(most).toBeGreaterThanOrEqual(2 * (weights + slots));
      expect(most).toBeLessThanOrEqual(2 * (weights + slots) + gradients * weights + scalars);
    },
  );
});
