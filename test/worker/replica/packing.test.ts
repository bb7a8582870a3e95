/** Owns: that weights and a shard's sums that travel as one array, as they do on a GPU, arrive as those that travel one by one. */
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sharedFloats } from '../../../src/common/shared_floats.js';
import { installEngine, type Engine } from '../../../src/engine/index.js';
import { layoutOf } from '../../../src/worker/replica/model_layout.js';
import { load, packingsOf, readShardSums, type ReplicaState } from '../../../src/worker/replica/replica_state.js';

describe('as one array', () => {
  let engine: Engine;
  beforeAll(() => {
    engine = installEngine();
  });
  afterAll(() => engine.dispose());

  function stateOf(layers: tf.layers.Layer[]): { whole: ReplicaState; apart: ReplicaState } {
    const model = tf.sequential({ layers });
    const layout = layoutOf(model);
    const state = { engine, model, layout, resident: null, loadedVersion: -1, packed: null } as unknown as ReplicaState;
    return { whole: { ...state, packed: packingsOf(engine, layout) }, apart: state };
  }
  const models: Record<string, () => tf.layers.Layer[]> = {
    'one weight': () => [tf.layers.dense({ units: 3, inputShape: [2], useBias: false })],
    'several shapes': () => [
      tf.layers.conv2d({ filters: 2, kernelSize: 3, inputShape: [5, 5, 1] }),
      tf.layers.flatten(),
      tf.layers.dense({ units: 4, trainable: false }),
      tf.layers.dense({ units: 3 }),
    ],
    statistics: () => [
      tf.layers.dense({ units: 3, inputShape: [2] }),
      tf.layers.batchNormalization(),
      tf.layers.dense({ units: 2 }),
    ],
  };

  it.each(Object.keys(models))('a model of %s', (name) => {
    const { whole, apart } = stateOf(models[name]());
    const { layout, model } = whole;
    const parameters = sharedFloats(layout.totalSize).map((_, at) => at + 0.5);
    const weights = (): number[][] => model.weights.map((weight) => [...weight.read().dataSync()]);
    load(apart, { version: 1, parameters });
    const expected = weights();
    model.weights.forEach((weight) =>
      tf.tidy(() => void (weight as unknown as { val: tf.Variable }).val.assign(tf.zerosLike(weight.read()))),
    );
    const before = engine.liveHandles();
    load(whole, { version: 1, parameters });
    expect(weights()).toEqual(expected);

    const drawn = (shapes: readonly (readonly number[])[], first: number): tf.Tensor[] =>
      shapes.map((shape, at) =>
        tf.tidy(() =>
          tf
            .range(0, tf.util.sizeFromShape([...shape]))
            .add(first + at * 1000)
            .reshape([...shape]),
        ),
      );
    const gradients = drawn(layout.slots.slice(0, layout.trainedSlots).map(({ shape }) => shape), 1); // prettier-ignore
    const statistics = drawn(layout.statistics.map(({ slot }) => layout.slots[slot].shape), 1e5); // prettier-ignore
    const read = (state: ReplicaState): Record<string, Float32Array> => {
      const into = { gradient: new Float32Array(layout.trainedSize), statistics: new Float32Array(layout.statisticsSize) };
      readShardSums(state, { gradients, statistics }, into);
      return into;
    };
    expect(read(whole)).toEqual(read(apart));
    tf.dispose([gradients, statistics]);
    expect(engine.liveHandles()).toBe(before);
    model.dispose();
  });
});
