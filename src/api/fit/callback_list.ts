/**
 * Owns: what people give as callbacks, as one list of tfjs's own kind, and the History that tfjs's fit returns.
 * Does not: call them (callback_runner.ts).
 */
import type * as tfjs from '@tensorflow/tfjs';
import { CALLBACKS } from '../train_options.js';
import { refuseUnknown, wrong } from '../option_checks.js';
import type { TrainCallbacks } from '../callback_runner.js';

/** A tf.Callback, tf.CustomCallback or tf.callbacks.earlyStopping, whichever copy of tfjs made it. Its methods are called, whatever they take. */
interface CallbackObject {
  setParams(params: object): void;
  setModel(model: unknown): void;
}

export type FitCallback = tfjs.CustomCallbackArgs | CallbackObject;
export type FitCallbacks = FitCallback | readonly FitCallback[];

/** What tfjs tells callbacks before the first epoch. */
export interface CallbackParams {
  readonly epochs: number;
  readonly initialEpoch: number | null;
  readonly samples: number | null;
  readonly steps: number | null;
  readonly batchSize: number | null;
  readonly verbose: number;
  readonly doValidation: boolean;
  readonly metrics: readonly string[];
}

export interface CallbackList {
  readonly history: tfjs.History;
  /** In order; the history comes last, so that it holds what callbacks made of their logs. */
  readonly callbacks: TrainCallbacks;
  readonly isEmpty: boolean;
}

interface Request {
  readonly tf: typeof tfjs;
  readonly call: string;
  readonly model: tfjs.LayersModel;
  readonly given: FitCallbacks | undefined;
  readonly yieldEvery: 'auto' | 'batch' | 'epoch' | 'never' | number | undefined;
  readonly params: CallbackParams;
}

type Known = tfjs.CustomCallback & { setParams(params: object): void; setModel(model: tfjs.LayersModel): void };

/** @throws UsageError OPTION_UNKNOWN or OPTION_INVALID */
export function callbackList({ tf, call, model, given, yieldEvery, params }: Request): CallbackList {
  const asked: readonly unknown[] = given === undefined || given === null ? [] : Array.isArray(given) ? given : [given];
  const own = asked.map((one) => {
    if (isCallback(one)) return one;
    if (typeof one !== 'object' || one === null)
      throw wrong('callbacks', 'an object of functions, a tf.Callback, or a list of them', one);
    const known = [...CALLBACKS, 'onYield', 'nowFunc', 'nextFrameFunc'];
    refuseUnknown(one, { call, known, prefix: 'callbacks.', all: [] });
    return new tf.CustomCallback(one as tfjs.CustomCallbackArgs, yieldEvery) as Known;
  });
  const history = new tf.History();
  const list = new tf.CallbackList([...own, history]);
  list.setParams({ ...params, metrics: [...params.metrics] } as Parameters<typeof list.setParams>[0]);
  list.setModel(model as Parameters<typeof list.setModel>[0]);
  return {
    history,
    isEmpty: own.length === 0,
    callbacks: {
      onTrainBegin: () => list.onTrainBegin(),
      onEpochBegin: (epoch) => list.onEpochBegin(epoch),
      onEpochEnd: (epoch, logs) => list.onEpochEnd(epoch, logs as tfjs.Logs),
      ...(own.length > 0 && {
        onBatchBegin: (batch, logs) => list.onBatchBegin(batch, { ...logs }),
        onBatchEnd: (batch, logs) => list.onBatchEnd(batch, { ...logs }),
      }),
      onTrainEnd: () => list.onTrainEnd(),
    },
  };
}

function isCallback(given: unknown): given is Known {
  const { setParams, setModel, onEpochEnd } = (given ?? {}) as Partial<Record<string, unknown>>;
  return typeof setParams === 'function' && typeof setModel === 'function' && typeof onEpochEnd === 'function';
}
