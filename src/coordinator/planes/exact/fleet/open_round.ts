/**
 * Owns: a round as whoever asked for it sees it: its shards, their results as they are accepted, and its end.
 * Does not: know who computes what, or when the round is complete (membership.ts does).
 */
import { invariant } from '../../../../common/errors.js';
import type { ShardAssignment, ShardResult } from '../../../../common/replica.js';

interface Asked {
  readonly units: readonly ShardAssignment[];
  /** Takes a gradient over as it arrives. */
  readonly take: (result: ShardResult) => ShardResult;
  readonly resolve: (results: ShardResult[]) => void;
  readonly reject: (error: unknown) => void;
}

export class OpenRound {
  readonly #asked: Asked;
  readonly #units: ReadonlyMap<number, ShardAssignment>;
  readonly #results = new Map<number, ShardResult>();

  constructor(asked: Asked) {
    this.#asked = asked;
    this.#units = new Map(asked.units.map((unit) => [unit.id.shard, unit]));
  }

  unitOf(shard: number): ShardAssignment {
    const unit = this.#units.get(shard);
    invariant(unit !== undefined, 'a shard that is given out is of the round');
    return unit;
  }

  accept(shard: number, result: ShardResult): void {
    this.#results.set(shard, this.#asked.take(result));
  }

  /** With the results in this order. */
  complete(shards: readonly number[]): void {
    this.#asked.resolve(
      shards.map((shard) => {
        const result = this.#results.get(shard);
        invariant(result !== undefined, 'a completed round has every shard');
        return result;
      }),
    );
  }

  abandon(error: unknown): void {
    for (const { gradient } of this.#results.values()) gradient?.release();
    this.#asked.reject(error);
  }
}
