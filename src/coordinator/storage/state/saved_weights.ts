/**
 * Owns: the weights that a path names, whatever was saved there: a model, a state, or of a run folder without a model its newest state.
 * Does not: know the formats (saved_model.ts, state_file.ts).
 */
import { join } from 'node:path';
import { StorageError } from '../../../common/errors.js';
import { nodeFileSystem } from '../files/file_system.js';
import { readModel, type SavedModel, type SavedWeights } from './saved_model.js';
import { readNewestState, readState } from './state_file.js';
import type { RunState } from './state_schema.js';

/** A state knows no topology: whoever wants the layers takes the run's own model. */
export type SavedModelOrState =
  | ({ readonly kind: 'model' } & SavedModel)
  | ({ readonly kind: 'state'; readonly epoch: number; readonly step: number } & SavedWeights);

/** @throws StorageError MODEL_FILE_INVALID, STATE_DAMAGED, NOTHING_SAVED, and what else reading a model finds */
export async function readModelOrState(path: string): Promise<SavedModelOrState> {
  if (path.endsWith('.safetensors')) return readStateFile(path);
  try {
    return { kind: 'model', ...(await readModel(path)) };
  } catch (error) {
    const folder = join(path, 'state');
    const newest = await readNewestState({ folder, fileSystem: nodeFileSystem }).catch(() => null);
    // Not a run folder.
    if (newest === null) throw error;
    if (newest.state === null) throw nothingSaved(path, newest.rejected.length);
    return weightsOf(newest.state, newest.path ?? folder);
  }
}

/** One state by its own name, as a diverged run names it. */
async function readStateFile(path: string): Promise<SavedModelOrState> {
  try {
    return weightsOf(await readState(path, nodeFileSystem), path);
  } catch (cause) {
    throw new StorageError({
      code: 'STATE_DAMAGED',
      message: `${path} is no state that can be read: ${cause instanceof Error ? cause.message : String(cause)}`,
      next: "Give another file of a run's state folder, the run folder itself, or a saved model.",
      cause,
    });
  }
}

function weightsOf({ parameters, model, progress: { epoch, step } }: RunState, path: string): SavedModelOrState {
  return { kind: 'state', epoch, step, path, weights: model.layout.slots, values: parameters, topology: null };
}

function nothingSaved(run: string, damaged: number): StorageError {
  const states = damaged === 0 ? 'no state' : 'no state that verifies';
  return new StorageError({
    code: 'NOTHING_SAVED',
    message: `${run} holds no saved model and ${states} yet`,
    next: `Train on with tfjs-parallel train --resume ${run}: a state is saved as state_every says, a model where the best epoch reaches save_above.`,
  });
}
