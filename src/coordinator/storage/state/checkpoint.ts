/**
 * Owns: writing saved models: `checkpoints/epoch-0120/{model.json,weights.bin}`, tf.LayersModel files that plain tf.loadLayersModel('file://…') reads,
 * written whole or not at all.
 * Does not: read them (saved_model.ts) or save what a run needs to go on (state_file.ts).
 *
 * Format: tfjs-core io/types.ts, ModelJSON and WeightsManifestEntry.
 */
import { join } from 'node:path';
import type { BucketLayout } from '../../../common/bucket_layout.js';
import { errorCode } from '../../../common/error_facts.js';
import { hashParts, readWholeFile, writeFolderAtomically } from '../files/atomic_file.js';
import { nodeFileSystem } from '../files/file_system.js';
import type { FileSystem } from '../files/file_system.js';
import { storageError } from '../files/storage_error.js';

export interface ModelToSave {
  /** `modelTopology` as a JSON string. */
  topology: string;
  layout: BucketLayout;
  /** All weights in layout order. Must not change until the promise settles. */
  values: Float32Array;
  /** Kept in the file for people and tools, e.g. `{ epoch: 120, val_acc: 0.995 }`. */
  notes: Readonly<Record<string, unknown>>;
  /** `tfjs-parallel 0.1.0`, `TensorFlow.js tfjs-layers v4.22.0`. */
  generatedBy: string;
  convertedBy?: string;
}

/** Saved models whose folders do not say an epoch, and that later ones replace. */
export type KeptModel = 'best' | 'last';

/** Writes `<folder>/epoch-0120`, or of another name. One that is there and equal is left alone; a different one is replaced. @throws StorageError */
export async function saveModel(
  model: ModelToSave,
  {
    folder,
    epoch,
    name = modelFolderName(epoch),
    fileSystem = nodeFileSystem,
  }: { folder: string; epoch: number; name?: string; fileSystem?: FileSystem },
): Promise<string> {
  const weights = new Uint8Array(model.values.buffer, model.values.byteOffset, model.values.byteLength);
  const weightsSha256 = await hashParts([weights]);
  const modelJson = Buffer.from(await renderModelJson(model, weightsSha256));
  try {
    if (await isSaved({ folder: join(folder, name), modelJson, weightsSha256, bytes: weights.byteLength, fileSystem }))
      return join(folder, name);
    const files = [
      { name: 'weights.bin', parts: [weights] },
      { name: 'model.json', parts: [modelJson] },
    ];
    return await writeFolderAtomically({ parent: folder, name, files, point: 'checkpoint', fileSystem });
  } catch (error) {
    throw storageError(error, `save the model of epoch ${epoch} to ${join(folder, name)}`, 'the models saved before are intact');
  }
}

/** Of an epoch's saved model, in the checkpoints folder. */
export function modelFolderName(epoch: number): string {
  return `epoch-${String(epoch).padStart(4, '0')}`;
}

async function renderModelJson(
  { topology, layout, notes, generatedBy, convertedBy }: ModelToSave,
  weightsSha256: string,
): Promise<string> {
  const weights = layout.slots.map(({ name, shape }) => ({ name, shape, dtype: 'float32' }));
  const file = {
    format: 'layers-model',
    generatedBy,
    convertedBy: convertedBy ?? null,
    modelTopology: JSON.parse(topology) as unknown,
    weightsManifest: [{ paths: ['weights.bin'], weights }],
    userDefinedMetadata: { ...notes, weights_bin_sha256: weightsSha256 },
  };
  // A resume finds damage by it, of what still reads as a model too.
  const own = await hashParts([Buffer.from(JSON.stringify(file))]);
  return JSON.stringify({ ...file, userDefinedMetadata: { ...file.userDefinedMetadata, model_json_sha256: own } });
}

async function isSaved(wanted: {
  folder: string;
  modelJson: Uint8Array;
  weightsSha256: string;
  bytes: number;
  fileSystem: FileSystem;
}): Promise<boolean> {
  const { folder, modelJson, weightsSha256, bytes, fileSystem } = wanted;
  try {
    const json = await readWholeFile(join(folder, 'model.json'), modelJson.byteLength, fileSystem);
    if (json === null || Buffer.compare(json, modelJson) !== 0) return false;
    const weights = await readWholeFile(join(folder, 'weights.bin'), bytes, fileSystem);
    return weights !== null && (await hashParts([weights])) === weightsSha256;
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'EIO') return false;
    throw error;
  }
}
