/** Owns: the library's public API, nothing else. The engine alone is `tfjs-parallel/engine`. */
export { train } from './api/library.js';
export type { TrainedRun } from './api/library.js';
export { fit } from './api/fit/fit.js';
export { fitDataset } from './api/fit/fit_dataset.js';
export type { FitHistory, FitRun } from './api/fit/fit.js';
export type { FitDatasetOptions, FitOptions } from './api/fit/fit_options.js';
export type { FitCallback, FitCallbacks } from './api/fit/callback_list.js';
export type { ClassWeights } from './api/fit/example_weights.js';
export type { BatchIterator, BatchOfRows, BatchSource, NamedRows, NestedNumbers, Rows } from './api/fit/rows.js';
export { predict } from './api/fit/predict.js';
export { evaluate, evaluateDataset } from './api/fit/evaluate.js';
export type { Evaluated } from './api/fit/evaluate.js';
export type { ComputeOptions, EvaluateDatasetOptions, EvaluateOptions, PredictOptions } from './api/fit/compute_options.js';
export { release } from './api/fit/warm_replicas.js';
export type { AugmentationOption, ResumeOptions, TrainOptions } from './api/train_options.js';
export { evaluateRun, verify } from './api/run_calls.js';
export type { EvaluateRunOptions, VerifyOptions } from './api/run_calls.js';
export type { Evaluation } from './api/evaluate_model.js';
export type { VerifyReport } from './api/verify.js';
export type { BatchLogs, EpochLogs, RateFunction, TrainCallbacks } from './api/callback_runner.js';
export type { RowsSource } from './api/given_data.js';
export type { ReadSource } from './data/sources/read_rows.js';
export type { ArraysSource, SourceArray, SplitSource } from './data/arrays.js';
export type { SequencesSource } from './data/sequence/sequence_dataset.js';
export type { SequenceFactory, SequenceOf, SequenceSource } from './data/sequence/sequence_source.js';
export type { RunEvent, RunObserver } from './common/run_events.js';
export type { OptimizerConfig, ScheduleConfig, TrainConfig } from './common/train_config.js';
export {
  StorageError,
  ClusterError,
  DataError,
  DivergedError,
  EnvironmentError,
  ExpectedError,
  TargetNotMetError,
  UsageError,
} from './common/errors.js';
