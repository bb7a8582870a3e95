/**
 * Owns: what was first taken as the answers to a step's shards, should the step be doubted; as digests, because the memory is added into.
 * Does not: decide what a difference means (membership_audit.ts does).
 */
import { randomBytes } from 'node:crypto';
import type { ShardResult } from '../../../../common/replica.js';
import { digestOf } from './result_checksum.js';

export class FirstAnswers {
  readonly #key = randomBytes(32);
  readonly #byShard = new Map<number, string>();

  keep(result: ShardResult): void {
    this.#byShard.set(result.id.shard, digestOf(result, this.#key));
  }

  /** Whether this answer to its shard is the first one, to the bit; null where that is not known. */
  isRepeatedBy(result: ShardResult): boolean | null {
    const first = this.#byShard.get(result.id.shard);
    return first === undefined ? null : first === digestOf(result, this.#key);
  }

  clear(): void {
    this.#byShard.clear();
  }
}
