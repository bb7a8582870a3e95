/**
 * Owns: a metric over the positions that a mask leaves: a mean becomes the ratio of its sum over them to their number. Others count under the mask
 * themselves; a user's function, which knows no masks, stays as it is.
 */
import { counts, type Metric } from './metric.js';
import { product } from './shapes.js';

export function maskedMetric(metric: Metric): Metric {
  if (!metric.readsMask) return metric;
  return {
    ...metric,
    describe: (parts) => {
      const described = metric.describe(parts);
      if (described.value !== 'mean') return described;
      const all = product(parts.outputShape);
      const [sum] = described.sums;
      // Of a loss the sum is over positions now, and no mean of an example's.
      const scaled = sum.kind === 'count' ? sum : { ...sum, least: times(sum.least, all), most: times(sum.most, all) };
      return { ...described, value: 'ratio', sums: [scaled, ...counts(all).sums] };
    },
    create: (parts) => {
      const sums = metric.create(parts);
      const { tf } = parts;
      const { value, per } = metric.describe(parts);
      return (labels, output, mask) => {
        const own = sums(labels, output, mask);
        if (value !== 'mean') return own;
        const positions = mask === undefined ? product(parts.outputShape.slice(0, -1)) : product(mask.positions.shape.slice(1));
        const each = Math.max(1, Math.round(per / positions));
        const valid =
          mask === undefined ? tf.scalar(output.shape[0] * positions, 'int32') : tf.sum(tf.cast(mask.positions, 'int32'));
        return [...own, tf.mul(valid, tf.scalar(each, 'int32'))];
      };
    },
  };
}

function times(bound: number | null, factor: number): number | null {
  return bound === null ? null : bound * factor;
}
