/**
 * Owns: what a path names, a saved model or a run's state: its weights, and a model's topology as tfjs reads it, whoever wrote the file.
 * Does not: read files itself (coordinator/state does) or convert (models/keras does).
 */
import { readModelOrState, type SavedModelOrState } from '../coordinator/storage/state/saved_weights.js';
import { convertTopology, modelOf } from '../models/keras/convert.js';
import { renameKerasWeights } from '../models/keras/weight_paths.js';

/** @throws CheckpointError MODEL_FILE_INVALID, NOTHING_SAVED, and what convertTopology throws */
export async function readSaved(path: string): Promise<SavedModelOrState> {
  const saved = await readModelOrState(path);
  if (saved.kind === 'state') return saved;
  const topology = JSON.parse(saved.topology) as object;
  return {
    ...saved,
    topology: JSON.stringify(convertTopology(topology, saved.path)),
    weights: renameKerasWeights(saved.weights, modelOf(topology)),
  };
}
