/**
 * Owns: what a run's numbers are called and what they are made of: the loss and the metrics, their sums with kind and bounds, and which of them
 * says what is best. Plain data that crosses threads and the wire.
 * Does not: compute sums (src/objective does) or close them to values (objective/values.ts).
 */
import { z } from 'zod';

const finite = z.number().nullable();

/** One number that a shard's sum is made of. `count`: whole; `real`: any. Bounds are those of one example's part; null where there is none. */
const sumSchema = z.strictObject({ kind: z.enum(['count', 'real']), least: finite, most: finite });
export type SumSpec = z.infer<typeof sumSchema>;

/** A value's name in records: `acc` becomes `val_acc` over the validation set. */
const nameSchema = z.string().regex(/^[A-Za-z][A-Za-z0-9_]{0,60}$/);

const metricSchema = z.strictObject({
  name: nameSchema,
  sums: z.array(sumSchema).min(1).max(1024),
  /** How sums become a value: `mean` divides the only one by examples × `per`; others are in objective/values.ts. */
  value: nameSchema,
  /** Values that one example counts: 1, or the outputs of a metric that counts each. */
  per: z.int().positive(),
  /** Which values are better. */
  direction: z.enum(['max', 'min']),
});
export type MetricDescription = z.infer<typeof metricSchema>;

/** What a replica found the run's objective to be, with its model. */
export const objectiveSchema = z.strictObject({
  loss: z.strictObject({ name: z.string().max(100), sum: sumSchema }),
  metrics: z.array(metricSchema).max(64),
  /** Of a model of one output that says of each example which class it is: how many there are. Absent for every other. */
  classes: z
    .int()
    .min(2)
    .max(2 ** 24)
    .optional(),
  /** Positions of outputs are masked, so that each shard needs the whole global batch's rows to count those that are not. */
  masked: z.literal(true).optional(),
  /** Functions that need a whole global batch, so that there must be one shard. */
  wholeBatch: z.array(z.string().max(200)).max(65),
  /** For people: what of a compiled model is not used. */
  notes: z.array(z.string().max(500)).max(8),
});
export type ObjectiveDescription = z.infer<typeof objectiveSchema>;

/** What a shard answers: sums over its examples, never means. */
export interface ShardSums {
  readonly examples: number;
  readonly lossSum: number;
  /** Of all metrics, in the order of the objective. */
  readonly sums: readonly number[];
}

export interface Monitor {
  /** `val_acc`, `val_loss`, `loss`, … */
  readonly name: string;
  readonly direction: 'max' | 'min';
}

export function sumSpecs({ metrics }: ObjectiveDescription): SumSpec[] {
  return metrics.flatMap(({ sums }) => sums);
}

/** What is impossible about a shard's sums, in words; null where nothing is. NaN and Inf are news of a diverged run, not a lie. */
export function faultInSums(objective: ObjectiveDescription, { examples, lossSum, sums }: ShardSums): string | null {
  const specs = sumSpecs(objective);
  if (sums.length !== specs.length) return `${sums.length} sums of metrics, wanted ${specs.length}`;
  const named = objective.metrics.flatMap(({ name, sums: own }) => own.map(() => name));
  const bad = specs.findIndex((spec, at) => !isPossible(spec, sums[at], examples));
  if (bad !== -1) return `${named[bad]} is ${sums[bad]}, wanted ${wantedOf(specs[bad], examples)}`;
  const { sum } = objective.loss;
  return isPossible(sum, lossSum, examples) ? null : `lossSum is ${lossSum}, wanted ${wantedOf(sum, examples)}`;
}

function wantedOf({ kind, least, most }: SumSpec, examples: number): string {
  const from = least === null ? '' : most === null ? ` of at least ${least * examples}` : ` from ${least * examples}`;
  const to = most === null ? '' : ` to ${most * examples}`;
  return `a ${kind === 'count' ? 'whole number' : 'number'}${from}${to}`;
}

function isPossible({ kind, least, most }: SumSpec, sum: number, examples: number): boolean {
  if (kind === 'count' && !Number.isSafeInteger(sum)) return false;
  if (!Number.isFinite(sum)) return true;
  // n additions in float32 err by at most n halves of a last place each; counts are exact.
  const slack = kind === 'count' ? 0 : examples * 2 ** -23;
  const bound = (each: number, sign: 1 | -1): number => each * examples + sign * slack * Math.abs(each) * examples;
  return (least === null || sum >= bound(least, -1)) && (most === null || sum <= bound(most, 1));
}
