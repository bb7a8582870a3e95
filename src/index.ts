/** Owns: the library's public API, nothing else. The engine alone is `tfjs-parallel/engine`. */
export { train } from './api/library.js';
export type { TrainedRun } from './api/library.js';
export type { TrainOptions } from './api/train_options.js';
export type { BatchLogs, EpochLogs, RateFunction, TrainCallbacks } from './api/callback_runner.js';
export type { ArraysSource, SourceArray, SplitSource } from './data/arrays.js';
export type { RunEvent, RunObserver } from './common/run_events.js';
export type { OptimizerConfig, ScheduleConfig, TrainConfig } from './common/train_config.js';
export {
  CheckpointError,
  ClusterError,
  DataError,
  DivergedError,
  EnvironmentError,
  ExpectedError,
  TargetNotMetError,
  UsageError,
} from './common/errors.js';
