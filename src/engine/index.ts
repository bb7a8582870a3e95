/** Owns: what `tfjs-parallel/engine` exports. */
export { installEngine } from './backend.js';
export type { Engine, EngineInfo, EngineOptions } from './backend.js';
export { ensureTensorFlow, findTensorFlow } from './library.js';
export type { EnsureOptions, TensorFlowLocation } from './library.js';
export { TensorFlowError } from './status.js';
