/**
 * Owns: gradients that several replicas of this process hand each other on their devices: a shard's sums as one array, which stays here for as long as
 * others may read it, and the sum of all shards' in the fixed tree. Does not: update (resident.ts), or know whose turn it is (the plane does).
 */
import type * as tfjs from '@tensorflow/tfjs';
import type { BucketLayout } from '../../common/bucket_layout.js';
import { invariant } from '../../common/errors.js';
import type { DeviceMemory, GatheredStep } from '../../common/resident.js';
import { TreeFold } from '../../common/tree_fold.js';
import { presenceOf } from '../../common/tree_sum.js';
import { borrowTensor, lendTensor } from '../../engine/backend/device_memory.js';
import type { Engine } from '../../engine/index.js';
import { pack, unpack } from './packing.js';

/** Sums over some shards of a step. */
export interface Sums {
  readonly gradients: tfjs.Tensor[];
  readonly statistics: tfjs.Tensor[];
}

/** All of them as a list, gradients first. */
export function listOf({ gradients, statistics }: Sums): tfjs.Tensor[] {
  return [...gradients, ...statistics];
}

/** From such a list, of so many gradients. */
export function sumsFrom(all: readonly tfjs.Tensor[], gradients: number): Sums {
  return { gradients: all.slice(0, gradients), statistics: all.slice(gradients) };
}

export class Gathering {
  readonly #engine: Engine;
  readonly #layout: BucketLayout;
  /** By version, then by shard: of the last two, as others may still add those of the one when the next one's is computed. */
  readonly #lent = new Map<number, Map<number, tfjs.Tensor>>();

  constructor(engine: Engine, layout: BucketLayout) {
    this.#engine = engine;
    this.#layout = layout;
  }

  /** All of it as one array, in layout order. */
  pack(sums: Sums): tfjs.Tensor {
    return pack(this.#engine.tf, listOf(sums));
  }

  unpack(packed: tfjs.Tensor): Sums {
    return sumsFrom(unpack(this.#engine.tf, packed, shapesOfSums(this.#layout)), this.#layout.trainedSlots);
  }

  /** Takes the array over. What was lent of versions before the last one is read by nobody any more. */
  lend(packed: tfjs.Tensor, { version, shard }: { version: number; shard: number }): DeviceMemory {
    const lent = this.#lent.get(version) ?? new Map<number, tfjs.Tensor>();
    this.#lent.set(version, lent);
    for (const other of [...this.#lent.keys()]) if (other !== version && other !== version - 1) this.#forget(other);
    lent.get(shard)?.dispose();
    lent.set(shard, packed);
    return lendTensor(this.#engine, packed);
  }

  /** Of all shards, as one array. */
  total({ shards, gradients }: Pick<GatheredStep, 'shards' | 'gradients'>): tfjs.Tensor {
    const { tf } = this.#engine;
    const fold = new TreeFold<tfjs.Tensor>(presenceOf(shards));
    const add = (left: tfjs.Tensor, right: tfjs.Tensor): tfjs.Tensor => {
      const sum = tf.add(left, right);
      tf.dispose([left, right]);
      return sum;
    };
    shards.forEach((shard, at) => fold.add(shard, borrowTensor(this.#engine, gradients[at]), add));
    invariant(fold.total !== undefined, 'every shard has lent its gradient');
    return fold.total;
  }

  dispose(): void {
    for (const version of [...this.#lent.keys()]) this.#forget(version);
  }

  #forget(version: number): void {
    this.#lent.get(version)?.forEach((packed) => packed.dispose());
    this.#lent.delete(version);
  }
}

/** Of the trained weights' gradients, then of the statistics. */
export function shapesOfSums({ slots, trainedSlots, statistics }: BucketLayout): (readonly number[])[] {
  const lists = [slots.slice(0, trainedSlots), statistics.map(({ slot }) => slots[slot])];
  return lists.flat().map(({ shape }) => shape);
}
