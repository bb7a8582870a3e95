/** Rows for what watches a value from epoch to epoch and acts on it. How to add one: setting.ts. */
import { flag, real, RUNS, section, setting, text, whole } from './setting.js';

const COMMON = { flag: null, commands: [], group: 'training', workers: false, library: true } as const;
const VALUE = text('the name of a value, such as val_loss');

export const EARLY_STOPPING = section('a mapping with patience', {
  patience: setting(whole({ atLeast: 0 }), null, {
    ...{ ...COMMON, flag: '--early-stopping <epochs>', commands: RUNS, resume: 'kept' },
    help: 'end the run when the value was no better for so many epochs (null: never)',
    aliases: ['early_stopping_patience', 'early_stop', 'patience'],
  }),
  monitor: setting(VALUE, null, {
    ...{ ...COMMON, resume: 'kept', aliases: ['early_stopping_monitor', 'early_stopping_metric'] },
    help: 'which value (default: what says which epoch is best)',
  }),
  minDelta: setting(real({ atLeast: 0 }), 0, {
    ...{ ...COMMON, resume: 'kept', aliases: ['early_stopping_threshold', 'early_stopping_min_delta'] },
    help: 'what is better by no more than this is not better',
  }),
  baseline: setting(real({}), null, {
    ...{ ...COMMON, resume: 'kept', aliases: ['early_stopping_baseline'] },
    help: 'a value is better only when it is better than this, too',
  }),
  restoreBest: setting(flag, false, {
    ...{ ...COMMON, resume: 'fixed', aliases: ['restore_best_weights', 'load_best_model_at_end'] },
    help: 'the model at the end is that of the best epoch, which is named; the state goes on from the last. The model of each epoch that was better is kept',
  }),
});

export const REDUCE_ON_PLATEAU = section('a mapping with patience', {
  patience: setting(whole({ atLeast: 0 }), null, {
    ...{ ...COMMON, flag: '--reduce-on-plateau <epochs>', commands: RUNS, resume: 'fixed' },
    help: 'lower the learning rate when the value was no better for so many epochs (null: never)',
    aliases: ['reduce_lr_on_plateau', 'plateau', 'lr_patience'],
  }),
  monitor: setting(VALUE, null, {
    ...{ ...COMMON, resume: 'fixed', aliases: ['plateau_monitor'] },
    help: 'which value (default: what says which epoch is best)',
  }),
  factor: setting(real({ above: 0, below: 1 }), 0.1, {
    ...{ ...COMMON, resume: 'fixed', aliases: ['plateau_factor'] },
    help: 'by which the rate is multiplied',
  }),
  minDelta: setting(real({ atLeast: 0 }), 0.0001, {
    ...{ ...COMMON, resume: 'fixed', aliases: ['plateau_threshold'] },
    help: 'what is better by no more than this is not better',
  }),
  cooldown: setting(whole({ atLeast: 0 }), 0, {
    ...{ ...COMMON, resume: 'fixed', aliases: ['plateau_cooldown'] },
    help: 'epochs after a reduction in which none is counted',
  }),
  minLearningRate: setting(real({ atLeast: 0 }), 0, {
    ...{ ...COMMON, resume: 'fixed', aliases: ['plateau_min_lr'] },
    help: 'the base rate is never lowered below this',
  }),
});
