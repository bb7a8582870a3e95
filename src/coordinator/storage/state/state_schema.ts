/**
 * Owns: the run state as plain types, and the schemas that the words in a state file must fit.
 * Does not: read or write files (state_file.ts), or hold tensors' bytes (safetensors.ts).
 */
import { z } from 'zod';
import { configLayerSchema } from '../../../common/settings/schema.js';
import type { BucketLayout } from '../../../common/bucket_layout.js';
import type { ObjectiveDescription } from '../../../common/objective.js';
import type { NumericsClass } from '../../../common/replica.js';
import type { TrainConfig } from '../../../common/train_config.js';

const count = z.int().nonnegative();
const digest = z.string().regex(/^[0-9a-f]{64}$/);
const brief = z.string().max(1_000);

/** A metric may honestly be NaN where the loss is a number; JSON has null for it. */
const maybeNan = z
  .number()
  .nullable()
  .transform((value) => value ?? NaN);

const watched = { best: z.number().nullable(), wait: count };
/** What early stopping and the rate's plateau remember (coordinator/watch.ts); each absent where it is off. */
const watchSchema = z.strictObject({
  stopping: z.strictObject({ ...watched, bestEpoch: count.nullable() }).optional(),
  plateau: z.strictObject({ ...watched, cooldown: count, factor: z.number() }).optional(),
});
export type Watch = z.infer<typeof watchSchema>;

/** Where the run stands, after its last commit. */
export const progressSchema = z.strictObject({
  /** Commits so far in the whole run. */
  step: count,
  /** The epoch in progress, from 1. */
  epoch: count,
  /** Commits in that epoch. All of them: the epoch's evaluation is still to come. */
  stepInEpoch: count,
  /** Position in the epoch's permutation of the first example not yet used. */
  nextExample: count,
  /** Over the epoch's batches so far (objective/values.ts). */
  totals: z.strictObject({ examples: count, loss: z.number(), metrics: z.array(maybeNan).max(64) }),
  /** The best monitored value so far; null before the first. */
  best: z.strictObject({ epoch: count, monitor: brief, value: z.number() }).nullable(),
  /** Added to an epoch's number to draw its order: epochs that a program trained the model for before. Absent for none. */
  orderOffset: count.optional(),
  watch: watchSchema.optional(),
  /** The base rate that the program gave for the last step, in that step's epoch; absent where the rate is the configuration's. */
  rate: z.strictObject({ epoch: count, base: z.number() }).optional(),
  /** Of examples that come one after the other: what was read of this epoch, or of the one that ended last, and how many a whole one had. */
  stream: z.strictObject({ epoch: count, examples: count, sha256: digest, whole: count.nullable() }).optional(),
});
export type Progress = z.infer<typeof progressSchema>;

/** How much of metrics.jsonl belongs to this state: resuming cuts the file here. `crc32`, of these bytes, tells whether somebody changed them; absent from older states. */
export const metricsCursorSchema = z.strictObject({ bytes: count, lines: count, crc32: count.optional() });
export type MetricsCursor = z.infer<typeof metricsCursorSchema>;

/** A number of examples is null where they come one after the other, and nobody said it. */
export const dataIdentitySchema = z.strictObject({
  name: brief,
  sha256: digest,
  train: count.nullable(),
  validation: count.nullable(),
});
export type DataIdentity = z.infer<typeof dataIdentitySchema>;

export const numericsSchema = z.strictObject({
  tensorflow: brief,
  device: brief,
  deviceModel: brief,
  precision: z.enum(['fp32', 'bf16']),
  intraOpThreads: count,
  instructionSet: brief,
  // States of before these were kept do not have them: their arithmetic is version 0, and nothing more is known.
  oneDnn: z.enum(['on', 'off', 'unknown']).default('unknown'),
  oneDnnIsa: brief.default(''),
  execution: z.enum(['compiled', 'xla', 'eager']),
  arithmetic: count.default(0),
  probe: digest.or(z.literal('')).default(''),
}) satisfies z.ZodType<NumericsClass>;

/** The model without its tensors' shapes, which the file's tensors tell. */
export const modelSchema = z.strictObject({
  name: brief,
  topologySha256: digest,
  /** Of the model and the layers in it (common/counted_names.ts). Absent from older states. */
  names: z.strictObject({ model: z.string().nullable(), layers: z.array(z.string()) }).optional(),
  trainedSlots: count,
  statistics: z.array(z.strictObject({ slot: count, momentum: z.number() })),
});

export const runSchema = z.strictObject({
  seed: count,
  shards: z.int().positive(),
  /** Starts of a coordinator on this run so far, this one included. */
  coordinatorEpoch: count,
  optimizerSlots: z.array(z.string().regex(/^[a-z0-9_]{1,40}$/)).max(8),
  /** The run's own (run_lock.ts): a state that came from another run's folder has another. Absent from older states. */
  runId: z.string().max(100).optional(),
  /** The epoch of the best value, where a version that kept no best model saw it. */
  unkeptBest: count.optional(),
  /** Under `--audit` with a share: by machine or process, from which step on nothing that it computed was checked. */
  trusted: z
    .array(z.tuple([brief, count]))
    .max(1_000)
    .optional(),
});

/** As the first version of states told progress: one metric, counted as right predictions. */
export const firstProgressSchema = progressSchema.omit({ totals: true, best: true }).extend({
  epochLossSum: z.number(),
  epochCorrect: count,
  epochExamples: count,
  best: z.strictObject({ epoch: count, valAcc: z.number() }).nullable(),
});

export const storedConfigSchema = configLayerSchema;

interface OptimizerSlot {
  /** `velocity`, `first_moment`, ...: lower case, unique. */
  readonly name: string;
  /** One value per trained parameter, in layout order. */
  readonly values: Float32Array;
}

/** Everything that the rest of a run depends on. */
export interface RunState {
  /** All weights in layout order, moving statistics included. */
  readonly parameters: Float32Array;
  readonly optimizerSlots: readonly OptimizerSlot[];
  readonly progress: Progress;
  readonly seed: number;
  readonly shards: number;
  readonly coordinatorEpoch: number;
  readonly runId?: string;
  readonly unkeptBest?: number;
  readonly trusted?: readonly (readonly [voter: string, step: number])[];
  readonly config: TrainConfig;
  readonly model: {
    readonly name: string;
    readonly topologySha256: string;
    readonly names?: { readonly model: string | null; readonly layers: readonly string[] };
    readonly layout: BucketLayout;
  };
  readonly data: DataIdentity;
  /** What the progress's totals and best are of. */
  readonly objective: ObjectiveDescription;
  readonly numerics: NumericsClass;
  readonly metrics: MetricsCursor;
}
