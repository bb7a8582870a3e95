/**
 * Owns: the caller's own tfjs, model object and signal as a run takes them, and the run's weights put back.
 * Does not: train.
 */
import type * as tfjs from '@tensorflow/tfjs';
import { UsageError } from '../common/errors.js';
import type { ModelDescription } from '../common/replica.js';
import type { StopRequest } from '../common/stop_request.js';
import type { TrainConfig } from '../common/train_config.js';
import { registerFileHandlers } from '../engine/backend/file_handlers.js';
import { requireTfjs } from '../engine/backend/peer.js';
import type { TopologyModel } from '../models/model_source.js';
import { topologyJson } from '../models/topology.js';
import { manifestOf, putWeights, readWeights } from '../models/weights.js';
import { compiledOf, requireNames } from '../objective/compiled.js';
import { compiledOptimizerOf } from '../optimizers/compiled.js';
import type { TrainingOutcome } from './train.js';

/** The caller's own, which reads and writes `file://` from now on. @throws EnvironmentError TFJS_MISSING, TFJS_VERSION */
export async function loadTfjs(): Promise<typeof tfjs> {
  requireTfjs();
  const { tf } = await import('../engine/backend/tfjs.js');
  registerFileHandlers(tf);
  return tf;
}

/** @throws UsageError FUNCTION_UNREACHABLE */
export function sourceOf(tf: typeof tfjs, model: tfjs.LayersModel, config: Pick<TrainConfig, 'loss' | 'metrics'>): TopologyModel {
  const compiled = compiledOf(tf, model);
  return {
    ...layersOf(model),
    ...(compiled !== null && {
      compiled: { ...requireNames(compiled, config, model.outputNames), optimizer: compiledOptimizerOf(model) },
    }),
  };
}

/** Without what it is compiled with. */
export function layersOf(model: tfjs.LayersModel): TopologyModel {
  const weights = readWeights(model);
  return { kind: 'topology', name: model.name, topology: topologyJson(model), weights, manifest: manifestOf(model) };
}

/**
 * As tfjs's own calls judge it: a model compiled without metrics has none. The optimizer is left out, which is in the configuration, as it is now: open
 * replicas know what it was when they were opened.
 */
export function judgedSourceOf(
  tf: typeof tfjs,
  model: tfjs.LayersModel,
  config: Pick<TrainConfig, 'loss' | 'metrics'>,
): TopologyModel {
  const source = sourceOf(tf, model, config);
  const { loss = null, metrics = [] } = source.compiled ?? {};
  return { ...source, compiled: { ...source.compiled, loss, metrics: metrics ?? [], optimizer: null } };
}

/** @throws UsageError OPTION_INVALID */
export function requireModel(call: string, model: unknown): asserts model is tfjs.LayersModel {
  const { toJSON, inputs, outputs } = (model ?? {}) as Partial<tfjs.LayersModel>;
  if (typeof toJSON === 'function' && Array.isArray(inputs) && Array.isArray(outputs)) return;
  throw new UsageError({
    code: 'OPTION_INVALID',
    message: `${call} takes a tf.LayersModel, found ${model === null ? 'null' : typeof model}`,
    next: 'Pass the model object; train() and evaluateRun() take the path of one.',
  });
}

/** The model's weights now, where replicas read them. */
export function sharedWeights(model: tfjs.LayersModel, { layout }: Pick<ModelDescription, 'layout'>): Float32Array {
  const values = readWeights(model, layout.slots);
  const shared = new Float32Array(new SharedArrayBuffer(values.byteLength));
  shared.set(values);
  return shared;
}

/** The layout's order is that of the replica's copy; the names are both models'. */
export function setWeights(
  tf: typeof tfjs,
  model: tfjs.LayersModel,
  { model: { layout }, weights }: Pick<TrainingOutcome, 'model' | 'weights'>,
): void {
  putWeights(tf, model, { values: weights, manifest: layout.slots });
}

/** A folder's name from a model's: tfjs allows any characters in it. */
export function folderName(name: string): string {
  const plain = name.replace(/[^A-Za-z0-9._-]+/g, '-').replace(/^[^A-Za-z0-9]+/, '');
  return plain === '' ? 'run' : plain;
}

export function stopOn(signal: AbortSignal | undefined): { request: StopRequest; abort: () => void; close: () => void } {
  const asked = new AbortController();
  const abort = (): void => asked.abort();
  signal?.addEventListener('abort', abort, { once: true });
  if (signal?.aborted) abort();
  return {
    request: {
      get reason() {
        return asked.signal.aborted ? 'interrupted' : null;
      },
      asked: asked.signal,
      hurry: new AbortController().signal,
    },
    abort,
    close: () => signal?.removeEventListener('abort', abort),
  };
}
