/**
 * Owns: which optimizer a configuration means.
 * Does not: compute (sgd.ts, adam.ts), or schedule the learning rate (schedule.ts).
 */
import type { OptimizerConfig } from '../../common/train_config.js';
import { createAdam } from './adam.js';
import type { Optimizer } from './optimizer.js';
import { createSgd } from './sgd.js';

export function createOptimizer(config: OptimizerConfig): Optimizer {
  switch (config.name) {
    case 'sgd':
      return createSgd(config);
    case 'adam':
      return createAdam({ ...config, decay: 'coupled' });
    case 'adamw':
      return createAdam({ ...config, decay: 'decoupled' });
  }
}
