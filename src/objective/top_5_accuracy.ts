/** Owns: how often fewer than five classes are given more than the right one. Source: TensorFlow's in_top_k, which lets ties count for the right one. */
import { counts, countTrue, type Metric } from './metric.js';
import { product } from './shapes.js';

const TOP = 5;

export const top5Accuracy: Metric = {
  key: 'top_5_acc',
  readsMask: true,
  describe: ({ outputShape }) => ({ ...counts(product(outputShape.slice(0, -1))), value: 'mean', direction: 'max' }),
  create: ({ tf, indices, outputShape }) => {
    const classes = outputShape[outputShape.length - 1];
    return (labels, output, mask) => {
      const wanted = tf.cast(indices ? labels : tf.argMax(labels, -1), 'int32');
      const right = tf.sum(tf.mul(output, tf.cast(tf.oneHot(wanted as never, classes), 'float32')), -1, true);
      const ahead = tf.sum(tf.cast(tf.greater(output, right), 'int32'), -1);
      return [countTrue(tf, tf.less(ahead, TOP), mask)];
    };
  },
};
