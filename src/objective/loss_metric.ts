/** Owns: a loss used as a metric: its mean over the examples. */
import type * as tfjs from '@tensorflow/tfjs';
import type { Loss } from './loss.js';
import type { Metric } from './metric.js';
import { sumOverExamples } from './example_sums.js';
import { wantedShares } from './predicted_shares.js';

export function metricOfLoss(loss: Loss): Metric {
  return {
    describe: () => ({ sums: [loss.sum], per: 1, value: 'mean', direction: 'min' }),
    create: (parts) => {
      const { tf } = parts;
      // Labels come as the run's loss takes them.
      const indices = loss.labels.indices === 'always' || (parts.indices && loss.labels.indices === 'allowed');
      const values = loss.create({ ...parts, indices });
      return (labels, output) => {
        const own = indices === parts.indices ? labels : convert(labels);
        return [sumOverExamples(tf, values(own, output))];
      };
      function convert(labels: tfjs.Tensor): tfjs.Tensor {
        return indices ? tf.argMax(labels, -1) : wantedShares(parts, labels);
      }
    },
  };
}
