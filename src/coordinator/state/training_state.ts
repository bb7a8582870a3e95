/**
 * Owns: the values a run has reached: parameters and optimizer slots, double-buffered, and where in the epoch it stands.
 * Does not: compute them (update/optimizer.ts), or write them to the disk (state_writer.ts).
 *
 * An update reads `current` and writes `next`; `commit` swaps them. Until then nothing of the last commit is touched,
 * so a step with bad numbers is dropped by not committing it.
 */
import type { Monitor } from '../../common/objective.js';
import type { ModelDescription, ParameterSnapshot } from '../../common/replica.js';
import { isBetter, noTotals, type Totals } from '../../objective/values.js';
import { invariant } from '../../common/errors.js';
import type { SlotSpec } from '../../optimizers/optimizer_program.js';
import type { OptimizerSlot, Progress } from './state_schema.js';

export interface Buffers {
  /** All weights, on shared memory. */
  readonly parameters: Float32Array;
  /** One array per slot of the optimizer, trained parameters only. */
  readonly slots: readonly Float32Array[];
}

export class TrainingState {
  current: Buffers;
  next: Buffers;
  progress: Progress;

  constructor(
    private readonly model: Pick<ModelDescription, 'layout' | 'objective' | 'initial'>,
    private readonly slots: readonly SlotSpec[],
  ) {
    const { layout, initial, objective } = model;
    const buffers = (): Buffers => ({
      parameters: new Float32Array(new SharedArrayBuffer(layout.totalSize * 4)),
      slots: slots.map(({ initial: value }) => new Float32Array(layout.trainedSize).fill(value)),
    });
    this.current = buffers();
    this.next = buffers();
    this.current.parameters.set(initial);
    this.progress = {
      step: 0,
      epoch: 1,
      stepInEpoch: 0,
      nextExample: 0,
      totals: writable(noTotals(objective)),
      best: null,
    };
  }

  /** Takes over what a state file held. */
  restore(saved: { parameters: Float32Array; optimizerSlots: readonly OptimizerSlot[]; progress: Progress }): void {
    invariant(saved.parameters.length === this.current.parameters.length, 'the state was matched against the model');
    this.current.parameters.set(saved.parameters);
    this.slots.forEach(({ name }, index) => {
      const slot = saved.optimizerSlots.find((candidate) => candidate.name === name);
      invariant(slot, `the state holds optimizer slot ${name}`);
      this.current.slots[index].set(slot.values);
    });
    this.progress = saved.progress;
  }

  snapshot(): ParameterSnapshot {
    return { version: this.progress.step, values: this.current.parameters };
  }

  optimizerSlots(): OptimizerSlot[] {
    return this.slots.map(({ name }, index) => ({ name, values: this.current.slots[index] }));
  }

  /** Makes `next` the current values: one step more, and the epoch's totals with it. One step is committed exactly once. */
  commit(totals: Totals, examples: number): void {
    [this.current, this.next] = [this.next, this.current];
    const { progress } = this;
    this.progress = {
      ...progress,
      step: progress.step + 1,
      stepInEpoch: progress.stepInEpoch + 1,
      nextExample: progress.nextExample + examples,
      totals: writable(totals),
    };
  }

  /** Ends the epoch in progress. Returns whether the value is the best so far; NaN never is. */
  endEpoch(monitor: Monitor, value: number): boolean {
    const { progress } = this;
    const isBest =
      Number.isFinite(value) && (progress.best?.monitor !== monitor.name || isBetter(monitor, value, progress.best.value));
    this.progress = {
      step: progress.step,
      epoch: progress.epoch + 1,
      stepInEpoch: 0,
      nextExample: 0,
      totals: writable(noTotals(this.model.objective)),
      best: isBest ? { epoch: progress.epoch, monitor: monitor.name, value } : progress.best,
    };
    return isBest;
  }
}

function writable({ examples, loss, metrics }: Totals): Progress['totals'] {
  return { examples, loss, metrics: [...metrics] };
}
