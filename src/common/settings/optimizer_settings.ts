/** Rows for the optimizer and its schedule; the settings of single optimizers come from src/optimizers. How to add one: setting.ts. */
import { OPTIMIZER_NAMES, OPTIMIZER_SETTINGS, type OptimizerSettings } from '../../optimizers/settings.js';
import { choice, flag, real, RUNS, section, setting, type Facts, type Setting } from './setting.js';

/** The result depends on all of them, and the library call has them in its `optimizer` option. */
const COMMON = { flag: null, commands: [], group: 'training', resume: 'fixed', workers: false, library: true } as const;

const SCHEDULE_SETTINGS = {
  name: setting(choice(['constant', 'step', 'cosine']), 'constant', {
    ...{ ...COMMON, aliases: ['lr_scheduler', 'scheduler', 'lr_schedule', 'lr_scheduler_type', 'schedule', 'sched'] },
    help: 'how the learning rate changes: constant, step or cosine',
  }),
  warmupEpochs: setting(real({ atLeast: 0 }), 0, {
    ...{ ...COMMON, aliases: ['warmup', 'warm_up_epochs', 'num_warmup_epochs'] },
    help: 'epochs in which the rate rises linearly from 0; fractions allowed',
  }),
  milestones: setting({ kind: 'wholes', atLeast: 1, wanted: 'a list of epochs, such as [60, 90]' }, [], {
    ...{ ...COMMON, aliases: ['lr_steps', 'boundaries', 'lr_step_epochs', 'decay_epochs'] },
    help: 'step: epochs at whose start the rate is multiplied by decay',
  }),
  decay: setting(real({ above: 0, atMost: 1 }), 0.1, {
    ...{ ...COMMON, aliases: ['gamma', 'lr_decay', 'decay_rate', 'lr_factor', 'lr_gamma'] },
    help: 'step: the factor at each milestone',
  }),
  finalFraction: setting(real({ atLeast: 0, atMost: 1 }), 0, {
    ...{ ...COMMON, aliases: ['eta_min', 'min_lr', 'alpha', 'min_lr_ratio'] },
    help: 'cosine: the rate at the end of the last epoch, as a fraction of learning_rate',
  }),
} as const;

const CLIPPING = [
  ...['global_clipnorm', 'clipnorm', 'max_grad_norm', 'gradient_clip_val', 'grad_clip', 'clip', 'max_norm', 'clip_grad'],
  ...['clip_grad_norm', 'clip_gradient', 'gradient_clip', 'gradient_clipping'],
];

const ALIASES: Readonly<Record<string, readonly string[]>> = {
  momentum: ['mom', 'moms'],
  beta1: ['beta_1', 'b1', 'adam_beta1'],
  beta2: ['beta_2', 'b2', 'adam_beta2'],
  epsilon: ['eps', 'adam_epsilon'],
  rho: ['rms_decay'],
};

export const OPTIMIZER = section('a mapping with a name, such as sgd or adam', {
  name: setting(choice(OPTIMIZER_NAMES), 'sgd', {
    ...COMMON,
    aliases: ['optimizer', 'optimiser', 'optim', 'opt', 'opt_func', 'solver'],
    help: OPTIMIZER_NAMES.join(', '),
  }),
  learningRate: setting(real({ above: 0 }), 0.1, {
    ...{
      ...COMMON,
      flag: '--lr <rate>',
      commands: RUNS,
      aliases: ['lr', 'base_lr', 'max_lr', 'lr_max', 'step_size', 'eta', 'rate'],
    },
    help: 'learning rate',
  }),
  ...ownSettings(),
  weightDecay: setting(real({ atLeast: 0 }), 0, {
    ...{ ...COMMON, aliases: ['wd', 'l2'] },
    help: 'each weight, times this, is added to its gradient; adamw decays the weights themselves',
  }),
  clipNorm: setting(real({ above: 0 }), null, {
    ...{ ...COMMON, aliases: CLIPPING },
    help: 'largest norm of the whole gradient',
  }),
  layerRates: setting(
    { kind: 'names', wanted: 'a list of layer=factor, such as [conv2d_1=0.1]', known: null, mayBeEmpty: true },
    [],
    {
      ...{ ...COMMON, aliases: ['lr_mult', 'layer_lr', 'param_groups', 'lr_multipliers', 'layerwise_lr'] },
      help: 'layer=factor: by what the learning rate of that layer is multiplied',
    },
  ),
  emaDecay: setting(real({ above: 0, below: 1 }), null, {
    ...{
      ...COMMON,
      aliases: ['ema', 'use_ema', 'ema_momentum', 'ema_rate', 'model_ema', 'model_ema_decay', 'average_decay', 'swa'],
    },
    help: 'keep a moving average of the trained weights: after a step, decay · average + (1 − decay) · weights',
  }),
  emaFor: setting(
    { kind: 'names', wanted: 'a list of evaluation and model', known: ['evaluation', 'model'], mayBeEmpty: true },
    [],
    {
      ...{ ...COMMON, aliases: ['ema_evaluate', 'ema_save', 'eval_with_ema', 'ema_overwrite_frequency'] },
      help: 'where the average stands for the weights: in evaluation, in saved models, or in both',
    },
  ),
  schedule: section('a mapping with name: constant, step or cosine', SCHEDULE_SETTINGS),
});

type OwnSettings = { readonly [Name in keyof OptimizerSettings]: Setting<OptimizerSettings[Name]> & Facts };
function ownSettings(): OwnSettings;
function ownSettings(): Record<string, Setting> {
  const rows = [...OPTIMIZER_SETTINGS].map(([name, { setting: own, of }]) => {
    const facts = { ...COMMON, aliases: ALIASES[name] ?? [], help: `of ${of.join(', ')}` };
    const { default: unset, ...kind } = own;
    return [name, { ...facts, default: unset, kind: kind.kind === 'flag' ? flag : kind }] as const;
  });
  return Object.fromEntries(rows);
}
