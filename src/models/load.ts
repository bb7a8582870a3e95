/**
 * Owns: turning what the user named (`gluon_cnn`, model.json, model.mjs) into a ModelSource, and a ModelSource into a tf.LayersModel.
 * Does not: import tfjs: the caller passes the one it installed its engine on.
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, extname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type * as tfjs from '@tensorflow/tfjs';
import { isErrorLike } from '../common/error_facts.js';
import { UsageError } from '../common/errors.js';
import { createGluonCnn } from './gluon_cnn.js';
import type { ModelSource } from './model_source.js';
import { putWeights } from './weights.js';
import { withSeededInitializers } from './seeded_initializers.js';

const MODULE_EXTENSIONS = ['.mjs', '.js', '.cjs', '.ts'];

interface LayersModelFile {
  modelTopology?: unknown;
  weightsManifest?: { paths: string[]; weights: { name: string; shape: number[]; dtype: string }[] }[];
}

/** Reads what `--model` names. Errors: MODEL_UNKNOWN, MODEL_NOT_FOUND, MODEL_INVALID. */
export async function resolveModelSource(model: string): Promise<ModelSource> {
  if (model === 'gluon_cnn') return { kind: 'builtin', name: 'gluon_cnn' };
  if (MODULE_EXTENSIONS.includes(extname(model))) {
    if (!existsSync(model)) throw notFound(model, 'name a module that exports createModel(tf)');
    return { kind: 'module', name: model, path: resolve(model) };
  }
  if (extname(model) === '.json') return readTopology(model);
  throw new UsageError({
    code: 'MODEL_UNKNOWN',
    message: `no model "${model}"`,
    next: 'use --model gluon_cnn, a tf.LayersModel file (model.json), or a module exporting createModel(tf) (./model.mjs)',
  });
}

async function readTopology(path: string): Promise<ModelSource> {
  let file: LayersModelFile;
  try {
    file = JSON.parse(await readFile(path, 'utf8')) as LayersModelFile;
  } catch (cause) {
    const next = 'pass the model.json that model.save("file://…") or tensorflowjs_converter wrote';
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') throw notFound(path, next);
    throw new UsageError({
      code: 'MODEL_INVALID',
      message: `${path} is not a tf.LayersModel file: ${(cause as Error).message}`,
      next,
      cause,
    });
  }
  // A file of model.save() holds the topology under modelTopology; model.toJSON() is the topology itself.
  const topology = file.modelTopology ?? file;
  const manifest = file.weightsManifest;
  const weights = manifest && {
    weights: await readWeights(path, manifest),
    manifest: manifest.flatMap((group) => group.weights).map(({ name, shape }) => ({ name, shape })),
  };
  return { kind: 'topology', name: path, topology: JSON.stringify(topology), ...weights };
}

/** Weights of a manifest in its own order. Units: float32 elements. */
async function readWeights(path: string, manifest: NonNullable<LayersModelFile['weightsManifest']>): Promise<Float32Array> {
  const parts: Float32Array[] = [];
  for (const group of manifest) {
    const foreign = group.weights.find((weight) => weight.dtype !== 'float32');
    if (foreign) throw invalidModel(path, `weight ${foreign.name} is ${foreign.dtype}, wanted float32`);
    const files = await Promise.all(group.paths.map((name) => readFile(resolve(dirname(path), name))));
    const bytes = Buffer.concat(files);
    const wanted = group.weights.reduce((sum, weight) => sum + weight.shape.reduce((a, b) => a * b, 1), 0) * 4;
    if (bytes.byteLength !== wanted)
      throw invalidModel(path, `its weights hold ${bytes.byteLength} bytes, the manifest says ${wanted}`);
    parts.push(new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength)));
  }
  const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    all.set(part, offset);
    offset += part.length;
  }
  return all;
}

/** Builds the model, its unseeded initial weights drawn from `seed`. Errors: MODEL_INVALID, MODEL_NO_EXPORT. */
export async function buildModel(tf: typeof tfjs, source: ModelSource, seed: number): Promise<tfjs.LayersModel> {
  const model = await withSeededInitializers(tf, seed, async () => {
    switch (source.kind) {
      case 'builtin':
        return createGluonCnn(tf);
      case 'topology':
        return fromTopology(tf, source.name, source.topology);
      case 'module':
        return fromModule(tf, source.path, source.name);
    }
  });
  if (source.kind === 'topology' && source.weights) {
    try {
      putWeights(tf, model, { values: source.weights, manifest: source.manifest });
    } catch (cause) {
      throw invalidModel(source.name, (cause as Error).message, cause);
    }
  }
  return model;
}

async function fromTopology(tf: typeof tfjs, name: string, topology: string): Promise<tfjs.LayersModel> {
  try {
    return await tf.models.modelFromJSON(JSON.parse(topology) as tfjs.io.ModelJSON);
  } catch (cause) {
    throw invalidModel(name, (cause as Error).message, cause);
  }
}

async function fromModule(tf: typeof tfjs, path: string, name: string): Promise<tfjs.LayersModel> {
  let loaded: { createModel?: unknown };
  try {
    loaded = (await import(pathToFileURL(path).href)) as { createModel?: unknown };
  } catch (cause) {
    throw invalidModel(name, (cause as Error).message, cause);
  }
  if (typeof loaded.createModel !== 'function') {
    throw new UsageError({
      code: 'MODEL_NO_EXPORT',
      message: `${name} exports ${Object.keys(loaded).join(', ') || 'nothing'}; wanted a function createModel(tf)`,
      next: 'export function createModel(tf) { return tf.sequential({ layers: [...] }); }',
    });
  }
  let model: tfjs.LayersModel;
  try {
    model = (await (loaded.createModel as (tf: unknown) => unknown)(tf)) as tfjs.LayersModel;
  } catch (cause) {
    const reason = isErrorLike(cause) ? `${cause.name}: ${cause.message}` : String(cause);
    throw invalidModel(name, `createModel(tf) failed: ${reason}`, cause);
  }
  if (typeof model?.apply !== 'function' || !Array.isArray(model.weights)) {
    throw invalidModel(name, 'createModel(tf) returned no tf.LayersModel');
  }
  return model;
}

function notFound(path: string, next: string): UsageError {
  return new UsageError({ code: 'MODEL_NOT_FOUND', message: `no file ${path}`, next });
}

function invalidModel(name: string, reason: string, cause?: unknown): UsageError {
  return new UsageError({
    code: 'MODEL_INVALID',
    message: `${name} is not a usable tf.LayersModel: ${reason}`,
    next: 'check that it loads with plain tfjs: tf.loadLayersModel("file://…") or createModel(tf)',
    cause,
  });
}
