/**
 * Owns: progress as the first version of states told it, in the words of today.
 * Does not: read files (state_file.ts does).
 */
import type { z } from 'zod';
import type { TrainConfig } from '../../../common/train_config.js';
import type { firstProgressSchema, RunState } from './state_schema.js';

/** The first version counted right predictions, also of a regression, where they were 0 and best stayed empty. */
export function fromFirstVersion(
  { epochLossSum, epochCorrect, epochExamples, best, ...progress }: z.infer<typeof firstProgressSchema>,
  { loss }: TrainConfig,
): Pick<RunState, 'progress' | 'objective'> {
  const name = loss ?? 'softmax_cross_entropy';
  const counted = name === 'mean_squared_error' ? [] : [epochCorrect];
  const sum = { kind: 'real', least: 0, most: null } as const;
  const accuracy = {
    name: 'acc',
    sums: [{ kind: 'count', least: 0, most: 1 } as const],
    value: 'mean',
    per: 1,
    direction: 'max',
  } as const;
  return {
    progress: {
      ...progress,
      totals: { examples: epochExamples, loss: epochLossSum, metrics: counted },
      best: best && { epoch: best.epoch, monitor: 'val_acc', value: best.valAcc },
    },
    objective: {
      loss: { name, sum },
      metrics: counted.map(() => ({ ...accuracy, sums: [...accuracy.sums] })),
      wholeBatch: [],
      notes: [],
    },
  };
}
