/**
 * What may hold the run loop up and decide how it goes on: callbacks of a library's caller. Each is awaited where it stands in the loop, so that
 * what it decides holds from the very next step.
 */
import type { ModelDescription } from '../common/replica.js';

export interface BatchBegin {
  /** From 1. */
  readonly epoch: number;
  /** In the epoch, from 1. */
  readonly batch: number;
  readonly examples: number;
}

export interface BatchEnd extends BatchBegin {
  /** `{ loss, acc }` and so on, of this batch. */
  readonly values: Readonly<Record<string, number>>;
}

export interface EpochEnd {
  readonly epoch: number;
  /** Those over the validation set are absent where there is none, and where the epoch was stopped inside. */
  readonly values: Readonly<Record<string, number>>;
}

/** `stop`: the run ends here, well. */
export type Decision = 'go_on' | 'stop';

export interface RunHooks {
  trainBegin?(): Promise<void>;
  epochBegin?(epoch: number): Promise<void>;
  batchBegin?(at: BatchBegin): Promise<void>;
  batchEnd?(at: BatchEnd): Promise<Decision>;
  epochEnd?(at: EpochEnd): Promise<Decision>;
  /** The base learning rate from the next step on; absent: the run's own. */
  baseRate?(at: { readonly epoch: number; readonly step: number }): number;
  /** The rate is a function's, also where that gives what the run has anyway. */
  readonly givesRate?: boolean;
  /** The caller knows that a resumed run may go on otherwise than undisturbed. */
  readonly fromHere?: boolean;
}

/** What hooks may do to the run between two steps. */
export interface RunAccess {
  readonly model: ModelDescription;
  /** The run's base rate: what was configured, or what the model was compiled with. */
  readonly learningRate: number;
  /** Of a resumed run whose program gave the rate: that of its last step. */
  readonly lastRate: { readonly epoch: number; readonly base: number } | null;
  /** As the model would be saved now: all weights in layout order. A copy. */
  weights(): Promise<Float32Array>;
  /** Goes on from these weights; the optimizer keeps what it remembers. */
  replaceWeights(values: Float32Array): Promise<void>;
}

export type MakeHooks = (access: RunAccess) => RunHooks;
