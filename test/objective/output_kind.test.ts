import * as tf from '@tensorflow/tfjs';
import { expect, test } from 'vitest';
import type { UsageError } from '../../src/common/errors.js';
import { findLoss } from '../../src/objective/find_names.js';
import { requireSaid } from '../../src/objective/opaque_output.js';
import { outputKindOf } from '../../src/objective/output_kind.js';

const input = (): tf.SymbolicTensor => tf.input({ shape: [4] });
const head = (of: tf.SymbolicTensor, activation: 'softmax' | 'sigmoid' | 'linear', units = 2): tf.SymbolicTensor =>
  tf.layers.dense({ units, activation }).apply(of) as tf.SymbolicTensor;
const reshaped = (of: tf.SymbolicTensor, targetShape: number[]): tf.SymbolicTensor =>
  tf.layers.reshape({ targetShape }).apply(of) as tf.SymbolicTensor;
const positions = (of: tf.SymbolicTensor): tf.SymbolicTensor => reshaped(of, [2, 2]);
const picture = (of: tf.SymbolicTensor): tf.SymbolicTensor => reshaped(of, [2, 2, 1]);
class Own extends tf.layers.Layer {
  static className = 'OwnLayer';
  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return Array.isArray(inputs) ? inputs[0] : inputs;
  }
}
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
    kind((of) => tf.layers.reshape({ targetShape: [2, 2] }).apply(head(positions(of), 'softmax'))),
    kind((of) => tf.layers.activation({ activation: 'linear' }).apply(head(of, 'sigmoid'))),
    kind((of) => tf.layers.concatenate().apply([head(of, 'sigmoid'), head(of, 'sigmoid')])),
  ]).toEqual(['from_softmax', 'from_softmax', 'from_softmax', 'from_softmax', 'softmax', 'from_sigmoid', 'from_sigmoid']);
});

test('rows that are cut otherwise are no distributions any more, probabilities still', () => {
  const soft = (of: tf.SymbolicTensor): tf.SymbolicTensor => head(positions(of), 'softmax');
  expect([
    kind((of) => tf.layers.reshape({ targetShape: [2, 1] }).apply(head(of, 'softmax'))),
    kind((of) => tf.layers.flatten().apply(soft(of))),
    kind((of) => tf.layers.permute({ dims: [2, 1] }).apply(soft(of))),
    kind((of) => tf.layers.flatten().apply(head(positions(of), 'sigmoid'))),
  ]).toEqual(['from_softmax', 'from_softmax', 'from_softmax', 'sigmoid']);
});

test('what leaves or scales positive numbers leaves probabilities', () => {
  expect([
    kind((of) => tf.layers.leakyReLU().apply(head(of, 'softmax'))),
    kind((of) => tf.layers.activation({ activation: 'relu6' }).apply(head(of, 'sigmoid'))),
    kind((of) => tf.layers.centerCrop({ height: 1, width: 1 }).apply(head(picture(of), 'softmax'))),
  ]).toEqual(['from_softmax', 'from_sigmoid', 'softmax']);
});

test('recurrent layers give their activation, those with gates less of it', () => {
  const rnn = tf.layers.simpleRNN({ units: 2, activation: 'softmax' }) as tf.RNN;
  const cell = tf.layers.simpleRNNCell({ units: 2, activation: 'sigmoid' });
  expect([
    kind((of) => tf.layers.bidirectional({ layer: rnn, mergeMode: 'concat' }).apply(positions(of))),
    kind((of) => tf.layers.rnn({ cell: [tf.layers.gruCell({ units: 3 }), cell] }).apply(positions(of))),
    kind((of) => tf.layers.gru({ units: 2, activation: 'sigmoid' }).apply(positions(of))),
    kind((of) => tf.layers.lstm({ units: 2, activation: 'softmax' }).apply(positions(of))),
    kind((of) => tf.layers.lstm({ units: 2 }).apply(positions(of))),
  ]).toEqual(['from_softmax', 'sigmoid', 'from_sigmoid', 'from_softmax', 'unknown']);
});

test("what is computed from probabilities otherwise is opaque, and so is what a layer of one's own gives", () => {
  expect([
    kind((of) => tf.layers.batchNormalization().apply(head(of, 'softmax'))),
    kind((of) => tf.layers.rescaling({ scale: 0.9, offset: 0.05 }).apply(head(of, 'sigmoid'))),
    kind((of) => tf.layers.activation({ activation: 'tanh' }).apply(head(of, 'softmax'))),
    kind((of) => new Own({}).apply(head(of, 'linear'))),
    kind((of) => tf.layers.dropout({ rate: 0.5 }).apply(new Own({}).apply(of))),
    kind((of) => head(new Own({}).apply(head(of, 'softmax')) as tf.SymbolicTensor, 'linear')),
    kind((of) => tf.layers.batchNormalization().apply(head(of, 'linear'))),
    kind((of) => head(head(of, 'softmax'), 'linear')),
    kind((of) => tf.layers.concatenate().apply([head(of, 'softmax'), head(of, 'linear')])),
  ]).toEqual(['opaque', 'opaque', 'opaque', 'opaque', 'opaque', 'unknown', 'unknown', 'unknown', 'unknown']);
});

test('a loss that reads the graph is refused where the graph does not say, with both ways to say it', () => {
  const said = (name: string): string | undefined => {
    try {
      requireSaid(findLoss(name));
      return undefined;
    } catch (error) {
      return (error as UsageError).next;
    }
  };
  expect([said('softmax_cross_entropy'), said('sigmoid_cross_entropy')]).toEqual([
    'Choose --loss softmax_cross_entropy_from_logits where it gives logits, categoricalCrossentropy or sparseCategoricalCrossentropy where it gives probabilities.',
    'Choose --loss sigmoid_cross_entropy_from_logits where it gives logits, binaryCrossentropy where it gives probabilities.',
  ]);
  const plain = ['softmax_cross_entropy_from_logits', 'binaryCrossentropy', 'mean_squared_error', 'categoricalCrossentropy'];
  expect(plain.map(said)).toEqual([undefined, undefined, undefined, undefined]);
});

test('a model used as a layer is looked into, and through where it gives its input', () => {
  const inner = tf.sequential({ layers: [tf.layers.dropout({ rate: 0.2, inputShape: [2] })] });
  const soft = tf.sequential({ layers: [tf.layers.dense({ units: 2, activation: 'softmax', inputShape: [4] })] });
  const [a, b] = [tf.input({ shape: [2] }), tf.input({ shape: [2] })];
  const two = tf.model({
    inputs: [a, b],
    outputs: [tf.layers.dropout({ rate: 0.2 }).apply(b) as tf.SymbolicTensor, head(a, 'softmax')],
  });
  const applied = (of: tf.SymbolicTensor): tf.SymbolicTensor[] =>
    two.apply([head(of, 'linear'), head(of, 'sigmoid')]) as tf.SymbolicTensor[];
  expect([
    kind((of) => inner.apply(head(of, 'sigmoid'))),
    kind((of) => soft.apply(of)),
    kind((of) => applied(of)[0]),
    kind((of) => applied(of)[1]),
  ]).toEqual(['from_sigmoid', 'softmax', 'from_sigmoid', 'softmax']);
});
