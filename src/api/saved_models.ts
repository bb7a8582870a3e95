/**
 * Owns: what a path names, a saved model or a run's state: its weights, and a model's topology as tfjs reads it, whoever wrote the file.
 * Does not: read files itself (coordinator/state does) or convert (models/keras does).
 */
import type { CompiledByName } from '../models/model_source.js';
import { compiledInFile } from '../models/training_config.js';
import { readModelOrState, type SavedModelOrState } from '../coordinator/storage/state/saved_weights.js';
import { convertTopology, modelOf } from '../models/keras/convert.js';
import { renameKerasWeights } from '../models/keras/weight_paths.js';

export type SavedSource = SavedModelOrState & { readonly compiled?: CompiledByName | null };

/** @throws StorageError MODEL_FILE_INVALID, NOTHING_SAVED, and what convertTopology throws */
export async function readSaved(path: string): Promise<SavedSource> {
  const saved = await readModelOrState(path);
  if (saved.kind === 'state') return saved;
  const topology = JSON.parse(saved.topology) as Record<string, unknown>;
  return {
    ...saved,
    compiled: compiledInFile({ training: saved.training, topology }),
    topology: JSON.stringify(convertTopology(topology, saved.path)),
    weights: renameKerasWeights(saved.weights, modelOf(topology)),
  };
}
