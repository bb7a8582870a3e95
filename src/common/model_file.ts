/**
 * Owns: what a tf.LayersModel file (model.json and the weight files beside it) says: its topology, its weights' names and values.
 * Does not: touch a disk (the caller reads), understand the topology (src/models), or believe anything before it is checked.
 *
 * Format: tfjs-core io/types.ts, ModelJSON and WeightsManifestEntry; quantization as tfjs-core io/io_utils.ts, decodeWeights.
 */
import { fromFloat16 } from './float16.js';
import { z } from 'zod';
import { UsageError } from './errors.js';
import type { NamedWeight } from './weight_names.js';

const size = z.int().nonnegative();
const quantization = z.discriminatedUnion('dtype', [
  z.object({ dtype: z.literal('float16') }),
  z.object({ dtype: z.enum(['uint8', 'uint16']), scale: z.number(), min: z.number() }),
]);
const weightSchema = z.object({
  name: z.string().max(500),
  shape: z.array(size).max(8),
  dtype: z.enum(['float32', 'int32', 'uint8', 'bool', 'float16']),
  quantization: quantization.optional(),
  group: z.string().optional(),
});
const modelJsonSchema = z.object({
  format: z.string().nullish(),
  generatedBy: z.string().nullish(),
  modelTopology: z.record(z.string(), z.unknown()),
  trainingConfig: z.record(z.string(), z.unknown()).nullish(),
  weightsManifest: z
    .array(
      z.object({
        // Only names in the folder of model.json: a path or an address could reach anything.
        paths: z.array(z.string().refine(isBeside, { error: 'a weight file must lie beside model.json' })),
        weights: z.array(weightSchema),
      }),
    )
    .optional(),
  userDefinedMetadata: z
    .object({ weights_bin_sha256: z.string().optional(), model_json_sha256: z.string().optional() })
    .nullish(),
});
type WeightEntry = z.infer<typeof weightSchema>;

export interface ModelFile {
  /** `modelTopology`, or what stands in its place. */
  readonly topology: Readonly<Record<string, unknown>>;
  /** `trainingConfig`, as it stands; null where there is none. */
  readonly training: Readonly<Record<string, unknown>> | null;
  /** Null where the file has no weights. */
  readonly manifest: WeightManifest | null;
  /** What its writer noted of it; null where that was not us: tfjs hands such notes on from a model that it read to the one it saves. */
  readonly noted: NotedHashes | null;
}

/** SHA-256, hex. */
interface NotedHashes {
  /** Of all weight bytes. */
  readonly weights?: string;
  /** Of the file's own JSON (`withoutOwnHash`). */
  readonly json?: string;
}

export interface WeightManifest {
  readonly groups: readonly { readonly paths: readonly string[]; readonly weights: readonly WeightEntry[] }[];
  /** All bytes that the files must hold together. */
  readonly bytes: number;
}

export interface SavedValues {
  readonly weights: readonly NamedWeight[];
  /** All of `weights`, one after the other. */
  readonly values: Float32Array;
}

/** `invalid` makes the caller's error of one sentence. @throws it, and UsageError MODEL_FORMAT for a model of another kind */
export function parseModelFile(text: string, { path, invalid }: { path: string; invalid: (what: string) => Error }): ModelFile {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    // Python writes NaN into JSON: the converter makes a whole quantized tensor NaN where one value was.
    const hint = /:\s*NaN/.test(text) ? '; it says NaN, as the converter does where a weight was NaN when it was quantized' : '';
    throw invalid(`not JSON (${(cause as Error).message.slice(0, 100)}${hint})`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid('no JSON object');
  requireLayersModel(value as Record<string, unknown>, path);
  // A file of model.save() holds the topology under modelTopology; model.toJSON() is the topology itself.
  const file = 'modelTopology' in value ? value : { modelTopology: value };
  const checked = modelJsonSchema.safeParse(file);
  if (!checked.success) {
    const [issue] = checked.error.issues;
    throw invalid(`${issue.path.join('.') || 'the file'}: ${issue.message}`);
  }
  const { modelTopology: topology, trainingConfig, weightsManifest, generatedBy, userDefinedMetadata: notes } = checked.data;
  const manifest = weightsManifest && {
    groups: weightsManifest.map(({ paths, weights }) => ({ paths: paths.map((name) => name.replace(/^\.\//, '')), weights })),
    bytes: weightsManifest.flatMap(({ weights }) => weights).reduce((sum, weight) => sum + bytesOf(weight), 0),
  };
  return {
    topology,
    training: trainingConfig ?? null,
    manifest: manifest ?? null,
    noted:
      generatedBy?.startsWith('tfjs-parallel ') === true && notes
        ? { weights: notes.weights_bin_sha256, json: notes.model_json_sha256 }
        : null,
  };
}

/** A model.json as its own hash is taken of: the same JSON without that hash. */
export function withoutOwnHash(text: string): string {
  const file = JSON.parse(text) as { userDefinedMetadata?: Record<string, unknown> };
  delete file.userDefinedMetadata?.model_json_sha256;
  return JSON.stringify(file);
}

function isBeside(path: string): boolean {
  return /^[^./\\:\0][^/\\:\0]{0,200}$/.test(path.replace(/^\.\//, ''));
}

function requireLayersModel(file: Record<string, unknown>, path: string): void {
  const topology = file.modelTopology as Record<string, unknown> | undefined;
  const isGraph = file.format === 'graph-model' || Array.isArray(topology?.node) || Array.isArray(file.node);
  if (!isGraph) return;
  throw new UsageError({
    code: 'MODEL_FORMAT',
    message: `${path} is a graph model (tf.loadGraphModel): its weights are constants of a fixed graph, which nothing can train`,
    next: 'Convert the Keras model itself: tensorflowjs_converter --input_format keras --output_format tfjs_layers_model MODEL.h5 FOLDER',
  });
}

/** Float32 values of a manifest's weights, but for those of an optimizer and the states of Keras's random generators. */
export function decodeWeights(
  { groups }: WeightManifest,
  bytes: Uint8Array,
  { invalid }: { invalid: (what: string) => Error },
): SavedValues {
  const kept: { entry: WeightEntry; at: number }[] = [];
  let at = 0;
  for (const entry of groups.flatMap(({ weights }) => weights)) {
    if (!isOtherState(entry)) kept.push({ entry, at });
    at += bytesOf(entry);
  }
  const values = new Float32Array(kept.reduce((sum, { entry }) => sum + elementsOf(entry), 0));
  let offset = 0;
  for (const { entry, at: start } of kept) {
    if (entry.dtype !== 'float32') throw invalid(`weight ${entry.name} is ${entry.dtype}, wanted float32`);
    // Not Buffer's own slice, which shares its memory.
    const part = Uint8Array.prototype.slice.call(bytes, start, start + bytesOf(entry));
    const decoded = decode(part.buffer, entry);
    const bad = decoded.findIndex((value) => !Number.isFinite(value));
    if (bad !== -1) throw invalid(`value ${bad} of weight ${entry.name} is ${decoded[bad]}: nothing can be trained from there`);
    values.set(decoded, offset);
    offset += decoded.length;
  }
  return { weights: kept.map(({ entry: { name, shape } }) => ({ name, shape })), values };
}

/** tfjs's `includeOptimizer`, and what a .keras file keeps beside the layers' weights. */
function isOtherState({ name, group }: WeightEntry): boolean {
  return group === 'optimizer' || /^optimizer\//.test(name) || /(^|\/)seed_generator(_state)?(_\d+)?(\/|$)/.test(name);
}

function decode(buffer: ArrayBuffer, { quantization: how }: WeightEntry): Float32Array {
  if (how === undefined) return new Float32Array(buffer);
  if (how.dtype === 'float16') return Float32Array.from(new Uint16Array(buffer), fromFloat16);
  const codes = how.dtype === 'uint8' ? new Uint8Array(buffer) : new Uint16Array(buffer);
  return Float32Array.from(codes, (code) => code * how.scale + how.min);
}

const ELEMENT_BYTES = { float32: 4, int32: 4, uint8: 1, bool: 1, float16: 2, uint16: 2 } as const;

function bytesOf(entry: WeightEntry): number {
  return elementsOf(entry) * ELEMENT_BYTES[entry.quantization?.dtype ?? entry.dtype];
}

function elementsOf({ shape }: WeightEntry): number {
  return shape.reduce((product, extent) => product * extent, 1);
}
