/** The settings of an optimizer that a tf.LayersModel was compiled with. */
import { UsageError } from '../common/errors.js';
import type { Setting, TfjsOptimizer } from './optimizer.js';
import { OPTIMIZER_NAMES, OPTIMIZER_SETTINGS, type OptimizerName, type OptimizerSettings } from './settings.js';
import { OPTIMIZERS } from './table.js';

/** What is read of a tf.Optimizer, whichever copy of tfjs made it. */
export interface TfjsOptimizerObject {
  getConfig(): Record<string, unknown>;
  getClassName(): string;
  readonly iterations: number;
}

export interface ReadOptimizer {
  /** What the configuration's `optimizer` section would say. */
  readonly settings: Partial<OptimizerSettings> & {
    readonly name: OptimizerName;
    readonly learningRate: number;
    readonly weightDecay?: number;
    readonly clipNorm?: number;
  };
  /** One sentence each, for what is not taken over. */
  readonly notes: readonly string[];
}

/** @throws UsageError OPTIMIZER_UNSUPPORTED naming the optimizer, or OPTIMIZER_SETTING naming the setting */
export function readTfjsOptimizer(optimizer: TfjsOptimizerObject): ReadOptimizer {
  const className = optimizer.getClassName();
  const found = rowOf(className);
  const constructor = optimizer.constructor as { readonly name?: string };
  if (found === null || !Object.hasOwn(constructor, 'className'))
    throw unsupported(found === null ? className : `${constructor.name ?? 'a class of its own'}, made from ${className}`);
  const config = { ...optimizer.getConfig() };
  const isSgd = className === 'SGD' || className === 'Momentum';
  if (isSgd) config.learningRate = effective(optimizer, 'c', config.learningRate);
  if (className === 'Momentum') config.momentum = effective(optimizer, 'm', config.momentum);
  const { settings } = readTfjsConfig(className, config);
  const { iterations } = optimizer;
  const notes =
    iterations > 0
      ? [
          `the optimizer was used for ${iterations === 1 ? '1 step' : `${iterations} steps`} before; what it remembers of them is not taken over, it begins anew`,
        ]
      : [];
  return { settings, notes };
}

/** Of a class of tfjs's, as its `getConfig()` says it. @throws as readTfjsOptimizer */
export function readTfjsConfig(className: string, config: Readonly<Record<string, unknown>>): ReadOptimizer {
  const found = rowOf(className);
  if (found === null) throw unsupported(className);
  const settings: Record<string, unknown> = {};
  for (const [ours, theirs] of Object.entries(found.row.settings)) {
    requireInBounds(className, { theirs, value: config[theirs], setting: OPTIMIZER_SETTINGS.get(ours)?.setting });
    settings[ours] = config[theirs];
  }
  // Without momentum Nesterov looks nowhere.
  if (settings.momentum === 0 && 'nesterov' in settings) settings.nesterov = false;
  const { learningRate } = config;
  requireInBounds(className, { theirs: 'learningRate', value: learningRate, setting: LEARNING_RATE });
  return { settings: { ...settings, name: found.name, learningRate: learningRate as number }, notes: [] };
}

export const LEARNING_RATE: Setting = { kind: 'real', above: 0, default: 0.1 };

export function unsupported(what: string): UsageError {
  const known = OPTIMIZER_NAMES.flatMap((name) => OPTIMIZERS[name].tfjs.map((row) => row.className));
  return new UsageError({
    code: 'OPTIMIZER_UNSUPPORTED',
    message: `the model was compiled with the optimizer ${what}; what its update computes is not known here`,
    next: `Compile the model with one of tfjs's own (${known.join(', ')}), or set optimizer.name to one of ${OPTIMIZER_NAMES.join(', ')}.`,
  });
}

/** Null where the class is not one that is known here. */
export function rowOf(className: string): { name: OptimizerName; row: TfjsOptimizer } | null {
  for (const name of OPTIMIZER_NAMES) {
    const row = OPTIMIZERS[name].tfjs.find((candidate) => candidate.className === className);
    if (row !== undefined) return { name, row };
  }
  return null;
}

/**
 * Sgd and momentum compute with scalars made when they were constructed (−rate as `c`, the momentum as `m`): an `optimizer.learningRate = x`
 * or `setMomentum(x)` afterwards does nothing in tfjs, and so does nothing here.
 */
function effective(optimizer: object, scalar: 'c' | 'm', said: unknown): unknown {
  if (typeof said !== 'number') return said;
  const tensor = (optimizer as Record<string, { dataSync?: () => ArrayLike<number> } | undefined>)[scalar];
  const held = tensor?.dataSync?.()[0];
  if (held === undefined) return said;
  const used = scalar === 'c' ? -held : held;
  return Math.fround(said) === used ? said : used;
}

/** @throws UsageError OPTIMIZER_SETTING */
export function requireInBounds(
  className: string,
  { theirs, value, setting }: { theirs: string; value: unknown; setting: Setting | undefined },
): void {
  if (setting === undefined || (setting.kind === 'flag' && typeof value === 'boolean')) return;
  const { atLeast = -Infinity, above = -Infinity, below = Infinity } = setting.kind === 'real' ? setting : {};
  if (setting.kind === 'real' && typeof value === 'number' && value >= atLeast && value > above && value < below) return;
  const wanted = [
    Number.isFinite(atLeast) ? `at least ${atLeast}` : null,
    Number.isFinite(above) ? `above ${above}` : null,
    Number.isFinite(below) ? `below ${below}` : null,
  ].filter((bound) => bound !== null);
  throw new UsageError({
    code: 'OPTIMIZER_SETTING',
    message: `the model's optimizer ${className} has ${theirs} ${String(value)}; ${setting.kind === 'flag' ? 'true or false' : wanted.join(' and ')} is needed`,
    next: 'Compile the model with another value, or set optimizer.name and its settings, which then count.',
  });
}
