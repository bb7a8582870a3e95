/**
 * Owns: reading a tf.LayersModel file, ours or another's, believing nothing; and its weights in the order of a model's layout.
 * Does not: write such files (checkpoint.ts) or understand topologies of other makers (src/models).
 */
import { createHash } from 'node:crypto';
import { dirname, join } from 'node:path';
import type { BucketLayout } from '../../../common/bucket_layout.js';
import { errorCode } from '../../../common/error_facts.js';
import { StorageError } from '../../../common/errors.js';
import { LIMITS } from '../../../common/limits.js';
import { decodeWeights, parseModelFile, type WeightManifest } from '../../../common/model_file.js';
import { renamedAlike } from '../../../common/same_layers.js';
import { matchWeights, type NamedWeight } from '../../../common/weight_names.js';
import { readAll, readWholeFile } from '../files/atomic_file.js';
import { nodeFileSystem } from '../files/file_system.js';
import type { FileSystem } from '../files/file_system.js';
import { storageError } from '../files/storage_error.js';

export interface SavedWeights {
  /** The file that was read. */
  path: string;
  weights: readonly NamedWeight[];
  /** All of `weights`, one after the other. */
  values: Float32Array;
  /** `modelTopology` as a JSON string; null for weights that were saved without one. */
  topology: string | null;
}

export interface SavedModel extends SavedWeights {
  topology: string;
  /** The file's `trainingConfig`; null where it has none. */
  training: Readonly<Record<string, unknown>> | null;
}

/** Reads a model.json, a folder with one, or the latest saved model of a run folder. @throws StorageError MODEL_FILE_INVALID with the first thing that is wrong */
export async function readModel(path: string, fileSystem: FileSystem = nodeFileSystem): Promise<SavedModel> {
  const modelPath = path.endsWith('.json') ? path : join(await modelFolder(path, fileSystem), 'model.json');
  const invalid = (what: string) =>
    new StorageError({
      code: 'MODEL_FILE_INVALID',
      message: `${modelPath}: ${what}`,
      next: 'give a folder such as runs/mnist-001/checkpoints/epoch-0120, or a model.json saved by tf.LayersModel.save',
    });
  try {
    const bytes = await readWholeFile(modelPath, LIMITS.maxModelJsonBytes, fileSystem);
    if (bytes === null) throw invalid(`longer than ${LIMITS.maxModelJsonBytes} bytes`);
    const file = parseModelFile(Buffer.from(bytes).toString(), { path: modelPath, invalid });
    if (file.manifest === null) throw invalid('it has no weights');
    const found = await readBytes({
      manifest: file.manifest,
      sha256: file.noted?.weights ?? null,
      modelPath,
      fileSystem,
      invalid,
    });
    return {
      path: modelPath,
      topology: JSON.stringify(file.topology),
      training: file.training,
      ...decodeWeights(file.manifest, found, { invalid }),
    };
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EISDIR'].includes(errorCode(error)))
      throw invalid('does not exist, or weights are missing beside it');
    throw storageError(error, `read ${modelPath}`);
  }
}

/** The folder itself, or `checkpoints/epoch-0120` of the highest number in a run folder. */
async function modelFolder(path: string, fileSystem: FileSystem): Promise<string> {
  const names = await fileSystem.list(join(path, 'checkpoints')).catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return [];
    throw storageError(error, `read ${path}`);
  });
  const epochs = names.flatMap((name) => (/^epoch-\d+$/.test(name) ? [{ name, epoch: Number(name.slice(6)) }] : []));
  const latest = epochs.sort((a, b) => b.epoch - a.epoch)[0];
  return latest === undefined ? path : join(path, 'checkpoints', latest.name);
}

/**
 * The saved weights in the order of the model's layout: by name; where the names are others and both topologies agree layer by layer, by the
 * names of the layers in the same places. @throws StorageError MODEL_DIFFERS listing what has no place on either side
 */
export function weightsFor(model: { layout: BucketLayout; topology: string | null }, saved: SavedWeights): Float32Array {
  const { layout } = model;
  const byName = matchWeights(layout.slots, saved.weights);
  const renamed = byName.kind === 'matched' ? null : renamedAlike(saved.weights, saved.topology, model.topology);
  const match = renamed === null ? byName : matchWeights(layout.slots, renamed);
  if (match.kind === 'unmatched') {
    throw new StorageError({
      code: 'MODEL_DIFFERS',
      message: `the weights in ${saved.path} are of another model: ${match.difference}`,
      next: 'use the model that they were saved from: --model, or that very model.json',
    });
  }
  const starts: number[] = [];
  let end = 0;
  for (const { shape } of saved.weights) {
    starts.push(end);
    end += shape.reduce((product, extent) => product * extent, 1);
  }
  const values = new Float32Array(layout.totalSize);
  layout.slots.forEach(({ offset, size }, at) => {
    const start = starts[match.places[at]];
    values.set(saved.values.subarray(start, start + size), offset);
  });
  return values;
}

/** All weight bytes, in the manifest's order. */
async function readBytes(read: {
  manifest: WeightManifest;
  sha256: string | null;
  modelPath: string;
  fileSystem: FileSystem;
  invalid: (what: string) => StorageError;
}): Promise<Uint8Array> {
  const { manifest, modelPath, fileSystem, invalid } = read;
  const files = manifest.groups.flatMap(({ paths }) => paths).map((name) => join(dirname(modelPath), name));
  const opened = [];
  try {
    for (const path of files) opened.push(await fileSystem.open(path, 'read'));
    const sizes = await Promise.all(opened.map((file) => file.size()));
    const found = sizes.reduce((sum, bytes) => sum + bytes, 0);
    // Checked before anything of the declared size is allocated.
    if (found !== manifest.bytes) throw invalid(`its weights need ${manifest.bytes} bytes, the files beside it hold ${found}`);
    const bytes = new Uint8Array(found);
    let start = 0;
    for (const [at, file] of opened.entries()) {
      const got = await readAll(file, bytes.subarray(start, start + sizes[at]), 0);
      if (got !== sizes[at]) throw invalid(`${files[at]} became shorter while it was read`);
      start += got;
    }
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    if (read.sha256 !== null && read.sha256 !== sha256)
      throw invalid(`its weights hash to ${sha256.slice(0, 12)}…, it says ${read.sha256.slice(0, 12)}…: the files are damaged`);
    return bytes;
  } finally {
    for (const file of opened) await file.close();
  }
}
