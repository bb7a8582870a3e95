/**
 * Owns: the weights and the optimizer's slots on the host, double-buffered, and which version of them is there.
 * Does not: compute them (update/update.ts), or write them to the disk (state/state_writer.ts).
 *
 * An update reads `current` and writes `next`; `commit` swaps them. Until then nothing of the last commit is touched,
 * so a step with bad numbers is dropped by not committing it. Where a replica keeps the weights, the host's version stays behind.
 */
import { invariant } from '../../../common/errors.js';
import type { ModelDescription, ParameterSnapshot } from '../../../common/replica.js';
import type { HostValues } from '../../../common/resident.js';
import { sharedFloats } from '../../../common/shared_floats.js';
import { AVERAGE, firstSlots, type SlotSpec } from '../../../optimizers/optimizer_program.js';
import type { RunValues } from '../plane.js';

/** All weights, and one array per slot of the optimizer (trained parameters only), on shared memory. */
export type Buffers = Omit<HostValues, 'version'>;

/** Of values that a replica has and nobody else. */
export const ELSEWHERE = new Float32Array(0);

export class Parameters {
  readonly #buffers: () => HostValues;
  current: HostValues;
  next: HostValues;
  /** Commits since the start of the run. */
  version = 0;

  constructor(
    { layout, initial }: Pick<ModelDescription, 'layout' | 'initial'>,
    private readonly slots: readonly SlotSpec[],
  ) {
    this.#buffers = () => ({
      version: new Float64Array(new SharedArrayBuffer(8)).fill(-1),
      parameters: sharedFloats(layout.totalSize),
      slots: slots.map(() => sharedFloats(layout.trainedSize)),
    });
    this.current = this.#buffers();
    this.next = this.#buffers();
    this.current.parameters.set(initial);
    firstSlots(slots, initial.subarray(0, layout.trainedSize)).forEach((values, at) => this.current.slots[at].set(values));
    this.current.version[0] = 0;
  }

  /** Whether `current` holds the values of the last commit. */
  get isCurrent(): boolean {
    return this.current.version[0] === this.version;
  }

  restore({ version, parameters, optimizerSlots }: RunValues): void {
    invariant(parameters.length === this.current.parameters.length, 'the values were matched against the model');
    this.current.parameters.set(parameters);
    this.slots.forEach(({ name }, index) => {
      const slot = optimizerSlots.find((candidate) => candidate.name === name);
      invariant(slot, `the values hold optimizer slot ${name}`);
      this.current.slots[index].set(slot.values);
    });
    this.current.version[0] = version;
    this.version = version;
  }

  snapshot(): ParameterSnapshot {
    return { version: this.version, values: this.isCurrent ? this.current.parameters : ELSEWHERE };
  }

  /** All weights, the trained ones as their moving average, written into `into`. */
  averaged(into: Float32Array): Float32Array {
    const average = this.slots.findIndex(({ name }) => name === AVERAGE);
    invariant(average >= 0, 'an average is kept where it is asked for');
    into.set(this.current.parameters);
    into.set(this.current.slots[average]);
    return into;
  }

  values(): RunValues {
    invariant(this.isCurrent, 'values are read after they came home');
    const optimizerSlots = this.slots.map(({ name }, index) => ({ name, values: this.current.slots[index] }));
    return { version: this.version, parameters: this.current.parameters, optimizerSlots };
  }

  /** Makes `next` the current values. One step is committed exactly once. */
  commit(): void {
    this.version += 1;
    this.next.version[0] = this.version;
    this.#swap();
  }

  /** The same of values that a replica has. */
  commitElsewhere(): void {
    this.version += 1;
  }

  /** Takes `next` where a replica has written the last commit's values there. */
  takeWritten(): void {
    if (this.next.version[0] === this.version) this.#swap();
  }

  /** Other memory for the next values: somebody may still write to that of now. */
  replaceNext(): void {
    this.next = this.#buffers();
  }

  #swap(): void {
    [this.current, this.next] = [this.next, this.current];
  }
}
