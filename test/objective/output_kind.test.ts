import * as tf from '@tensorflow/tfjs';
import { expect, test } from 'vitest';
import { outputKindOf } from '../../src/objective/output_kind.js';

const input = (): tf.SymbolicTensor => tf.input({ shape: [4] });
const head = (of: tf.SymbolicTensor, activation: 'softmax' | 'sigmoid' | 'linear', units = 2): tf.SymbolicTensor =>
  tf.layers.dense({ units, activation }).apply(of) as tf.SymbolicTensor;
const kind = (make: (of: tf.SymbolicTensor) => unknown): string => {
  const inputs = input();
  return outputKindOf(tf.model({ inputs, outputs: make(inputs) as tf.SymbolicTensor }));
};

test('probabilities are read off the graph, not off the last layer', () => {
  expect([
    kind((of) => tf.layers.concatenate().apply([head(of, 'softmax'), head(of, 'softmax')])),
    kind((of) => tf.layers.average().apply([head(of, 'softmax'), head(of, 'softmax')])),
    kind((of) => tf.layers.dropout({ rate: 0.5 }).apply(head(of, 'softmax'))),
    kind((of) =>
      tf.layers.globalAveragePooling1d().apply(tf.layers.reshape({ targetShape: [2, 2] }).apply(head(of, 'softmax', 4))),
    ),
    kind((of) => tf.layers.reshape({ targetShape: [2, 1] }).apply(head(of, 'softmax'))),
    kind((of) => tf.layers.activation({ activation: 'linear' }).apply(head(of, 'sigmoid'))),
    kind((of) => tf.layers.concatenate().apply([head(of, 'sigmoid'), head(of, 'sigmoid')])),
  ]).toEqual(['from_softmax', 'from_softmax', 'from_softmax', 'from_softmax', 'softmax', 'from_sigmoid', 'from_sigmoid']);
});

test('what is computed from probabilities is none, and an LSTM is not its activation', () => {
  const lstm = tf.sequential({ layers: [tf.layers.lstm({ units: 2, activation: 'softmax', inputShape: [3, 4] })] });
  expect([
    kind((of) => head(head(of, 'softmax'), 'linear')),
    kind((of) => tf.layers.batchNormalization().apply(head(of, 'softmax'))),
    kind((of) => tf.layers.concatenate().apply([head(of, 'softmax'), head(of, 'linear')])),
    outputKindOf(lstm),
  ]).toEqual(['unknown', 'unknown', 'unknown', 'unknown']);
});

test('a model used as a layer is looked into, and through where it gives its input', () => {
  const inner = tf.sequential({ layers: [tf.layers.dropout({ rate: 0.2, inputShape: [2] })] });
  const soft = tf.sequential({ layers: [tf.layers.dense({ units: 2, activation: 'softmax', inputShape: [4] })] });
  expect([kind((of) => inner.apply(head(of, 'sigmoid'))), kind((of) => soft.apply(of))]).toEqual(['from_sigmoid', 'softmax']);
});
