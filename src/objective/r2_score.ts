/** Owns: tfjs's r2Score, the share of the targets' variance that a model explains: of a whole batch, whose mean target no shard knows. */
import { ANY_SUM } from './loss.js';
import type { Metric } from './metric.js';
import { wantedShares } from './predicted_shares.js';

export const r2Score: Metric = {
  wholeBatch: true,
  describe: () => ({ sums: [ANY_SUM], per: 1, value: 'mean', direction: 'max' }),
  create: (parts) => (labels, output) => {
    const { tf } = parts;
    return [tf.mul(output.shape[0], tf.metrics.r2Score(wantedShares(parts, labels), output))];
  },
};
