/**
 * Owns: the weights of the best epoch while the run goes on, where early stopping gives them back at the end: in memory, and of a run with a folder
 * as that epoch's saved model, from which a resumed run takes them.
 */
import { join } from 'node:path';
import type { ModelDescription } from '../common/replica.js';
import type { RunFolder } from './storage/run_folder/run_folder.js';
import { modelFolderName } from './storage/state/checkpoint.js';
import { weightsFor } from './storage/state/saved_model.js';
import { readModelOrState } from './storage/state/saved_weights.js';
import type { Watch } from './storage/state/state_schema.js';

export interface EpochWeights {
  readonly epoch: number;
  /** As a model is saved with. */
  readonly weights: Float32Array;
}

export class BestWeights {
  #best: EpochWeights | null = null;

  /** Null before the first epoch that was better. */
  get current(): EpochWeights | null {
    return this.#best;
  }

  keep(best: EpochWeights): void {
    this.#best = best;
  }

  /** @throws StorageError where that epoch's model is not there any more */
  async resume(folder: RunFolder, model: ModelDescription, { stopping }: Watch): Promise<void> {
    const epoch = stopping?.bestEpoch ?? null;
    if (epoch === null) return;
    const saved = await readModelOrState(join(folder.checkpointFolder, modelFolderName(epoch)));
    this.#best = { epoch, weights: weightsFor(model, saved) };
  }
}
