import type { ObjectiveDescription } from '../../src/common/objective.js';

/** The objective of a classifier: softmax cross-entropy, and accuracy with one label per example. */
export const ACCURACY_OBJECTIVE: ObjectiveDescription = {
  loss: { name: 'softmax_cross_entropy', sum: { kind: 'real', least: 0, most: null } },
  metrics: [{ name: 'acc', sums: [{ kind: 'count', least: 0, most: 1 }], value: 'mean', per: 1, direction: 'max' }],
  wholeBatch: [],
  notes: [],
};
