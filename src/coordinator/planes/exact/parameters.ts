/**
 * Owns: the weights and the optimizer's slots on the host, double-buffered.
 * Does not: compute them (update/update.ts), or write them to the disk (state/state_writer.ts).
 *
 * An update reads `current` and writes `next`; `commit` swaps them. Until then nothing of the last commit is touched,
 * so a step with bad numbers is dropped by not committing it.
 */
import { invariant } from '../../../common/errors.js';
import type { ModelDescription, ParameterSnapshot } from '../../../common/replica.js';
import { AVERAGE, firstSlots, type SlotSpec } from '../../../optimizers/optimizer_program.js';
import type { RunValues } from '../plane.js';

export interface Buffers {
  /** All weights, on shared memory. */
  readonly parameters: Float32Array;
  /** One array per slot of the optimizer, trained parameters only. */
  readonly slots: readonly Float32Array[];
}

export class Parameters {
  current: Buffers;
  next: Buffers;
  /** Commits since the start of the run. */
  version = 0;

  constructor(
    { layout, initial }: Pick<ModelDescription, 'layout' | 'initial'>,
    private readonly slots: readonly SlotSpec[],
  ) {
    const buffers = (): Buffers => ({
      parameters: new Float32Array(new SharedArrayBuffer(layout.totalSize * 4)),
      slots: firstSlots(slots, initial.subarray(0, layout.trainedSize)),
    });
    this.current = buffers();
    this.next = buffers();
    this.current.parameters.set(initial);
  }

  restore({ version, parameters, optimizerSlots }: RunValues): void {
    invariant(parameters.length === this.current.parameters.length, 'the values were matched against the model');
    this.current.parameters.set(parameters);
    this.slots.forEach(({ name }, index) => {
      const slot = optimizerSlots.find((candidate) => candidate.name === name);
      invariant(slot, `the values hold optimizer slot ${name}`);
      this.current.slots[index].set(slot.values);
    });
    this.version = version;
  }

  snapshot(): ParameterSnapshot {
    return { version: this.version, values: this.current.parameters };
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
    const optimizerSlots = this.slots.map(({ name }, index) => ({ name, values: this.current.slots[index] }));
    return { version: this.version, parameters: this.current.parameters, optimizerSlots };
  }

  /** Makes `next` the current values. One step is committed exactly once. */
  commit(): void {
    [this.current, this.next] = [this.next, this.current];
    this.version += 1;
  }
}
