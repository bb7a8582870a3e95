/**
 * A plane owns a run's weights: it holds them and the optimizer's memory where it likes, steps to a boundary that the loop names, evaluates, and
 * hands values out only when a state or a model is due. The loop (run.ts) keeps progress and sums, and never sees a weight.
 */
import type { ShardSums } from '../../common/objective.js';
import type { PhasesMs, ReplicaTime } from '../../common/run_events.js';
import type { RatePlan } from '../../common/schedule.js';
import type { Totals } from '../../objective/values.js';

/** Which rows each step of an epoch takes: a slice of the epoch's permutation (row_order.ts). Arrays of rows exist only where a replica reads its own. */
export interface RowPlan {
  readonly seed: number;
  readonly epoch: number;
  /** In the training split. */
  readonly examples: number;
  /** The global batch; the last one of an epoch may be shorter. */
  readonly batch: number;
  /** Whether the permutation is drawn, or the rows come in their order. */
  readonly shuffle: boolean;
  /** The epoch after this one, as far as anybody knows; absent after the last. */
  readonly nextEpoch?: number;
}

export interface Advance {
  /** Commits of the run so far, and examples of the epoch already used. */
  readonly from: { readonly step: number; readonly example: number };
  /** Commits of the run at the boundary; the epoch's end is one in any case. */
  readonly upTo: number;
  /** The step after this one after which the values are wanted next, as far as anybody knows: what is computed beyond is computed again. */
  readonly pauseAt?: (step: number) => number;
  readonly rows: RowPlan;
  readonly rates: RatePlan;
  /** The user is in a hurry: what is under way is given up, nothing of it is applied. */
  readonly signal: AbortSignal;
}

export interface CommittedStep {
  readonly kind: 'committed';
  /** Over the global batch. */
  readonly sums: ShardSums;
  readonly learningRate: number;
  /** Of the mean gradient, before clipping; absent where it is not clipped. */
  readonly gradientNorm?: number;
  readonly phasesMs: PhasesMs;
  readonly replicaTimes: readonly ReplicaTime[];
  readonly ms: number;
}

/** All shards were finite; adding them, or the update, was not. Nothing was applied. */
interface NonFiniteStep {
  readonly kind: 'non_finite';
  /** `the gradient of conv/kernel`. */
  readonly what: string;
}

export type StepOutcome = CommittedStep | NonFiniteStep;

/** Weights and slots of one version. Valid until the next `advance` or `restore`. */
export interface RunValues {
  /** Commits since the start of the run. */
  readonly version: number;
  /** All weights in layout order, moving statistics included. */
  readonly parameters: Float32Array;
  /** One value per trained parameter, in layout order. */
  readonly optimizerSlots: readonly { readonly name: string; readonly values: Float32Array }[];
}

export interface Evaluation {
  /** Size of the validation split. */
  readonly examples: number;
  readonly batch: number;
  readonly signal: AbortSignal;
}

/** Of each validation example, in their order. */
export interface Classified {
  readonly classes: Int32Array;
  readonly probabilities: Float32Array;
}

export interface Plane {
  /** One outcome per step, each after its commit; ends at the boundary, after what is not finite, or when given up. */
  advance(work: Advance): AsyncIterable<StepOutcome>;
  /** Null where it was given up. */
  evaluate(work: Evaluation): Promise<Totals | null>;
  /** Which class a model of these weights says each validation example is; only of an objective that has classes. Null where it was given up. */
  classify(work: Evaluation & { readonly weights: Float32Array }): Promise<Classified | null>;
  values(): Promise<RunValues>;
  /** All weights as a model is saved with: the moving average of the trained ones, where that was asked for. A copy. */
  model(): Promise<Float32Array>;
  /** Of a version that is neither the plane's own nor one of those ahead of it that a replica may have by now (`VERSIONS_AHEAD`). */
  restore(values: RunValues): Promise<void>;
  /** Ends what threads it has; replicas are whoever opened them's. */
  close(): Promise<void>;
}
