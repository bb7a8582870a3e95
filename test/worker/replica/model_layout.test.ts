/**
 * Owns: how a model's weights are read as a layout, and which models are refused, in which words. Plain tfjs: no engine.
 */
import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { UsageError } from '../../../src/common/errors.js';
import { requireInputShape } from '../../../src/worker/replica/bind_fields.js';
import { flattenLayers, layoutOf } from '../../../src/worker/replica/model_layout.js';

/** `trained | rest`, statistics marked with their momentum. */
function drawn(model: tf.LayersModel): string[] {
  const { slots, trainedSlots, statistics } = layoutOf(model);
  const momenta = new Map(statistics.map(({ slot, momentum }) => [slot, momentum]));
  return slots.map(({ name, shape, offset }, index) => {
    const momentum = momenta.get(index);
    return `${index < trainedSlots ? 'trained' : 'kept'} ${offset} ${name} [${shape}]${momentum === undefined ? '' : ` ~${momentum}`}`;
  });
}

function refusal(model: tf.LayersModel): string {
  try {
    layoutOf(model);
  } catch (error) {
    if (error instanceof UsageError) return `${error.exitCode} ${error.code}: ${error.message}`;
    throw error;
  }
  return 'taken';
}

describe('a layout', () => {
  it('has trained weights first, then moving statistics with their momentum, in model.weights order', () => {
    const model = tf.sequential({
      layers: [
        tf.layers.dense({ name: 'a', units: 2, inputShape: [3] }),
        tf.layers.batchNormalization({ name: 'n', momentum: 0.9 }),
        tf.layers.dense({ name: 'b', units: 1 }),
      ],
    });
    expect(drawn(model)).toMatchInlineSnapshot(`
      [
        "trained 0 a/kernel [3,2]",
        "trained 6 a/bias [2]",
        "trained 8 n/gamma [2]",
        "trained 10 n/beta [2]",
        "trained 12 b/kernel [2,1]",
        "trained 14 b/bias [1]",
        "kept 15 n/moving_mean [2] ~0.9",
        "kept 17 n/moving_variance [2] ~0.9",
      ]
    `);
    expect(layoutOf(model)).toMatchObject({ trainedSize: 15, totalSize: 19, statisticsSize: 4 });
  });

  it('counts nested models and frozen layers; a frozen batch norm still has moving statistics', () => {
    const inner = tf.sequential({
      name: 'inner',
      layers: [
        tf.layers.dense({ name: 'i', units: 2, inputShape: [2] }),
        tf.layers.batchNormalization({ name: 'in', trainable: false, scale: false }),
      ],
    });
    const model = tf.sequential({
      layers: [
        tf.layers.dense({ name: 'f', units: 2, inputShape: [2], trainable: false }),
        inner,
        tf.layers.batchNormalization({ name: 'n', center: false }),
      ],
    });
    expect(drawn(model)).toMatchInlineSnapshot(`
      [
        "trained 0 i/kernel [2,2]",
        "trained 4 i/bias [2]",
        "trained 6 n/gamma [2]",
        "kept 8 f/kernel [2,2]",
        "kept 12 f/bias [2]",
        "kept 14 in/beta [2]",
        "kept 16 in/moving_mean [2] ~0.99",
        "kept 18 in/moving_variance [2] ~0.99",
        "kept 20 n/moving_mean [2] ~0.99",
        "kept 22 n/moving_variance [2] ~0.99",
      ]
    `);
  });

  it('goes by the names that are saved, not by those that tfjs numbers in a process', () => {
    const build = () =>
      tf.sequential({
        layers: [tf.layers.dense({ name: 'same', units: 1, inputShape: [1] }), tf.layers.batchNormalization({ name: 'same_n' })],
      });
    const first = build();
    const second = build();
    expect(second.weights.map(({ name }) => name)).not.toEqual(first.weights.map(({ name }) => name));
    expect(layoutOf(second)).toEqual(layoutOf(first));
  });

  it('is the same for a model that was renamed by being built again from its topology', async () => {
    const model = tf.sequential({
      layers: [tf.layers.dense({ name: 'd', units: 2, inputShape: [2] }), tf.layers.batchNormalization({ name: 'n' })],
    });
    const again = await tf.models.modelFromJSON(JSON.parse(JSON.stringify(model.toJSON(null, false))) as tf.io.ModelJSON);
    expect(layoutOf(again)).toEqual(layoutOf(model));
  });

  it('looks into wrappers', () => {
    const model = tf.sequential({
      layers: [
        tf.layers.timeDistributed({ layer: tf.layers.batchNormalization({ name: 'tn' }), inputShape: [4, 3], name: 'td' }),
        tf.layers.bidirectional({ layer: tf.layers.lstm({ units: 2 }) as tf.RNN, mergeMode: 'concat', name: 'bi' }),
      ],
    });
    expect(flattenLayers(model).map((layer) => layer.getClassName())).toEqual([
      'TimeDistributed',
      'BatchNormalization',
      'Bidirectional',
      'LSTM',
    ]);
    const { statistics, trainedSlots, slots } = layoutOf(model);
    // gamma, beta, two directions of three; then mean and variance.
    expect([trainedSlots, slots.length, statistics.map(({ slot }) => slot)]).toEqual([8, 10, [8, 9]]);
  });
});

describe('a model is refused', () => {
  const recurrent = (args: Partial<Parameters<typeof tf.layers.lstm>[0]> = {}) =>
    tf.layers.lstm({ units: 2, name: 'memory', ...args });
  const after = (layer: tf.layers.Layer) => {
    const input = tf.input({ batchShape: [2, 3, 1] });
    return tf.model({ inputs: input, outputs: layer.apply(input) as tf.SymbolicTensor });
  };

  it('with layers that keep state between batches, also inside wrappers and nested models', () => {
    expect(refusal(after(recurrent({ stateful: true })))).toBe(
      '2 MODEL_STATEFUL: layer memory keeps state between batches (stateful: true), which replicas cannot share',
    );
    expect(
      refusal(after(tf.layers.bidirectional({ layer: recurrent({ stateful: true }) as tf.RNN, mergeMode: 'concat' }))),
    ).toMatch(/MODEL_STATEFUL/);
    const input = tf.input({ batchShape: [2, 3, 1] });
    expect(
      refusal(tf.model({ inputs: input, outputs: after(recurrent({ stateful: true })).apply(input) as tf.SymbolicTensor })),
    ).toMatch(/MODEL_STATEFUL/);
    expect(refusal(after(recurrent()))).toBe('taken');
  });

  it('with layers that read values in JavaScript while they are called', () => {
    const images = (layer: tf.layers.Layer) => {
      const input = tf.input({ shape: [4, 4, 1] });
      const convolved = tf.layers.conv2d({ filters: 1, kernelSize: 1 }).apply(input) as tf.SymbolicTensor;
      return tf.model({ inputs: input, outputs: layer.apply(convolved) as tf.SymbolicTensor });
    };
    const tokens = tf.layers.categoryEncoding({ name: 'tokens', numTokens: 3 });
    expect([
      refusal(images(tf.layers.randomWidth({ name: 'wide', factor: 0.1 }))),
      refusal(tf.sequential({ layers: [tf.layers.dense({ units: 2, inputShape: [2] }), tokens] })),
    ]).toMatchInlineSnapshot(`
      [
        "2 MODEL_READS_DATA: RandomWidth (layer wide) draws a width for each batch, which a step that is recorded once and cut into shards cannot; do it to the data before",
        "2 MODEL_READS_DATA: CategoryEncoding (layer tokens) looks at its tokens in JavaScript, which a step that is recorded once and cut into shards cannot; do it to the data before",
      ]
    `);
  });

  it('never for its random layers, whose numbers are keyed', () => {
    const flat = (layer: tf.layers.Layer) => tf.sequential({ layers: [tf.layers.dense({ units: 2, inputShape: [2] }), layer] });
    expect([
      refusal(flat(tf.layers.gaussianNoise({ stddev: 1 }))),
      refusal(flat(tf.layers.gaussianDropout({ rate: 0.5 }))),
      refusal(flat(tf.layers.alphaDropout({ rate: 0.5 }))),
      refusal(after(recurrent({ dropout: 0.2 }))),
      refusal(after(tf.layers.bidirectional({ layer: recurrent({ recurrentDropout: 0.2 }) as tf.RNN, mergeMode: 'sum' }))),
      refusal(after(tf.layers.rnn({ cell: [tf.layers.gruCell({ units: 2 }), tf.layers.gruCell({ units: 2, dropout: 0.5 })] }))),
    ]).toEqual(Array(6).fill('taken'));
  });

  it('with two weights of one name, which tfjs could not load', () => {
    const part = () => tf.sequential({ layers: [tf.layers.dense({ name: 'same', units: 2, inputShape: [2] })] });
    const model = tf.sequential({ layers: [part(), part()] });
    expect(refusal(model)).toMatchInlineSnapshot(
      `"2 MODEL_WEIGHT_NAMES: two weights are called same/kernel, so a saved model could not be loaded; give the layers of nested models names of their own"`,
    );
  });

  it('with nothing to train', () => {
    expect(refusal(tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [1], trainable: false })] }))).toBe(
      '2 MODEL_NOTHING_TRAINED: no weight of the model is trained',
    );
  });

  it('with another input shape than the data has; open axes take any', () => {
    const model = tf.sequential({ layers: [tf.layers.conv2d({ filters: 1, kernelSize: 1, inputShape: [null, 28, 1] })] });
    requireInputShape(model, { name: 'd', inputShape: [28, 28, 1] });
    requireInputShape(model, { name: 'd', inputShape: [7, 28, 1] });
    for (const inputShape of [[28, 28], [28, 28, 3], [784]])
      expect(() => requireInputShape(model, { name: 'shapes', inputShape })).toThrow(
        `the model takes examples of [any, 28, 1], those of shapes are [${inputShape.join(', ')}]`,
      );
  });
});
