/**
 * Owns: the weights of the caller's model while a run trains it elsewhere: shown in it before a callback, taken back where the callback changed them.
 * Does not: hold the run's weights (a plane does).
 */
import type * as tfjs from '@tensorflow/tfjs';
import { UsageError } from '../common/errors.js';
import type { RunAccess } from '../coordinator/run_hooks.js';
import { putWeights, readWeights } from '../models/weights.js';

interface Parts {
  readonly tf: typeof tfjs;
  readonly model: tfjs.LayersModel;
  readonly access: RunAccess;
}

export class ModelWeights {
  readonly #parts: Parts;
  /** Of the model's variables as they were shown: an assignment gives a variable other data. */
  #shown: readonly object[];
  readonly #trained: number;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#shown = dataOf(parts.model);
    this.#trained = parts.model.trainableWeights.length;
  }

  /** Puts the run's weights into the model. */
  async show(): Promise<void> {
    const { tf, model, access } = this.#parts;
    putWeights(tf, model, { values: await access.weights(), manifest: access.model.layout.slots });
    this.#shown = dataOf(model);
  }

  /** The run goes on from the model's weights where a callback changed them. */
  async takeBack(): Promise<void> {
    const { model, access } = this.#parts;
    this.#requireTrained();
    if (!this.#isTouched()) return;
    await access.replaceWeights(readWeights(model, access.model.layout.slots));
    this.#shown = dataOf(model);
  }

  /** @throws UsageError CALLBACK_WEIGHTS: the model holds those of the epoch's begin, so that a change of them would undo the steps since */
  requireUntouched(): void {
    this.#requireTrained();
    if (!this.#isTouched()) return;
    throw new UsageError({
      code: 'CALLBACK_WEIGHTS',
      message: "a batch callback changed weights of the model, which there are those of the epoch's begin",
      next: 'Set weightsInBatchCallbacks: true, which copies the weights at each batch; or change them in onEpochBegin or onEpochEnd.',
    });
  }

  #isTouched(): boolean {
    return dataOf(this.#parts.model).some((data, at) => data !== this.#shown[at]);
  }

  #requireTrained(): void {
    if (this.#parts.model.trainableWeights.length === this.#trained) return;
    throw new UsageError({
      code: 'CALLBACK_FREEZES',
      message: 'a callback froze or unfroze layers of the model, and what a run trains is fixed while it runs',
      next: 'Set model.stopTraining = true there, and call again with the layers as they should be.',
    });
  }
}

function dataOf(model: tfjs.LayersModel): object[] {
  return model.weights.map((weight) => weight.read().dataId);
}
