/**
 * Owns: tfjs's callbacks of a library call as hooks of the run loop: what they are told, the model's weights before them, and what they decide.
 * Does not: know who they are: a plain object of functions (library.ts), or tfjs's own list (fit/callback_list.ts).
 */
import type * as tfjs from '@tensorflow/tfjs';
import { UsageError } from '../common/errors.js';
import type { BatchBegin, BatchEnd, Decision, EpochEnd, RunAccess, RunHooks } from '../coordinator/run_hooks.js';
import { ModelWeights } from './model_weights.js';

/** tfjs's names, `val_` before those over the validation set; accuracies are fractions and absent where there is none. */
export interface EpochLogs {
  readonly loss: number;
  readonly val_loss: number;
  readonly acc?: number;
  readonly val_acc?: number;
  readonly [metric: string]: number | undefined;
}

export interface BatchLogs {
  readonly batch: number;
  /** Examples in it: the last one of an epoch may have fewer. */
  readonly size: number;
  readonly loss: number;
  readonly [metric: string]: number;
}

type Answer = void | Promise<void>;

/**
 * In tfjs's shapes: epochs and batches count from 0. The run waits for each. Before those of epochs the model that was given has the
 * weights of that moment, and goes on from those they put there. `model.stopTraining = true` ends the run, as in tfjs (where the model is
 * compiled). What a callback throws or rejects with ends it too, and the call rejects with it, the model trained so far.
 */
export interface TrainCallbacks {
  onTrainBegin?(): Answer;
  onEpochBegin?(epoch: number): Answer;
  onEpochEnd?(epoch: number, logs: EpochLogs): Answer;
  onBatchBegin?(batch: number, logs: { readonly batch: number; readonly size: number }): Answer;
  onBatchEnd?(batch: number, logs: BatchLogs): Answer;
  onTrainEnd?(): Answer;
}

/** The rate of an epoch (from 0), in place of the optimizer's `base`; a schedule's factor is applied to it. */
export type RateFunction = (epoch: number, base: number) => number;

export interface CallbackParts {
  readonly tf: typeof tfjs;
  readonly callbacks: TrainCallbacks;
  /** The caller's; null where the model was named by a path. */
  readonly model: tfjs.LayersModel | null;
  /** Ends the run after the step in flight. */
  readonly abort: () => void;
  readonly weightsInBatchCallbacks: boolean;
  /** Whether anybody looks at the model in callbacks; true unless said. */
  readonly showsWeights?: boolean;
  readonly learningRate: RateFunction | null;
  /** What the model's own optimizer says now, where the run goes by it. */
  readonly optimizerRate?: () => number;
  /** Of a call that resumes a run: it may go on otherwise than undisturbed. */
  readonly fromHere?: boolean;
}

export class CallbackRunner {
  readonly history: EpochLogs[] = [];
  readonly #parts: CallbackParts;
  #weights: ModelWeights | null = null;
  #failure: { error: unknown } | null = null;
  /** Known when the run begins: a compiled model may bring it. */
  #baseRate = NaN;
  #rate = NaN;
  #lastRate: RunAccess['lastRate'] = null;

  constructor(parts: CallbackParts) {
    this.#parts = parts;
  }

  /** For startRun. */
  readonly hooks = (access: RunAccess): RunHooks => {
    const { tf, model, callbacks, weightsInBatchCallbacks } = this.#parts;
    this.#baseRate = this.#rate = access.learningRate;
    this.#lastRate = access.lastRate;
    this.#weights = model === null || this.#parts.showsWeights === false ? null : new ModelWeights({ tf, model, access });
    return {
      trainBegin: async () => {
        await this.#call(async () => {
          if (callbacks.onTrainBegin === undefined) return;
          await this.#weights?.show();
          await callbacks.onTrainBegin();
          await this.#weights?.takeBack();
        });
        // As in tfjs: what is set before the first batch is forgotten.
        if (isCompiled(model)) model.stopTraining = false;
      },
      epochBegin: (epoch) => this.#epochBegin(epoch),
      ...(callbacks.onBatchBegin && { batchBegin: (at) => this.#batchBegin(at) }),
      ...((callbacks.onBatchEnd ?? weightsInBatchCallbacks) && { batchEnd: (at) => this.#batchEnd(at) }),
      epochEnd: (at) => this.#epochEnd(at),
      baseRate: () => this.#rate,
      givesRate: this.#parts.learningRate !== null,
      fromHere: this.#parts.fromHere ?? false,
    };
  };

  /** After the run, the model trained. @throws what the first failing callback threw */
  async end(): Promise<void> {
    this.requireWell();
    await this.#call(() => this.#parts.callbacks.onTrainEnd?.());
    this.requireWell();
  }

  /** After a run that failed: the weights of its last commit, as far as they can be had. */
  async salvage(): Promise<void> {
    await this.#weights?.show().catch(() => undefined);
  }

  /** @throws what the first failing callback threw */
  requireWell(): void {
    if (this.#failure !== null) throw this.#failure.error;
  }

  async #epochBegin(epoch: number): Promise<void> {
    const { callbacks, learningRate } = this.#parts;
    await this.#call(async () => {
      if (callbacks.onEpochBegin !== undefined) {
        await this.#weights?.show();
        await callbacks.onEpochBegin(epoch - 1);
        await this.#weights?.takeBack();
      }
      if (learningRate === null) return;
      this.#rate = checkedRate(learningRate(epoch - 1, this.#baseRate), epoch - 1);
      this.#requireSameRate(epoch);
    });
    this.#readOptimizer();
  }

  async #batchBegin({ batch, examples }: BatchBegin): Promise<void> {
    await this.#call(async () => {
      await this.#parts.callbacks.onBatchBegin?.(batch - 1, { batch: batch - 1, size: examples });
      await this.#takeBackInBatch();
    });
    this.#readOptimizer();
  }

  async #batchEnd({ batch, examples, values }: BatchEnd): Promise<Decision> {
    await this.#call(async () => {
      if (this.#parts.weightsInBatchCallbacks) await this.#weights?.show();
      const logs = { batch: batch - 1, size: examples, ...values } as BatchLogs;
      await this.#parts.callbacks.onBatchEnd?.(batch - 1, logs);
      await this.#takeBackInBatch();
    });
    this.#readOptimizer();
    return this.#decision();
  }

  async #epochEnd({ epoch, values }: EpochEnd): Promise<Decision> {
    const logs = inOrder(values) as EpochLogs;
    await this.#call(async () => {
      const { callbacks } = this.#parts;
      if (callbacks.onEpochEnd === undefined) return;
      await this.#weights?.show();
      await callbacks.onEpochEnd(epoch - 1, logs);
      await this.#weights?.takeBack();
    });
    this.history.push(logs);
    this.#readOptimizer();
    return this.#decision();
  }

  async #takeBackInBatch(): Promise<void> {
    if (this.#parts.weightsInBatchCallbacks) await this.#weights?.takeBack();
    else this.#weights?.requireUntouched();
  }

  /** In the epoch in which the run was stopped. */
  #requireSameRate(epoch: number): void {
    const { epoch: last, base } = this.#lastRate ?? {};
    if (last !== epoch || base === this.#rate || this.#parts.fromHere === true) return;
    throw new UsageError({
      code: 'RATE_NOT_RESUMED',
      message: `the function learningRate gives ${this.#rate} for epoch ${epoch - 1}, and the run went by ${base} in it`,
      next: 'Give the function that the run was begun with, or set callbacksFromHere: true where another rate is meant from here on.',
    });
  }

  #readOptimizer(): void {
    const { optimizerRate, learningRate } = this.#parts;
    if (optimizerRate !== undefined && learningRate === null) this.#rate = optimizerRate();
  }

  #decision(): Decision {
    const { model } = this.#parts;
    return isCompiled(model) && model.stopTraining ? 'stop' : 'go_on';
  }

  /** What it throws ends the run, as if that had been asked for, so that what was trained is kept. */
  async #call(callback: () => Answer): Promise<void> {
    if (this.#failure !== null) return;
    try {
      await callback();
    } catch (error) {
      this.#failure = { error };
      this.#parts.abort();
    }
  }
}

/** tfjs's sequential models know `stopTraining` only then. */
function isCompiled(model: tfjs.LayersModel | null): model is tfjs.LayersModel {
  return (model as { optimizer?: object | null } | null)?.optimizer != null;
}

/** As tfjs has them in its logs and its history: those over the validation set first. */
function inOrder(values: Readonly<Record<string, number>>): Record<string, number> {
  const entries = Object.entries(values);
  const isOfValidation = ([name]: [string, number]): boolean => name.startsWith('val_');
  return Object.fromEntries([...entries.filter(isOfValidation), ...entries.filter((entry) => !isOfValidation(entry))]);
}

function checkedRate(rate: unknown, epoch: number): number {
  if (typeof rate === 'number' && Number.isFinite(rate) && rate > 0) return rate;
  throw new UsageError({
    code: 'LEARNING_RATE',
    message: `the function learningRate gave ${String(rate)} for epoch ${epoch}, wanted a number above 0`,
    next: 'Return the rate of that epoch; the second argument is the rate that the optimizer has.',
  });
}
