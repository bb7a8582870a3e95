/** Owns: how many predictions are right: the largest output of each position, or each output by itself at one half. */
import type { Metric, MetricParts } from './metric.js';
import { counts, countTrue } from './metric.js';
import { wantedShares } from './predicted_shares.js';
import { product } from './shapes.js';
import { logOdds } from './sigmoid_cross_entropy.js';
import { classLogits } from './softmax_cross_entropy.js';

/** As the loss reads predictions. */
export const accuracy: Metric = {
  key: 'acc',
  readsMask: true,
  describe: ({ predicts, outputShape }) => ({
    ...counts(product(predicts === 'class' ? outputShape.slice(0, -1) : outputShape)),
    value: 'mean',
    direction: 'max',
  }),
  create: (parts) => (parts.predicts === 'class' ? ofClasses(parts) : ofEach(parts)),
};

/** As its name says, whatever the loss. */
export function accuracyOf(predicts: 'class' | 'each'): Metric {
  return {
    readsMask: true,
    describe: (parts) => accuracy.describe({ ...parts, predicts }),
    create: (parts) => accuracy.create({ ...parts, predicts }),
  };
}

function ofClasses(parts: MetricParts): ReturnType<Metric['create']> {
  const { tf, indices, readsLogits } = parts;
  return (labels, output, mask) => {
    const wanted = indices ? labels : tf.argMax(labels, -1);
    const found = tf.argMax(readsLogits ? classLogits(parts, output) : output, -1);
    return [countTrue(tf, tf.equal(found, tf.cast(wanted, 'int32')), mask)];
  };
}

function ofEach(parts: MetricParts): ReturnType<Metric['create']> {
  const { tf, readsLogits, likelihoods } = parts;
  return (labels, output, mask) => {
    const yes = readsLogits ? tf.greater(logOdds(parts, output), 0) : tf.greater(output, 0.5);
    const wanted = wantedShares(parts, labels);
    const right = likelihoods ? tf.equal(yes, tf.greater(wanted, 0.5)) : tf.equal(tf.cast(yes, 'float32'), wanted);
    return [countTrue(tf, right, mask)];
  };
}
