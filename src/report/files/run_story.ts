/**
 * Owns: what a run's report tells, gathered from records as metrics.jsonl holds them: one row an epoch, a thinned curve of steps, where the time went.
 * Does not: read or draw anything. A resumed run's records come again from the state on; what is known already is not counted twice.
 */
import type { RunRecord } from '../../common/run_record.js';
import { bestEpoch } from '../best_epoch.js';

/** Mean milliseconds of a step in each phase. */
export type Phases = Readonly<Record<string, number>>;

export interface EpochRow {
  readonly epoch: number;
  /** `loss`, `acc`, `val_loss`, … in the record's order; null where one was not finite. */
  readonly values: Readonly<Record<string, number | null>>;
  /** Of its last step; null where the records have none. */
  readonly learningRate: number | null;
  readonly seconds: number;
  readonly imagesPerS: number;
  readonly saved: boolean;
  readonly phases: Phases;
  /** Mean milliseconds of a step that each replica computed; of records that do not say, none. */
  readonly replicas: Phases;
}

export interface StepPoint {
  /** In epochs: 1.5 is the middle of the second. */
  readonly at: number;
  readonly loss: number | null;
  readonly learningRate: number;
}

/** Beyond it every second point is let go. */
const MOST_POINTS = 1000;
/** What only a step's record adds to an epoch's, and what is no value. */
const NO_VALUES = new Set(['v', 'type', 'epoch', 'seconds', 'images_per_s', 'saved']);

export class RunStory {
  start: RunRecord | null = null;
  end: RunRecord | null = null;
  readonly epochs: EpochRow[] = [];
  points: StepPoint[] = [];
  #stride = 1;
  #lastStep = 0;
  #sums: Record<string, number> = {};
  #replicas: Record<string, number> = {};
  #steps = 0;
  #learningRate: number | null = null;

  add(record: RunRecord): void {
    if (record.type === 'start') this.start ??= record;
    else if (record.type === 'step') this.#step(record);
    else if (record.type === 'epoch') this.#epoch(record);
    else if (record.type === 'end') this.end = record;
  }

  get monitor(): { name: string; direction: 'max' | 'min' } {
    const { monitor } = (this.start?.objective ?? {}) as { monitor?: { name: string; direction: 'max' | 'min' } };
    return monitor ?? { name: 'val_loss', direction: 'min' };
  }

  /** The first row with the best monitored value; null where no epoch has one. */
  get best(): EpochRow | null {
    return bestEpoch(this.epochs, this.monitor);
  }

  /** Names of values in the order of their first record. */
  get names(): string[] {
    return [...new Set(this.epochs.flatMap(({ values }) => Object.keys(values)))];
  }

  #step(record: RunRecord): void {
    const {
      step,
      epoch,
      step_in_epoch: inEpoch,
      steps_per_epoch: perEpoch,
      learning_rate: rate,
    } = record as unknown as StepRecord;
    if (step <= this.#lastStep) return;
    this.#lastStep = step;
    this.end = null;
    this.#steps += 1;
    this.#learningRate = rate;
    for (const [phase, ms] of Object.entries((record.phases_ms ?? {}) as Phases))
      this.#sums[phase] = (this.#sums[phase] ?? 0) + ms;
    for (const { replica, compute_ms: ms } of (record.replica_times ?? []) as unknown as ReplicaTime[])
      this.#replicas[replica] = (this.#replicas[replica] ?? 0) + ms;
    if (step % this.#stride !== 0) return;
    this.points.push({ at: epoch - 1 + shareOfEpoch(inEpoch, perEpoch), loss: finite(record.loss), learningRate: rate });
    if (this.points.length <= MOST_POINTS) return;
    this.#stride *= 2;
    this.points = this.points.filter((_, index) => index % 2 === 1);
  }

  #epoch(record: RunRecord): void {
    const epoch = Number(record.epoch);
    if (epoch <= (this.epochs.at(-1)?.epoch ?? 0)) return;
    const values = Object.entries(record).filter(([name]) => !NO_VALUES.has(name));
    this.epochs.push({
      epoch,
      values: Object.fromEntries(values.map(([name, value]) => [name, finite(value)])),
      learningRate: this.#learningRate,
      seconds: Number(record.seconds),
      imagesPerS: Number(record.images_per_s),
      saved: record.saved === true,
      phases: this.#perStep(this.#sums),
      replicas: this.#perStep(this.#replicas),
    });
    this.#sums = {};
    this.#replicas = {};
    this.#steps = 0;
  }

  #perStep(sums: Phases): Phases {
    return Object.fromEntries(Object.entries(sums).map(([name, ms]) => [name, ms / Math.max(1, this.#steps)]));
  }
}

interface ReplicaTime {
  replica: string;
  compute_ms: number;
}

interface StepRecord {
  step: number;
  epoch: number;
  step_in_epoch: number;
  steps_per_epoch: number | null;
  learning_rate: number;
}

/** How much of the epoch has passed; where nobody knows how long it is, something that rises towards 1. */
export function shareOfEpoch(inEpoch: number, perEpoch: number | null): number {
  return inEpoch / (perEpoch ?? inEpoch + 1);
}

function finite(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}
