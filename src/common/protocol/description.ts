/**
 * Owns: a model's description as bytes: JSON of name, topology and weights' shapes, then the initial weights; written by a worker, read by the coordinator.
 * Does not: believe it: what a state of the run could not hold is refused here, before the run begins.
 */
import { z } from 'zod';
import { allFinite } from '../all_finite.js';
import { createBucketLayout } from '../bucket_layout.js';
import { ClusterError } from '../errors.js';
import { wireError } from './frame.js';
import { LIMITS } from '../limits.js';
import { immodest } from '../modest_json.js';
import { compiledModelSchema } from '../compiled_model.js';
import { objectiveSchema, sumSpecs } from '../objective.js';
import { oneLine } from '../one_line.js';
import type { ModelDescription } from '../replica.js';
import { weightConstraintSchema } from '../weight_constraint.js';

const extent = z.number().int().min(0).max(LIMITS.maxWireWeights);
const descriptionSchema = z.strictObject({
  name: z.string().min(1).max(1000).overwrite(oneLine),
  topology: z.string().min(1),
  shapes: z
    .array(
      z.strictObject({
        name: z.string().min(1).max(500),
        shape: z.array(extent).max(8),
        statisticMomentum: z.number().min(0).max(1).optional(),
        constraint: weightConstraintSchema.optional(),
      }),
    )
    .min(1)
    .max(LIMITS.maxWeights),
  trained: z.number().int().min(0),
  objective: objectiveSchema,
  compiled: compiledModelSchema.optional(),
});

export interface EncodedDescription {
  readonly jsonBytes: number;
  readonly weights: number;
  readonly bytes: Uint8Array;
}

export function encodeDescription({
  layout,
  objective,
  compiled,
  initial,
  name,
  topology,
}: ModelDescription): EncodedDescription {
  const momenta = new Map(layout.statistics.map(({ slot, momentum }) => [slot, momentum]));
  const constraints = new Map(layout.constraints.map(({ slot, constraint }) => [slot, constraint]));
  const shapes = layout.slots.map(({ name: weight, shape }, at) => ({
    name: weight,
    shape,
    statisticMomentum: momenta.get(at),
    constraint: constraints.get(at),
  }));
  const json = new TextEncoder().encode(
    JSON.stringify({ name, topology, shapes, trained: layout.trainedSlots, objective, compiled }),
  );
  const bytes = new Uint8Array(json.length + initial.byteLength);
  bytes.set(json);
  bytes.set(new Uint8Array(initial.buffer, initial.byteOffset, initial.byteLength), json.length);
  return { jsonBytes: json.length, weights: initial.length, bytes };
}

/** @throws ClusterError WIRE_INVALID for a model that the run could not train, save and read again. */
export function readDescription({ jsonBytes, weights, bytes }: EncodedDescription): ModelDescription {
  const { name, topology, shapes, trained, objective, compiled } = parse(bytes.subarray(0, jsonBytes));
  const seen = new Set<string>();
  for (const { name: weight } of shapes) {
    if (seen.has(weight)) throw wireError('a description with two weights of one name');
    seen.add(weight);
  }
  if (trained > shapes.length) throw wireError(`a description of ${trained} trained weights among ${shapes.length}`);
  if (
    shapes.some(
      ({ shape, constraint }) => constraint && 'axes' in constraint && constraint.axes.some((axis) => axis >= shape.length),
    )
  )
    throw wireError('a description of a constraint over an axis that its weight has not');
  if (shapes.slice(0, trained).some(({ statisticMomentum }) => statisticMomentum !== undefined))
    throw wireError('a description of a moving statistic that is trained');
  const sums = sumSpecs(objective).length;
  if (sums > LIMITS.maxMetricSums) throw wireError(`a description of metrics with ${sums} sums, at most ${LIMITS.maxMetricSums}`);
  const layout = createBucketLayout({ weights: shapes, trained });
  if (layout.totalSize !== weights) throw wireError(`a description of ${layout.totalSize} weights with ${weights}`);
  const initial = new Float32Array(weights);
  new Uint8Array(initial.buffer).set(bytes.subarray(jsonBytes));
  if (!allFinite(initial)) throw wireError('a description with initial weights that are not finite');
  return { name, topology, layout, objective, ...(compiled && { compiled }), initial };
}

function parse(json: Uint8Array): z.infer<typeof descriptionSchema> {
  let value: unknown;
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(json);
    const tooMuch = immodest(text);
    if (tooMuch !== null) throw wireError(`a description of ${tooMuch}`);
    value = JSON.parse(text);
  } catch (error) {
    if (error instanceof ClusterError) throw error;
    throw wireError('a description that is not JSON');
  }
  const checked = descriptionSchema.safeParse(value);
  if (checked.success) return checked.data;
  const [issue] = checked.error.issues;
  throw wireError(`a description, ${issue.path.join('.').slice(0, 100)}: ${issue.message}`);
}
