/**
 * Owns: a tf.LayersModel as JSON that builds the same model again.
 * Does not: hold or move weights (weights.ts), or build (build.ts).
 *
 * What tfjs forgets is added: `trainable` of a nested model, inputs that no layer reads, the depth multiplier of separable convolutions, and build_notes.ts.
 */
import type * as tfjs from '@tensorflow/tfjs';
import { innerLayers, notesOf, type LayerJson } from './build_notes.js';

interface WritableJson {
  class_name?: string;
  name?: string;
  inbound_nodes?: unknown[];
  config: {
    trainable?: boolean;
    layers?: WritableJson[];
    layer?: WritableJson;
    depth_multiplier?: number;
    /** `[layer, node, tensor]` of each. */
    input_layers?: [string, number, number][];
  };
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
  addUnreadInputs(config, layer as { inputLayers?: readonly tfjs.layers.Layer[] });
  if (config.layer !== undefined && inner.length === 1) complete(config.layer, inner[0], false);
  const { depthMultiplier } = layer as { depthMultiplier?: number };
  if (depthMultiplier !== undefined) config.depth_multiplier ??= depthMultiplier;
}

/** A model takes values for them all the same: without them a copy would have another number of inputs. After `complete`, which goes by places. */
function addUnreadInputs(
  { layers, input_layers: read }: WritableJson['config'],
  { inputLayers = [] }: { inputLayers?: readonly tfjs.layers.Layer[] },
): void {
  if (layers === undefined || read === undefined) return;
  for (const [at, input] of inputLayers.entries()) {
    if (read[at]?.[0] === input.name) continue;
    read.splice(at, 0, [input.name, 0, 0]);
    const config = { batch_input_shape: input.batchInputShape, dtype: input.dtype, sparse: false, name: input.name };
    layers.push({ name: input.name, class_name: 'InputLayer', config: config as WritableJson['config'], inbound_nodes: [] });
  }
}
