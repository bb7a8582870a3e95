/**
 * Owns: who is here, by number, and who computes which shard. A copy costs little and no question looks at all of them: a worker may bring 64 replicas,
 * and 256 workers may be here.
 * Does not: decide anything (membership.ts does).
 */

/** What is asked of a member here. */
interface Placed {
  readonly id: number;
  readonly worker: string;
  readonly draining: boolean;
  readonly running: { readonly round: number; readonly id: { readonly shard: number } } | null;
}

/** Members whose numbers differ in these last bits alone are copied together. */
const CHUNK_BITS = 7;
const chunkOf = (id: number): number => Math.floor(id / 2 ** CHUNK_BITS);
/** Shards have 31 bits (protocol/messages.ts); rounds that are 2^21 apart share keys, and are told apart when they are asked for. */
const keyOf = (round: number, shard: number): number => (round % 2 ** 21) * 2 ** 31 + shard;

export class Members<M extends Placed> implements ReadonlyMap<number, M> {
  readonly #chunks: Map<number, Map<number, M>>;
  /** Chunks that no copy shares. */
  readonly #owned = new Set<number>();
  /** By round and shard, in order of joining. */
  readonly #running: Map<number, readonly M[]>;
  #size: number;

  constructor(members: Iterable<readonly [number, M]> = []) {
    if (members instanceof Members) {
      this.#chunks = new Map(members.#chunks);
      this.#running = new Map(members.#running);
      this.#size = members.#size;
      // What is shared now is written by neither.
      members.#owned.clear();
      return;
    }
    this.#chunks = new Map();
    this.#running = new Map();
    this.#size = 0;
    for (const [id, member] of members) this.set(id, member);
  }

  get size(): number {
    return this.#size;
  }

  get(id: number): M | undefined {
    return this.#chunks.get(chunkOf(id))?.get(id);
  }

  has(id: number): boolean {
    return this.get(id) !== undefined;
  }

  set(id: number, member: M): this {
    const before = this.get(id);
    if (before === undefined) this.#size += 1;
    this.#forget(before);
    this.#own(id).set(id, member);
    if (member.running === null) return this;
    const key = keyOf(member.running.round, member.running.id.shard);
    const there = this.#running.get(key) ?? [];
    this.#running.set(
      key,
      [...there, member].sort((a, b) => a.id - b.id),
    );
    return this;
  }

  delete(id: number): boolean {
    const before = this.get(id);
    if (before === undefined) return false;
    this.#size -= 1;
    this.#forget(before);
    const chunk = this.#own(id);
    chunk.delete(id);
    if (chunk.size === 0) this.#chunks.delete(chunkOf(id));
    return true;
  }

  /** Who computes this shard, in order of joining. */
  runners(round: number, shard: number): readonly M[] {
    const found = this.#running.get(keyOf(round, shard));
    if (found === undefined) return [];
    return found.every(({ running }) => running?.round === round)
      ? found
      : found.filter(({ running }) => running?.round === round);
  }

  /** Who computes anything. */
  *busy(): Generator<M> {
    for (const members of this.#running.values()) yield* members;
  }

  *values(): MapIterator<M> {
    for (const chunk of this.#chunks.values()) yield* chunk.values();
  }

  *keys(): MapIterator<number> {
    for (const chunk of this.#chunks.values()) yield* chunk.keys();
  }

  *entries(): MapIterator<[number, M]> {
    for (const chunk of this.#chunks.values()) yield* chunk.entries();
  }

  [Symbol.iterator](): MapIterator<[number, M]> {
    return this.entries();
  }

  forEach(call: (member: M, id: number, members: ReadonlyMap<number, M>) => void): void {
    for (const [id, member] of this) call(member, id, this);
  }

  #own(id: number): Map<number, M> {
    const at = chunkOf(id);
    const shared = this.#chunks.get(at);
    if (shared !== undefined && this.#owned.has(at)) return shared;
    const chunk = new Map(shared);
    this.#owned.add(at);
    this.#chunks.set(at, chunk);
    return chunk;
  }

  #forget(member: M | undefined): void {
    if (!member?.running) return;
    const key = keyOf(member.running.round, member.running.id.shard);
    const left = (this.#running.get(key) ?? []).filter(({ id }) => id !== member.id);
    if (left.length === 0) this.#running.delete(key);
    else this.#running.set(key, left);
  }
}

/** Of each session's free replicas, as many are asked. */
export const FIRST = 2;

/**
 * Of those who are free, the first two of each session: what neither may take, no later one of its session may. They are of one process and machine, and a
 * rule that looks at the member itself spares who came first, or bars the one that found a bad number.
 */
export function firstFree<M extends Placed>(members: Iterable<M>): M[] {
  const seen = new Map<string, number>();
  const first: M[] = [];
  for (const member of members) {
    if (member.running !== null || member.draining) continue;
    const before = seen.get(member.worker) ?? 0;
    if (before === FIRST) continue;
    seen.set(member.worker, before + 1);
    first.push(member);
  }
  return first;
}
