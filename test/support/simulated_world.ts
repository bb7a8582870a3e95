/**
 * Owns: what the simulated cluster is made of besides the coordinator: a seeded source of chance, a virtual clock with its queue of
 * events, arithmetic on integer hashes, and worker processes that compute, hang, lie and die.
 */
export class Chance {
  #state: number;
  constructor(seed: number) {
    this.#state = seed >>> 0;
  }
  /** Uniform in [0, 1): mulberry32. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }
  below(n: number): number {
    return Math.floor(this.next() * n);
  }
  of<T>(items: readonly T[]): T {
    return items[this.below(items.length)];
  }
  happens(probability: number): boolean {
    return this.next() < probability;
  }
}

/** FNV-1a over 32-bit words: order matters, so a sum in the wrong order shows. */
export function hash(...words: number[]): number {
  let h = 0x811c9dc5;
  for (const word of words) for (let i = 0; i < 4; i++) h = Math.imul(h ^ ((word >>> (8 * i)) & 255), 0x01000193) >>> 0;
  return h;
}

export const gradientOf = (parameters: number, step: number, shard: number): number => hash(1, parameters, step, shard);
export const committed = (parameters: number, total: number): number => hash(2, parameters, total);

/** The tree of decisions.md: pairs level by level, an odd one passes up. */
export function treeSum(leaves: readonly number[]): number {
  let level = [...leaves];
  while (level.length > 1) {
    const above: number[] = [];
    for (let i = 0; i < level.length; i += 2) above.push(i + 1 < level.length ? hash(3, level[i], level[i + 1]) : level[i]);
    level = above;
  }
  return level[0];
}

/** The run without any cluster: what every schedule of faults must end in. */
export function undisturbed({ steps, shards, seed }: { steps: number; shards: number; seed: number }): number {
  let parameters = hash(seed);
  for (let step = 1; step <= steps; step++) {
    parameters = committed(
      parameters,
      treeSum(Array.from({ length: shards }, (_, shard) => gradientOf(parameters, step, shard))),
    );
  }
  return parameters;
}

/** Virtual milliseconds; events of one instant keep the order in which they were planned. */
export class VirtualClock {
  now = 0;
  #queue: { at: number; order: number; run: () => void }[] = [];
  #order = 0;
  after(ms: number, run: () => void): void {
    this.#queue.push({ at: this.now + ms, order: this.#order++, run });
  }
  /** Runs the next event; false when none is left. */
  turn(): boolean {
    let best = 0;
    for (let i = 1; i < this.#queue.length; i++) {
      const [a, b] = [this.#queue[i], this.#queue[best]];
      if (a.at < b.at || (a.at === b.at && a.order < b.order)) best = i;
    }
    const [event] = this.#queue.splice(best, 1);
    if (event === undefined) return false;
    this.now = event.at;
    event.run();
    return true;
  }
}
