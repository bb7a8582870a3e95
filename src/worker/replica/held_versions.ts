/**
 * Owns: the versions of weights, statistics and optimizer slots that lie on the replica's device: one is held, the weights in the model's variables; the next
 * one is in handles beside them until somebody asks for it. A commit is a swap of handles, and a step that came to nothing is dropped by forgetting its handles.
 * Does not: compute the next one (resident.ts) or decide which counts (the plane does).
 */
import type * as tfjs from '@tensorflow/tfjs';
import { trainedWeights, type BucketLayout } from '../../common/bucket_layout.js';
import { invariant } from '../../common/errors.js';
import type { HostValues } from '../../common/resident.js';
import { download, upload, type Engine } from '../../engine/index.js';
import type { UpdateOutput } from './resident_update.js';
import { trainedVariables } from './train_step.js';

export interface HeldParts {
  readonly engine: Engine;
  readonly model: tfjs.LayersModel;
  readonly layout: BucketLayout;
}

type DeviceValues = Pick<UpdateOutput, 'weights' | 'slots' | 'running'>;

interface Version extends DeviceValues {
  readonly version: number;
}

export class HeldVersions {
  /** Of the model, in layout order. */
  readonly weights: readonly tfjs.Variable[];
  readonly running: readonly tfjs.Variable[];
  readonly #parts: HeldParts;
  /** By slot, then by trained weight, of the version held. */
  #slots: tfjs.Tensor[][] = [];
  /** The version of the slots; the variables may hold another one for a while. */
  #held = -1;
  #pending: Version | null = null;
  /** The version before the one held, while nobody has said that this one counts: it was begun from early, and others may not have reached it. */
  #before: Version | null = null;

  constructor(parts: HeldParts) {
    this.#parts = parts;
    this.weights = trainedVariables(parts.model);
    this.running = parts.layout.statistics.map(({ slot }) => variableOf(parts.model.weights[slot]));
  }

  /** That of the slots. */
  get held(): number {
    return this.#held;
  }

  get slots(): tfjs.Tensor[][] {
    return this.#slots;
  }

  /** Whether a step can begin from this version as things stand: it is the next one, or held and nothing was computed from it yet. */
  leadsTo(version: number): boolean {
    return (this.#pending ?? { version: this.#held }).version === version;
  }

  requireHeld(version: number): void {
    invariant(version === this.#held && this.#pending === null, 'a step is computed from the version that is held');
  }

  /** Makes these values the next ones. */
  take({ weights, slots, running }: DeviceValues, version: number): void {
    this.#pending = { weights, slots, running, version };
  }

  /**
   * Makes `version` the one that the model's variables and the slots hold, where it is the next one; true where it did. Any other is dropped. `early`: before
   * anybody has said that it counts, so that the version held until now is kept for `dropAfter`.
   */
  settle(version: number, { early = false } = {}): boolean {
    const pending = this.#pending;
    if (!early || pending !== null) this.#forgetBefore();
    if (pending === null) return false;
    this.#pending = null;
    const { tf } = this.#parts.engine;
    const isNext = pending.version === version;
    if (isNext && early) {
      this.#before = {
        version: this.#held,
        weights: this.weights.map((each) => each.clone()),
        running: this.running.map((each) => each.clone()),
        slots: this.#slots,
      };
      this.#slots = [];
    }
    if (isNext) {
      [...pending.weights, ...pending.running].forEach((value, at) => [...this.weights, ...this.running][at].assign(value));
      tf.dispose(this.#slots);
      this.#slots = pending.slots;
      this.#held = version;
    } else tf.dispose(pending.slots);
    tf.dispose([pending.weights, pending.running]);
    return isNext;
  }

  /** Makes `version` the one held again, where the next one was taken early, or drops what was computed from it; true where it took it back. */
  dropAfter(version: number): boolean {
    const before = this.#before;
    if (before?.version !== version) {
      this.settle(version);
      return false;
    }
    this.#before = null;
    if (this.#pending !== null) this.drop(this.#pending);
    this.#pending = before;
    return this.settle(version);
  }

  /** Takes the slots of a version whose weights the variables hold already. */
  takeSlots(version: number, slots: readonly Float32Array[]): void {
    const { engine, layout } = this.#parts;
    engine.tf.dispose(this.#slots);
    const trained = trainedWeights(layout);
    this.#slots = slots.map((values) =>
      trained.map(({ offset, size, shape }) => upload(engine, values.subarray(offset, offset + size), [...shape])),
    );
    this.#held = version;
  }

  /** All weights, and the slots, of the version that the variables and the slots hold. */
  write(into: HostValues): void {
    const { engine, model, layout } = this.#parts;
    into.version[0] = -1;
    model.weights.forEach((weight, index) => {
      const { offset, size } = layout.slots[index];
      download(engine, weight.read(), into.parameters.subarray(offset, offset + size));
    });
    this.#slots.forEach((slot, at) =>
      slot.forEach((value, index) => {
        const { offset, size } = layout.slots[index];
        download(engine, value, into.slots[at].subarray(offset, offset + size));
      }),
    );
    into.version[0] = this.#held;
  }

  /** Values that came to nothing. */
  drop({ weights, running, slots }: DeviceValues): void {
    this.#parts.engine.tf.dispose([weights, running, slots]);
  }

  /** Holds no version of any run; the model's variables stay. */
  forget(): void {
    this.#forgetBefore();
    if (this.#pending !== null) this.drop(this.#pending);
    this.#pending = null;
    this.#parts.engine.tf.dispose(this.#slots);
    this.#slots = [];
    this.#held = -1;
  }

  #forgetBefore(): void {
    if (this.#before !== null) this.drop(this.#before);
    this.#before = null;
  }
}

function variableOf(weight: tfjs.LayerVariable): tfjs.Variable {
  return (weight as unknown as { val: tfjs.Variable }).val;
}
