/**
 * The settings of an optimizer that a Keras model was compiled with, as `optimizer_config` of a converted file says them. Sources of the updates:
 * keras/src/optimizers/*.py (3.15) and tf_keras 2.21. What our optimizers do not compute is refused by its name.
 */
import { UsageError } from '../common/errors.js';
import { LEARNING_RATE, requireInBounds, unsupported, type ReadOptimizer } from './from_tfjs.js';
import { OPTIMIZER_SETTINGS, type OptimizerName } from './settings.js';

/** Keras's class, and what its configuration calls our settings. Its Adadelta is not tfjs's, which takes the steps of sgd. */
const ROWS: Readonly<Record<string, { name: OptimizerName; settings: Readonly<Record<string, string>> }>> = {
  sgd: { name: 'sgd', settings: { momentum: 'momentum', nesterov: 'nesterov' } },
  adam: { name: 'adam', settings: { beta1: 'beta_1', beta2: 'beta_2', epsilon: 'epsilon' } },
  adamw: { name: 'adamw', settings: { beta1: 'beta_1', beta2: 'beta_2', epsilon: 'epsilon' } },
  adamax: { name: 'adamax', settings: { beta1: 'beta_1', beta2: 'beta_2', epsilon: 'epsilon' } },
  adagrad: { name: 'adagrad', settings: { initialAccumulatorValue: 'initial_accumulator_value', epsilon: 'epsilon' } },
  rmsprop: { name: 'rmsprop', settings: { rho: 'rho', momentum: 'momentum', epsilon: 'epsilon' } },
};

/** Settings that mean something else here, or nothing, with what to do; they are refused unless they are off (null, false, 0). */
const REFUSED: Readonly<Record<string, string>> = {
  clipvalue: 'each value of the gradient is cut off',
  clipnorm:
    "each weight's gradient has a largest norm of its own (optimizer.clip_norm is that of all together, Keras's global_clipnorm)",
  decay: 'the learning rate falls with every step (optimizer.schedule has other ways)',
  amsgrad: 'the largest second moment so far divides the step',
  centered: 'tfjs has it with another sign of epsilon',
  use_ema: 'a moving average takes the place of the weights at the end (optimizer.ema_decay, optimizer.ema_for)',
  gradient_accumulation_steps: 'gradients of several batches are one step (a larger batch is the same)',
  loss_scale_factor: 'the loss is scaled',
};

/** @throws UsageError OPTIMIZER_UNSUPPORTED or OPTIMIZER_SETTING */
export function readKerasOptimizer(className: string, config: Readonly<Record<string, unknown>>): ReadOptimizer {
  // `Custom>Adam`; Keras 2 wrote names in small letters too.
  const plain = className.replace(/^.*>/, '');
  const row = Object.hasOwn(ROWS, plain.toLowerCase()) ? ROWS[plain.toLowerCase()] : null;
  if (row === null) throw unsupported(`Keras's ${plain}`);
  for (const [name, why] of Object.entries(REFUSED))
    if (isOn(config[name])) throw refused(plain, `${name} ${shown(config[name])}`, why);
  const settings: Record<string, unknown> = {};
  for (const [ours, theirs] of Object.entries(row.settings)) {
    const value = config[theirs];
    // Keras's own default, which is ours too.
    if (value === undefined || value === null) continue;
    requireInBounds(plain, { theirs, value, setting: OPTIMIZER_SETTINGS.get(ours)?.setting });
    settings[ours] = value;
  }
  // Without momentum Nesterov looks nowhere.
  if (!isOn(settings.momentum) && 'nesterov' in settings) settings.nesterov = false;
  const learningRate = config.learning_rate ?? config.lr;
  if (typeof learningRate === 'object' && learningRate !== null)
    throw refused(
      plain,
      `the learning rate ${shown((learningRate as { class_name?: unknown }).class_name)}`,
      'it is a schedule of Keras (optimizer.schedule has others)',
    );
  requireInBounds(plain, { theirs: 'learning_rate', value: learningRate, setting: LEARNING_RATE });
  const { weight_decay: decay, global_clipnorm: clipNorm } = config;
  if (isOn(decay) && row.name !== 'adamw')
    throw refused(plain, `weight_decay ${shown(decay)}`, 'the weights themselves decay, which only adamw does here');
  const own = { name: row.name, learningRate: learningRate as number };
  return {
    settings: {
      ...settings,
      ...own,
      ...(isOn(decay) && { weightDecay: decay as number }),
      ...(isOn(clipNorm) && { clipNorm: clipNorm as number }),
    },
    notes: [],
  };
}

function isOn(value: unknown): boolean {
  return value !== undefined && value !== null && value !== false && value !== 0;
}

function shown(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function refused(className: string, what: string, why: string): UsageError {
  return new UsageError({
    code: 'OPTIMIZER_SETTING',
    message: `the model's optimizer ${className} has ${what}, which a run does not do: ${why}`,
    next: 'Compile the model without it, or set optimizer.name and its settings, which then count.',
  });
}
