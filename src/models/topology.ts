/**
 * Owns: a tf.LayersModel as JSON that builds the same model again.
 * Does not: hold or move weights (weights.ts), or build (load.ts).
 *
 * tfjs writes `trainable: false` of a layer into its JSON, that of a nested model it forgets: it is written into the nested model's layers here.
 */
import type * as tfjs from '@tensorflow/tfjs';

interface LayerJson {
  config: { trainable?: boolean; layers?: LayerJson[] };
}

/** `modelTopology` of a tf.LayersModel file. */
export function topologyJson(model: tfjs.LayersModel): string {
  const json = model.toJSON(null, false) as unknown as LayerJson;
  freezeNested(json, model, !model.trainable);
  return JSON.stringify(json);
}

function freezeNested({ config }: LayerJson, model: { layers: tfjs.layers.Layer[] }, frozen: boolean): void {
  // Both are lists of the model's layers in one order (tfjs-layers, Container.getConfig and Sequential.getConfig).
  config.layers?.forEach((json, index) => {
    const layer = model.layers[index] as tfjs.layers.Layer & { layers?: tfjs.layers.Layer[] };
    if (Array.isArray(layer.layers)) freezeNested(json, { layers: layer.layers }, frozen || !layer.trainable);
    else if (frozen) json.config.trainable = false;
  });
}
