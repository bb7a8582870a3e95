/**
 * Owns: the answers to audited shards until two of them are equal, and whether two are: bit for bit, because a checksum could be made to fit.
 */
import { hostValues } from '../../../../common/host_gradient.js';
import { invariant } from '../../../../common/errors.js';
import type { ShardResult } from '../../../../common/replica.js';

interface Held {
  readonly member: number;
  readonly group: number;
  readonly result: ShardResult;
}

export class HeldAnswers {
  readonly #byShard = new Map<number, Held[]>();

  /** The number of the answers that this one is equal to; a new one where there is none. */
  groupOf(shard: number, result: ShardResult): number {
    const held = this.#byShard.get(shard) ?? [];
    return held.find((other) => sameBits(other.result, result))?.group ?? held.length;
  }

  hold(shard: number, member: number, result: ShardResult): void {
    const held = this.#byShard.get(shard) ?? [];
    this.#byShard.set(shard, [...held, { member, group: this.groupOf(shard, result), result }]);
  }

  /** This member's; the others are freed. */
  settle(shard: number, member: number): ShardResult {
    const held = this.#byShard.get(shard) ?? [];
    this.#byShard.delete(shard);
    const kept = held.find((answer) => answer.member === member);
    invariant(kept !== undefined, 'an answer that is taken was held');
    for (const answer of held) if (answer !== kept) answer.result.gradient?.release();
    return kept.result;
  }

  clear(): void {
    for (const held of this.#byShard.values()) for (const { result } of held) result.gradient?.release();
    this.#byShard.clear();
  }
}

function sameBits(a: ShardResult, b: ShardResult): boolean {
  const numbers = ({ lossSum, sums, examples }: ShardResult): Float64Array => Float64Array.of(lossSum, ...sums, examples);
  const none = new Float32Array(0);
  const values = ({ gradient }: ShardResult): Float32Array => (gradient ? hostValues(gradient) : none);
  return (
    same(numbers(a), numbers(b)) &&
    same(values(a), values(b)) &&
    same(a.statistics ?? none, b.statistics ?? none) &&
    same(a.classified ?? none, b.classified ?? none)
  );
}

function same(a: Float32Array | Float64Array, b: Float32Array | Float64Array): boolean {
  const [one, other] = [a, b].map(({ buffer, byteOffset, byteLength }) =>
    Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength),
  );
  return one.equals(other);
}
