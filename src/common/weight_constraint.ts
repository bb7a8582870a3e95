/**
 * Owns: a weight's constraint as data: what tfjs's constraint classes hold.
 * Does not: apply it (coordinator/planes/exact/update/constrain.ts).
 */
import { z } from 'zod';

/** Axes that a norm is taken over, non-negative. */
const axes = z.array(z.int().min(0).max(7)).min(1).max(8);

/** Source: tfjs-layers constraints.ts; w' = w · wanted / (ε + norm), of every norm over `axes`. */
export const weightConstraintSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('nonNeg') }),
  z.strictObject({ kind: z.literal('unitNorm'), axes }),
  z.strictObject({ kind: z.literal('maxNorm'), axes, maxValue: z.number() }),
  z.strictObject({ kind: z.literal('minMaxNorm'), axes, minValue: z.number(), maxValue: z.number(), rate: z.number() }),
]);
export type WeightConstraint = z.infer<typeof weightConstraintSchema>;
