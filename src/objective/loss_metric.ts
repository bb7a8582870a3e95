/** Owns: a loss used as a metric: its mean over the examples. */
import type * as tfjs from '@tensorflow/tfjs';
import type { Loss } from './loss.js';
import type { Metric } from './metric.js';
import { maskedPositions, sumOverExamples } from './example_sums.js';
import { wantedShares } from './predicted_shares.js';

export function metricOfLoss(loss: Loss): Metric {
  return {
    readsMask: true,
    describe: () => ({ sums: [loss.sum], per: 1, value: 'mean', direction: 'min' }),
    create: (parts) => {
      const { tf } = parts;
      // Labels come as the run's loss takes them.
      const indices = loss.labels.indices === 'always' || (parts.indices && loss.labels.indices === 'allowed');
      const values = loss.create({ ...parts, indices });
      return (labels, output, mask) => {
        const own = values(indices === parts.indices ? labels : convert(labels), output);
        return [mask === undefined ? sumOverExamples(tf, own) : tf.sum(maskedPositions(tf, own, mask))];
      };
      function convert(labels: tfjs.Tensor): tfjs.Tensor {
        return indices ? tf.argMax(labels, -1) : wantedShares(parts, labels);
      }
    },
  };
}
