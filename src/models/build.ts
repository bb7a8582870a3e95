/**
 * Owns: turning a ModelSource into a tf.LayersModel.
 * Does not: read model files (load.ts) or import tfjs: the caller passes the one it installed its engine on.
 */
import { pathToFileURL } from 'node:url';
import type * as tfjs from '@tensorflow/tfjs';
import { ExpectedError, UsageError } from '../common/errors.js';
import { applyNotes, type BuildNotes, type LayerJson } from './build_notes.js';
import { camelCase, firstForeign } from './class_names.js';
import { createGluonCnn } from './gluon_cnn.js';
import { invalidModel } from './load.js';
import type { ModelSource } from './model_source.js';
import { typeScriptError } from '../common/typescript_module.js';
import { placedReason } from '../common/user_place.js';
import { placeIn } from '../system/user_module.js';
import { withSeededInitializers } from './seeded_initializers.js';
import { trainableWeights, withWeightBudget } from './weight_budget.js';
import { putWeights } from './weights.js';

/** Builds the model, its unseeded initial weights drawn from `seed`. Errors: MODEL_TOO_MANY_WEIGHTS, MODEL_INVALID, MODEL_NO_EXPORT, MODEL_LAYER_UNKNOWN, MODEL_WEIGHTS_DIFFER. */
export async function buildModel(tf: typeof tfjs, source: ModelSource, seed: number): Promise<tfjs.LayersModel> {
  const build = (): tfjs.LayersModel | Promise<tfjs.LayersModel> => {
    switch (source.kind) {
      case 'builtin':
        return createGluonCnn(tf);
      case 'topology':
        return fromTopology(tf, source.name, source.topology);
      case 'module':
        return fromModule(tf, source.path, source.name);
    }
  };
  const model = await withWeightBudget(tf, trainableWeights(), () => withSeededInitializers(tf, seed, build));
  if (source.kind === 'topology' && source.weights) {
    try {
      putWeights(tf, model, { values: source.weights, manifest: source.manifest });
    } catch (cause) {
      throw new UsageError({
        code: 'MODEL_WEIGHTS_DIFFER',
        message: `the weights in ${source.name} do not fit its layers: ${(cause as Error).message}`,
        next: 'Save or convert the model again, topology and weights together; or take its weightsManifest out of the file, to begin with new weights.',
        cause,
      });
    }
  }
  return model;
}

type ClassMap = Record<string, unknown>;

async function fromTopology(tf: typeof tfjs, name: string, topology: string): Promise<tfjs.LayersModel> {
  const json = JSON.parse(topology) as LayerJson & BuildNotes;
  const { classNameMap } = tf.serialization.SerializationMap.getMap() as unknown as { classNameMap: ClassMap };
  // tfjs takes the underscores out of every text before it looks for a class, its own gelu_new included.
  for (const known of Object.keys(classNameMap)) classNameMap[camelCase(known)] ??= classNameMap[known];
  const foreign = firstForeign(json, (known) => Object.hasOwn(classNameMap, camelCase(known)));
  if (foreign !== null) {
    throw new UsageError({
      code: 'MODEL_LAYER_UNKNOWN',
      message: `${name} has a layer of class ${foreign}, which tfjs does not have: what was registered elsewhere is not known to a replica`,
      next: 'Pass a module that defines it, exporting createModel(tf): --model ./model.mjs, or model: "./model.mjs" in the library.',
    });
  }
  try {
    const model = await tf.models.modelFromJSON(json as unknown as tfjs.io.ModelJSON);
    applyNotes(model, json);
    return model;
  } catch (cause) {
    throw invalidModel(name, (cause as Error).message, cause);
  }
}

async function fromModule(tf: typeof tfjs, path: string, name: string): Promise<tfjs.LayersModel> {
  let loaded: { createModel?: unknown };
  try {
    loaded = (await import(pathToFileURL(path).href)) as { createModel?: unknown };
  } catch (cause) {
    throw (
      typeScriptError(cause, { path, what: '--model' }) ??
      invalidModel(name, placedReason(cause, await placeIn(path, cause)), cause)
    );
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
    if (cause instanceof ExpectedError) throw cause;
    throw invalidModel(name, `createModel(tf) failed: ${placedReason(cause, await placeIn(path, cause))}`, cause);
  }
  if (typeof model?.apply !== 'function' || !Array.isArray(model.weights)) {
    throw invalidModel(name, 'createModel(tf) returned no tf.LayersModel');
  }
  return model;
}
