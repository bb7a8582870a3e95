/**
 * Owns: the values a run has reached: parameters and optimizer slots, double-buffered, and where in the epoch it stands.
 * Does not: compute them (update/optimizer.ts), or write them to the disk (state_writer.ts).
 *
 * An update reads `current` and writes `next`; `commit` swaps them. Until then nothing of the last commit is touched,
 * so a step with bad numbers is dropped by not committing it.
 */
import type { ModelDescription, ParameterSnapshot } from '../../common/replica.js';
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
    { layout, initial }: Pick<ModelDescription, 'layout' | 'initial'>,
    private readonly slots: readonly SlotSpec[],
  ) {
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
      epochLossSum: 0,
      epochCorrect: 0,
      epochExamples: 0,
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

  /** Makes `next` the current values. One step is committed exactly once. */
  commit(batch: { examples: number; lossSum: number; correct: number }): void {
    [this.current, this.next] = [this.next, this.current];
    const { progress } = this;
    this.progress = {
      ...progress,
      step: progress.step + 1,
      stepInEpoch: progress.stepInEpoch + 1,
      nextExample: progress.nextExample + batch.examples,
      epochLossSum: progress.epochLossSum + batch.lossSum,
      epochCorrect: progress.epochCorrect + batch.correct,
      epochExamples: progress.epochExamples + batch.examples,
    };
  }

  /** Ends the epoch in progress. `valAcc` is NaN where nothing was evaluated. Returns whether it is the best so far. */
  endEpoch(valAcc: number): boolean {
    const { progress } = this;
    const isBest = valAcc > (progress.best?.valAcc ?? -Infinity);
    this.progress = {
      step: progress.step,
      epoch: progress.epoch + 1,
      stepInEpoch: 0,
      nextExample: 0,
      epochLossSum: 0,
      epochCorrect: 0,
      epochExamples: 0,
      best: isBest ? { epoch: progress.epoch, valAcc } : progress.best,
    };
    return isBest;
  }
}
