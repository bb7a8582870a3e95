/**
 * Owns: the names of what a run is made of, resolved. The settings themselves are the table in settings/.
 * Does not: parse files, flags or environment (src/cli/config_file.ts does), or choose devices (src/api/train.ts does).
 */
import { completeConfig, type TrainConfig } from './settings/table.js';

export type { TrainConfig };
/** With the settings of every optimizer (src/optimizers), of which the one named reads its own. */
export type OptimizerConfig = TrainConfig['optimizer'];
export type ScheduleConfig = OptimizerConfig['schedule'];

/** The reference run's values; config/mnist.yaml says why for each. */
export const DEFAULT_TRAIN_CONFIG: TrainConfig = completeConfig({});
