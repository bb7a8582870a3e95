/**
 * Owns: saved models: `checkpoints/epoch-0120/{model.json,weights.bin}`, tf.LayersModel files that plain tf.loadLayersModel('file://…') reads, written whole
 * or not at all; and reading such files, ours or another's, believing nothing.
 * Does not: build models (src/models) or save what a run needs to go on (state_file.ts).
 *
 * Format: tfjs-core io/types.ts, ModelJSON and WeightsManifestEntry.
 */
import { createHash } from 'node:crypto';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import type { BucketLayout } from '../../common/bucket_layout.js';
import { CheckpointError } from '../../common/errors.js';
import { LIMITS } from '../../common/limits.js';
import { hashParts, readAll, readWholeFile, writeFolderAtomically } from '../files/atomic_file.js';
import { errorCode } from '../../common/error_facts.js';
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

/** Writes `<folder>/epoch-0120`. One that is there and equal is left alone; a different one is replaced. @throws CheckpointError */
export async function saveModel(
  model: ModelToSave,
  { folder, epoch, fileSystem = nodeFileSystem }: { folder: string; epoch: number; fileSystem?: FileSystem },
): Promise<string> {
  const name = `epoch-${String(epoch).padStart(4, '0')}`;
  const weights = new Uint8Array(model.values.buffer, model.values.byteOffset, model.values.byteLength);
  const weightsSha256 = await hashParts([weights]);
  const modelJson = Buffer.from(renderModelJson(model, weightsSha256));
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

export interface SavedWeights {
  /** The file that was read. */
  path: string;
  weights: readonly { name: string; shape: readonly number[]; offset: number; size: number }[];
  /** All weights, in the file's order. */
  values: Float32Array;
}

export interface SavedModel extends SavedWeights {
  /** `modelTopology` as a JSON string. */
  topology: string;
}

/** Reads a model.json, a folder with one, or the latest saved model of a run folder. @throws CheckpointError MODEL_FILE_INVALID with the first thing that is wrong */
export async function readModel(path: string, fileSystem: FileSystem = nodeFileSystem): Promise<SavedModel> {
  const modelPath = path.endsWith('.json') ? path : join(await modelFolder(path, fileSystem), 'model.json');
  const invalid = (what: string) =>
    new CheckpointError({
      code: 'MODEL_FILE_INVALID',
      message: `${modelPath}: ${what}`,
      next: 'give a folder such as runs/mnist-001/checkpoints/epoch-0120, or a model.json saved by tf.LayersModel.save',
    });
  try {
    const bytes = await readWholeFile(modelPath, LIMITS.maxModelJsonBytes, fileSystem);
    if (bytes === null) throw invalid(`longer than ${LIMITS.maxModelJsonBytes} bytes`);
    const json = parseModelJson(bytes, invalid);
    return {
      path: modelPath,
      topology: JSON.stringify(json.modelTopology),
      ...(await readWeights({ json, modelPath, fileSystem, invalid })),
    };
  } catch (error) {
    if (errorCode(error) === 'ENOENT') throw invalid('does not exist, or weights are missing beside it');
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
 * The saved weights in the order of `layout`: matched by name where all names are there, else by position. @throws CheckpointError MODEL_DIFFERS naming
 * the first tensor that does not fit
 */
export function weightsFor(layout: BucketLayout, saved: SavedWeights): Float32Array {
  const byName = new Map(saved.weights.map((weight) => [weight.name, weight]));
  const named = layout.slots.every(({ name }) => byName.has(name));
  const values = new Float32Array(layout.totalSize);
  const show = (weight: { name: string; shape: readonly number[] } | undefined) =>
    weight === undefined ? 'absent' : `${weight.name} [${weight.shape.join(', ')}]`;
  for (let at = 0; at < Math.max(layout.slots.length, saved.weights.length); at++) {
    const slot = layout.slots[at];
    const weight = named && slot !== undefined ? byName.get(slot.name) : saved.weights[at];
    if (slot === undefined || weight === undefined || String(slot.shape) !== String(weight.shape)) {
      const message = `the weights in ${saved.path} are of another model: weight ${at + 1} is ${show(weight)} there, ${show(slot)} here`;
      throw new CheckpointError({
        code: 'MODEL_DIFFERS',
        message,
        next: 'use the model that they were saved from: --model, or that very model.json',
      });
    }
    values.set(saved.values.subarray(weight.offset, weight.offset + weight.size), slot.offset);
  }
  return values;
}

function renderModelJson({ topology, layout, notes, generatedBy, convertedBy }: ModelToSave, weightsSha256: string): string {
  const weights = layout.slots.map(({ name, shape }) => ({ name, shape, dtype: 'float32' }));
  return JSON.stringify({
    format: 'layers-model',
    generatedBy,
    convertedBy: convertedBy ?? null,
    modelTopology: JSON.parse(topology) as unknown,
    weightsManifest: [{ paths: ['weights.bin'], weights }],
    userDefinedMetadata: { ...notes, weights_bin_sha256: weightsSha256 },
  });
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

const size = z.int().nonnegative();
const modelJsonSchema = z.object({
  format: z.literal('layers-model').optional(),
  modelTopology: z.record(z.string(), z.unknown()),
  weightsManifest: z.array(
    z.object({
      // Only names beside model.json: a path or URL could reach anything.
      paths: z.array(
        z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,200}$/, { error: 'a weight file must lie beside model.json' }),
      ),
      weights: z.array(
        z.object({
          name: z.string().max(500),
          shape: z.array(size).max(8),
          dtype: z.literal('float32'),
          quantization: z.undefined().optional(),
        }),
      ),
    }),
  ),
  userDefinedMetadata: z.object({ weights_bin_sha256: z.string().optional() }).optional(),
});
type ModelJson = z.infer<typeof modelJsonSchema>;

function parseModelJson(bytes: Uint8Array, invalid: (what: string) => CheckpointError): ModelJson {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString());
  } catch {
    throw invalid('not JSON');
  }
  const checked = modelJsonSchema.safeParse(value);
  if (checked.success) return checked.data;
  const [issue] = checked.error.issues;
  throw invalid(`${issue.path.join('.') || 'the file'}: ${issue.message}`);
}

async function readWeights(read: {
  json: ModelJson;
  modelPath: string;
  fileSystem: FileSystem;
  invalid: (what: string) => CheckpointError;
}) {
  const { json, modelPath, fileSystem, invalid } = read;
  let elements = 0;
  const weights = json.weightsManifest
    .flatMap((group) => group.weights)
    .map(({ name, shape }) => {
      const weight = { name, shape, offset: elements, size: shape.reduce((product, extent) => product * extent, 1) };
      elements += weight.size;
      return weight;
    });
  const files = json.weightsManifest.flatMap((group) => group.paths).map((name) => join(dirname(modelPath), name));
  const opened = [];
  try {
    for (const path of files) opened.push(await fileSystem.open(path, 'read'));
    const sizes = await Promise.all(opened.map((file) => file.size()));
    const found = sizes.reduce((sum, bytes) => sum + bytes, 0);
    // Checked before anything of the declared size is allocated.
    if (found !== elements * 4) throw invalid(`its weights need ${elements * 4} bytes, the files beside it hold ${found}`);
    const bytes = new Uint8Array(found);
    let start = 0;
    for (const [at, file] of opened.entries()) {
      const got = await readAll(file, bytes.subarray(start, start + sizes[at]), 0);
      if (got !== sizes[at]) throw invalid(`${files[at]} became shorter while it was read`);
      start += got;
    }
    const wanted = json.userDefinedMetadata?.weights_bin_sha256;
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    if (wanted !== undefined && wanted !== sha256)
      throw invalid(`its weights hash to ${sha256.slice(0, 12)}…, it says ${wanted.slice(0, 12)}…: the files are damaged`);
    return { weights, values: new Float32Array(bytes.buffer) };
  } finally {
    for (const file of opened) await file.close();
  }
}
