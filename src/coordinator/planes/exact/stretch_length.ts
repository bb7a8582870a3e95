/**
 * Owns: how many steps a replica that is alone takes in one call: as many as last a moment together, once it is known how long one takes; one at a time where
 * the run wants the values between them, which costs the steps computed beyond.
 * Does not: know where an epoch ends (exact_plane.ts).
 */
import { isInMemory, rowBytes, type Dataset } from '../../../common/dataset.js';
import { LIMITS } from '../../../common/limits.js';
import type { NumericsClass } from '../../../common/replica.js';

/** How many steps a replica that is alone may take in one call: one where rows are read meanwhile, and on a GPU, where more were not seen. */
export function mostInOneCall(
  { device }: Pick<NumericsClass, 'device'>,
  { train, fields }: Pick<Dataset, 'train' | 'fields'>,
  batch: number,
): number {
  if (device !== 'CPU' || !isInMemory(train)) return 1;
  // Targets are 32 bits each on the device, whatever they are stored as.
  const targets = fields.targets.map(({ shape }) => ({ type: 'float32' as const, shape }));
  const bytes = batch * rowBytes([...fields.inputs, ...targets]);
  return Math.max(1, Math.min(LIMITS.stretchSteps, Math.floor(LIMITS.stretchRowBytes / bytes)));
}

/** What bounds it (LIMITS.stretchBytes): weights and slots, as often as there are shards, which are computed side by side. */
export function stretchedBytes({ shards, values }: { shards: number; values: number }): number {
  return shards * values * Float32Array.BYTES_PER_ELEMENT;
}

/** Steps whose median says how long one takes: some of the first ones record. */
const COUNTED = 8;
/** Of what is known of a step's time, by a stretch that took another one. */
const SHARE_OF_NEW = 0.1;

export class StretchLength {
  readonly #most: number;
  /** Steps to be taken one by one before it is known, or tried again. */
  #singly: number = LIMITS.stretchAfterSteps;
  #afterCut: number = LIMITS.stretchAfterSteps;
  #last: number[] = [];
  /** The first call records what all others run. */
  #isRecorded = false;
  #stepMs = Infinity;

  constructor(most: number) {
    this.#most = most;
  }

  /** At most; null while that is not known. */
  get steps(): number | null {
    const isLong = this.#last.length === COUNTED && this.#stepMs > LIMITS.stretchMs / 2;
    return this.#singly === 0 || isLong ? this.atMost(Infinity) : null;
  }

  atMost(steps: number): number {
    if (this.#singly > 0) return 1;
    return Math.max(1, Math.floor(Math.min(this.#most, LIMITS.stretchMs / this.#stepMs, steps)));
  }

  /** A step's computing took so long, one by itself or each of so many: what the run did meanwhile is no part of it. */
  took(ms: number, together: number): void {
    if (together > 1) {
      if (this.#isRecorded) this.#stepMs += SHARE_OF_NEW * (ms - this.#stepMs);
      this.#isRecorded = true;
    } else if (this.#singly > 0) {
      this.#singly -= 1;
      this.#last = [...this.#last, ms].slice(-COUNTED);
      this.#stepMs = [...this.#last].sort((a, b) => a - b)[this.#last.length >> 1];
    }
  }

  /** Steps were computed for nothing: after so many more the next time. */
  cut(): void {
    this.#afterCut = Math.min(2 * this.#afterCut, LIMITS.stretchMostSingly);
    this.#singly = this.#afterCut;
  }
}
