import { describe, expect, it } from 'vitest';
import { DEFAULT_TRAIN_CONFIG } from '../../src/common/train_config.js';
import { isStopped, rateFactor, watchEpoch } from '../../src/coordinator/watch.js';
import type { Watch } from '../../src/coordinator/storage/state/state_schema.js';

const LOSS = { name: 'val_loss', direction: 'min' } as const;
const { earlyStopping, reduceOnPlateau, optimizer } = DEFAULT_TRAIN_CONFIG;

/** Values of epochs 1, 2, … through both; what is left after each. */
function through(values: readonly number[], more: { stopping?: object; plateau?: object }) {
  const settings = {
    optimizer,
    earlyStopping: { ...earlyStopping, ...more.stopping },
    reduceOnPlateau: { ...reduceOnPlateau, ...more.plateau },
  };
  let watch: Watch = {};
  return values.map((value, at) => {
    const watched = { stopping: more.stopping ? LOSS : null, plateau: more.plateau ? LOSS : null };
    const outcome = watchEpoch(settings, watched, watch, { epoch: at + 1, values: { val_loss: value } });
    watch = outcome.watch;
    return { ...outcome, stopped: isStopped(settings.earlyStopping, watch), rate: rateFactor(watch) };
  });
}

describe('early stopping', () => {
  it('stops when so many epochs were no better by more than minDelta, and names the best', () => {
    const after = through([3, 2.0000001, 1.95, 2.5, Number.NaN], { stopping: { patience: 3, minDelta: 0.1 } });
    expect(after.map(({ improved }) => improved)).toEqual([true, true, false, false, false]);
    expect(after.map(({ stopped }) => stopped)).toEqual([false, false, false, false, true]);
    expect(after[4].watch.stopping).toEqual({ best: 2.0000001, bestEpoch: 2, wait: 3 });
    expect(after[4].notices).toEqual([
      { code: 'STOPPED_EARLY', message: 'val_loss was no better than 2 for 3 epochs since epoch 2' },
    ]);
  });

  it('wants a value better than the baseline, and with patience 0 stops at the first epoch that is none', () => {
    const after = through([3, 2, 1, 1], { stopping: { patience: 2, baseline: 1.5 } });
    expect(after.map(({ stopped }) => stopped)).toEqual([false, true, false, false]);
    expect(through([3, 2, 2], { stopping: { patience: 0 } }).map(({ stopped }) => stopped)).toEqual([false, false, true]);
  });
});

describe('the rate on a plateau', () => {
  it('is multiplied after so many epochs that were no better, with a rest after it, and not below the least', () => {
    const plateau = { patience: 2, factor: 0.1, minDelta: 0, cooldown: 2, minLearningRate: 0.002 };
    const rates = through([5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5], { plateau }).map(({ rate }) => rate);
    // As keras.callbacks.ReduceLROnPlateau counts: reduced at epoch 3, resting in 4, counting again in 5 and 6.
    expect(rates).toEqual([1, 1, 0.1, 0.1, 0.1, 0.02, 0.02, 0.02, 0.02, 0.02, 0.02].map((rate) => expect.closeTo(rate, 12)));
  });
});
