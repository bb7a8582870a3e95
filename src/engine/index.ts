/** Owns: what `tfjs-parallel/engine` exports. */
export { arithmeticProbe } from './arithmetic_probe.js';
export { installEngine } from './backend.js';
export type { Engine, EngineInfo, EngineOptions } from './backend.js';
export { bfloat16Support, intoFloat32 } from './bfloat16.js';
export type { Bfloat16Support } from './bfloat16.js';
export { compile } from './compile_installed.js';
export type { CompiledFunction, CompileOptions } from './compile.js';
export { softmaxCrossEntropy, sigmoidCrossEntropy } from './cross_entropy.js';
export { keyedDropout } from './dropout.js';
export { ensureTensorFlow, findTensorFlow } from './library.js';
export type { EnsureOptions, TensorFlowLocation } from './library.js';
export { TensorFlowError } from './status.js';
export { installTrainingOps, withBatchStatistics, withDropout } from './training_ops.js';
export type { BatchStatisticsSink, DropoutDraw, DropoutProvider } from './training_ops.js';
export { download, scaledFloat, upload } from './transfer.js';
export { RecordError } from './record_error.js';
export type { RecordErrorCode } from './record_error.js';
