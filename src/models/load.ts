/**
 * Owns: turning what the user named (`gluon_cnn`, model.json, model.mjs) into a ModelSource; naming other formats as what they are.
 * Does not: build the model (build.ts).
 */
import { existsSync, statSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { dirname, extname, join, resolve } from 'node:path';
import { DataError, ExpectedError, UsageError } from '../common/errors.js';
import { decodeWeights, parseModelFile, type ModelFile, type SavedValues } from '../common/model_file.js';
import { convertTopology, modelOf } from './keras/convert.js';
import { renameKerasWeights } from './keras/weight_paths.js';
import { compiledInFile } from './training_config.js';
import type { ModelSource, TopologyModel } from './model_source.js';

const MODULE_EXTENSIONS = ['.mjs', '.js', '.cjs', '.ts', '.mts', '.cts'];

/** Reads what `--model` names. Errors: MODEL_UNKNOWN, MODEL_NOT_FOUND, MODEL_FORMAT, MODEL_INVALID, MODEL_WEIGHTS_MISSING, and those of convertTopology. */
export async function resolveModelSource(model: string): Promise<ModelSource> {
  if (model === 'gluon_cnn') return { kind: 'builtin', name: 'gluon_cnn' };
  if (isModule(model)) {
    if (!existsSync(model)) throw notFound(model, 'name a module that exports createModel(tf): --model ./model.mjs');
    return { kind: 'module', name: model, path: resolve(model) };
  }
  refuseOtherFormats(model);
  if (extname(model) === '.json') return readModelJson(model);
  if (existsSync(join(model, 'model.json'))) return readModelJson(join(model, 'model.json'));
  throw new UsageError({
    code: 'MODEL_UNKNOWN',
    message: `no model "${model}"`,
    next: 'use --model gluon_cnn, a tf.LayersModel file (model.json), or a module exporting createModel(tf) (./model.mjs)',
  });
}

/** Whether `--model` names code, which never crosses the wire. */
export function isModule(model: string): boolean {
  return MODULE_EXTENSIONS.includes(extname(model));
}

const LAYERS_FORMAT = '--output_format tfjs_layers_model';

/** What a file is by its name, and the command that makes a model.json of it. */
const OTHER_FORMATS: readonly { extensions: readonly string[]; what: string; next: (path: string) => string }[] = [
  {
    extensions: ['.h5', '.hdf5'],
    what: 'a Keras HDF5 file',
    next: (path) =>
      `pip install tensorflowjs; tensorflowjs_converter --input_format keras ${LAYERS_FORMAT} ${path} converted; then --model converted/model.json`,
  },
  {
    extensions: ['.keras'],
    what: 'a Keras 3 file',
    next: (path) =>
      `pip install tensorflowjs; tensorflowjs_converter --input_format keras_keras ${LAYERS_FORMAT} ${path} converted; then --model converted/model.json`,
  },
  {
    extensions: ['.pb', '.tflite', '.onnx', '.pt', '.pth', '.safetensors', '.npz'],
    what: 'no tf.LayersModel file',
    next: () =>
      'Give a model.json of a tf.LayersModel, or write the model as a module with createModel(tf) that reads these weights.',
  },
];

function refuseOtherFormats(model: string): void {
  const format = OTHER_FORMATS.find(({ extensions }) => extensions.includes(extname(model).toLowerCase()));
  if (format !== undefined)
    throw new UsageError({ code: 'MODEL_FORMAT', message: `${model} is ${format.what}`, next: format.next(model) });
  if (!existsSync(join(model, 'saved_model.pb'))) return;
  throw new UsageError({
    code: 'MODEL_FORMAT',
    message: `${model} is a TensorFlow SavedModel`,
    next: `If Keras 2 saved it: pip install tensorflowjs; tensorflowjs_converter --input_format keras_saved_model ${LAYERS_FORMAT} ${model} converted; then --model converted/model.json`,
  });
}

async function readModelJson(path: string): Promise<TopologyModel> {
  const invalid = (what: string): UsageError =>
    new UsageError({
      code: 'MODEL_INVALID',
      message: `${path} is not a tf.LayersModel file: ${what}`,
      next: 'pass the model.json that model.save("file://…") or tensorflowjs_converter wrote',
    });
  const text = await readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw cause.code === 'ENOENT' ? notFound(path, invalid('').next) : invalid(cause.message);
  });
  const file = parseModelFile(text, { path, invalid });
  const saved = await readSavedWeights(path, file, invalid);
  const compiled = compiledInFile(file);
  return {
    kind: 'topology',
    name: path,
    topology: topologyOf(file, path, invalid),
    ...(compiled !== null && { compiled }),
    ...(saved !== null && { weights: saved.values, manifest: renameKerasWeights(saved.weights, modelOf(file.topology)) }),
  };
}

/** As tfjs reads it. */
function topologyOf({ topology }: ModelFile, path: string, invalid: (what: string) => UsageError): string {
  try {
    return JSON.stringify(convertTopology(topology, path));
  } catch (error) {
    throw error instanceof ExpectedError ? error : invalid(`its topology cannot be read: ${(error as Error).message}`);
  }
}

/** Null where the file has a topology alone. */
async function readSavedWeights(
  path: string,
  { manifest }: ModelFile,
  invalid: (what: string) => UsageError,
): Promise<SavedValues | null> {
  if (manifest === null) return null;
  const files = manifest.groups.flatMap(({ paths }) => paths).map((name) => join(dirname(path), name));
  const missing = files.find((file) => !statSync(file, { throwIfNoEntry: false })?.isFile());
  if (missing !== undefined) {
    throw new DataError({
      code: 'MODEL_WEIGHTS_MISSING',
      message: `${path} keeps its weights in ${missing}, which is not there`,
      next: `Copy ${files.length === 1 ? 'that file' : `all ${files.length} weight files`} beside ${path}; or take weightsManifest out of it, to begin with new weights.`,
    });
  }
  const sizes = await Promise.all(files.map(async (file) => (await stat(file)).size));
  const found = sizes.reduce((sum, bytes) => sum + bytes, 0);
  // Checked before anything of the declared size is allocated.
  if (found !== manifest.bytes) throw invalid(`its weights hold ${found} bytes, the manifest says ${manifest.bytes}`);
  const bytes = Buffer.concat(await Promise.all(files.map((file) => readFile(file))));
  return decodeWeights(manifest, bytes, { invalid });
}

function notFound(path: string, next: string): UsageError {
  return new UsageError({ code: 'MODEL_NOT_FOUND', message: `no file ${path}`, next });
}

/** Of a model that tfjs or the user's module cannot make. */
export function invalidModel(name: string, reason: string, cause?: unknown): UsageError {
  return new UsageError({
    code: 'MODEL_INVALID',
    message: `${name} is not a usable tf.LayersModel: ${reason}`,
    next: 'check that it loads with plain tfjs: tf.loadLayersModel("file://…") or createModel(tf)',
    cause,
  });
}
