import { UsageError } from '../common/errors.js';
import type { Monitor } from '../common/objective.js';
import type { TrainConfig } from '../common/train_config.js';

/** @throws UsageError VALUE_INVALID for an accuracy in per cent: nothing would ever reach it. */
export function requireReachable(config: Pick<TrainConfig, 'target' | 'saveAbove'>, { name }: Monitor): void {
  for (const [setting, value] of Object.entries({ target: config.target, save_above: config.saveAbove })) {
    if (value === null || !name.endsWith('acc') || (value >= 0 && value <= 1)) continue;
    throw new UsageError({
      code: 'VALUE_INVALID',
      message: `${setting} is ${value}, and the monitored value is ${name}, a fraction from 0 to 1`,
      next: 'Write 99.3 % as 0.993, or name another value with --monitor.',
    });
  }
}
