/** Owns: what a call of the library goes on from: a run, or a saved model's weights. */
import { UsageError } from '../common/errors.js';
import { wrong } from './option_checks.js';

interface Given {
  readonly resume?: unknown;
  readonly initFrom?: unknown;
  readonly numerics?: unknown;
  readonly callbacks?: unknown;
  readonly callbacksFromHere?: boolean;
}

export interface Resume {
  /** Folder of the run; null for a new one. */
  readonly run: string | null;
  readonly initFrom: string | null;
  readonly numerics: 'strict' | 'relaxed';
  /** Callbacks and rates may be others than those that the run was begun with. */
  readonly fromHere: boolean;
}

/** @throws UsageError OPTION_INVALID, CALLBACKS_NOT_RESUMED */
export function resumeIn(options: Given): Resume {
  const { callbacks = null, callbacksFromHere: fromHere = false } = options;
  const run = pathIn('resume', 'the folder of a run, such as runs/model-001', options.resume);
  const initFrom = pathIn('initFrom', 'a run folder or a saved model, such as runs/model-001/checkpoints/best', options.initFrom);
  const numerics = options.numerics ?? 'strict';
  if (numerics !== 'strict' && numerics !== 'relaxed') throw wrong('numerics', "'strict' or 'relaxed'", numerics);
  if (run !== null && initFrom !== null)
    throw wrong('initFrom', 'absent where a run is resumed, which has weights of its own', initFrom);
  if (run === null || callbacks === null || fromHere) return { run, initFrom, numerics, fromHere };
  throw new UsageError({
    code: 'CALLBACKS_NOT_RESUMED',
    message:
      'what callbacks remember of the epochs before is not in the state of the run, so they could decide otherwise than in an undisturbed one',
    next: 'Set callbacksFromHere: true where that is well, or use earlyStopping and reduceOnPlateau, which are resumed.',
  });
}

function pathIn(name: string, wanted: string, value: unknown): string | null {
  if (value === undefined || value === null) return null;
  if (typeof value === 'string' && value !== '') return value;
  throw wrong(name, wanted, value);
}
