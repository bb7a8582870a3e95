/**
 * Owns: what the steps of a stretch take, as one tensor for each thing that a step takes, with the steps along its first axis; and what one step takes of that.
 * Does not: read it (read_stretch.ts), or compute (stretch.ts).
 */
import type * as tfjs from '@tensorflow/tfjs';
import type { TensorBatch } from './bind_fields.js';
import type { Feed } from './train_step.js';

/** Of a tensor that holds something for each step, what is of one. */
export type Part = (all: tfjs.Tensor) => tfjs.Tensor;

/** Of one shard of each step. */
export interface StretchFeed {
  /** Of each tensor of a batch. */
  readonly batches: TensorBatch;
  /** int32 `[steps, 4]`. */
  readonly positions: tfjs.Tensor;
  /** Of each step. */
  readonly regularization: tfjs.Tensor;
}

export function feedOf({ batches, positions, regularization }: StretchFeed, part: Part): Feed {
  return [mapped([batches], ([all]) => part(all)), part(positions), regularization];
}

/** Those with an axis of steps. */
export function tensorsOfSteps({ batches, positions }: StretchFeed): tfjs.Tensor[] {
  const all = [positions];
  mapped([batches], ([each]) => (all.push(each), each));
  return all;
}

/** Records of tensors, all of one structure, as one such record. */
export function mapped<Tree>(trees: readonly Tree[], of: (tensors: tfjs.Tensor[]) => tfjs.Tensor): Tree {
  const [first] = trees;
  if (isTensor(first)) return of(trees as unknown as tfjs.Tensor[]) as Tree;
  const entries = Object.keys(first as object).map((name) => [
    name,
    mapped(
      trees.map((tree) => tree[name as keyof Tree]),
      of,
    ),
  ]);
  return Object.fromEntries(entries) as Tree;
}

function isTensor(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'dataId' in value;
}
