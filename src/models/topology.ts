/**
 * Owns: a tf.LayersModel as JSON that builds the same model again.
 * Does not: hold or move weights (weights.ts), or build (build.ts).
 *
 * What tfjs forgets is added: `trainable` of a nested model, the depth multiplier of separable convolutions, and build_notes.ts.
 */
import type * as tfjs from '@tensorflow/tfjs';
import { innerLayers, notesOf, type LayerJson } from './build_notes.js';

interface WritableJson {
  config: { trainable?: boolean; layers?: WritableJson[]; layer?: WritableJson; depth_multiplier?: number };
}

/** `modelTopology` of a tf.LayersModel file. */
export function topologyJson(model: tfjs.LayersModel): string {
  const json = model.toJSON(null, false) as unknown as WritableJson & LayerJson;
  complete(json, model, !model.trainable);
  return JSON.stringify({ ...json, ...notesOf(model) });
}

function complete({ config }: WritableJson, layer: tfjs.layers.Layer | tfjs.LayersModel, frozen: boolean): void {
  const inner = innerLayers(layer);
  // Both are lists of the model's layers in one order (tfjs-layers, Container.getConfig and Sequential.getConfig).
  config.layers?.forEach((json, index) => {
    const isModel = Array.isArray((inner[index] as { layers?: unknown }).layers);
    if (!isModel && frozen) json.config.trainable = false;
    complete(json, inner[index], isModel && (frozen || !inner[index].trainable));
  });
  if (config.layer !== undefined && inner.length === 1) complete(config.layer, inner[0], false);
  const { depthMultiplier } = layer as { depthMultiplier?: number };
  if (depthMultiplier !== undefined) config.depth_multiplier ??= depthMultiplier;
}
