/**
 * Owns: the weights that a path names, whatever was saved there: a model, or of a run folder without one its newest state.
 * Does not: know the formats (checkpoint.ts, state_file.ts).
 */
import { join } from 'node:path';
import { CheckpointError } from '../../common/errors.js';
import { nodeFileSystem } from '../files/file_system.js';
import { readModel, type SavedModel, type SavedWeights } from './checkpoint.js';
import { readNewestState } from './state_file.js';

/** A state knows no topology: whoever wants the layers takes the run's own model. */
export type SavedModelOrState =
  | ({ readonly kind: 'model' } & SavedModel)
  | ({ readonly kind: 'state'; readonly epoch: number; readonly step: number } & SavedWeights);

/** @throws CheckpointError MODEL_FILE_INVALID, NOTHING_SAVED, and what else reading a model finds */
export async function readModelOrState(path: string): Promise<SavedModelOrState> {
  try {
    return { kind: 'model', ...(await readModel(path)) };
  } catch (error) {
    const folder = join(path, 'state');
    const newest = await readNewestState({ folder, fileSystem: nodeFileSystem }).catch(() => null);
    // Not a run folder.
    if (newest === null) throw error;
    if (newest.state === null) throw nothingSaved(path, newest.rejected.length);
    const { parameters, model, progress } = newest.state;
    const { epoch, step } = progress;
    return { kind: 'state', epoch, step, path: newest.path ?? folder, weights: model.layout.slots, values: parameters };
  }
}

/** @throws CheckpointError MODEL_FILE_INVALID */
export async function readWeights(path: string): Promise<SavedWeights> {
  return readModelOrState(path);
}

function nothingSaved(run: string, damaged: number): CheckpointError {
  const states = damaged === 0 ? 'no state' : 'no state that verifies';
  return new CheckpointError({
    code: 'NOTHING_SAVED',
    message: `${run} holds no saved model and ${states} yet`,
    next: `Train on with tfjs-parallel train --resume ${run}: a state is saved as checkpoint_every says, a model where the best epoch reaches save_above.`,
  });
}
