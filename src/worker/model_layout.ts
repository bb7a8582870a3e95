/**
 * Owns: reading a tf.LayersModel's weights as a bucket layout: which are trained, which are moving statistics, which are frozen;
 * and refusing models whose steps depend on state that is not exchanged.
 * Does not: hold values.
 */
import type * as tfjs from '@tensorflow/tfjs';
import { createBucketLayout, type BucketLayout, type WeightShape } from '../common/bucket_layout.js';
import { UsageError } from '../common/errors.js';

export interface BatchNormLayer {
  readonly layer: tfjs.layers.Layer;
  readonly momentum: number;
}

interface LayerInternals {
  layers?: tfjs.layers.Layer[];
  layer?: tfjs.layers.Layer;
  stateful?: boolean;
  movingMean?: tfjs.LayerVariable;
  movingVariance?: tfjs.LayerVariable;
  momentum?: number;
}

/** All layers, those inside nested models and wrappers included, in creation order. */
export function flattenLayers(model: { layers: tfjs.layers.Layer[] }): tfjs.layers.Layer[] {
  return model.layers.flatMap((layer) => {
    const { layers, layer: wrapped } = layer as unknown as LayerInternals;
    if (Array.isArray(layers)) return flattenLayers({ layers });
    return wrapped ? [layer, ...flattenLayers({ layers: [wrapped] })] : [layer];
  });
}

/** Lays out `model.weights`. Errors: MODEL_INPUTS, MODEL_STATEFUL. */
export function layoutOf(model: tfjs.LayersModel): BucketLayout {
  if (model.inputs.length !== 1 || model.outputs.length !== 1) {
    throw unsupported(
      'MODEL_INPUTS',
      `the model has ${model.inputs.length} inputs and ${model.outputs.length} outputs; one of each is supported`,
    );
  }
  const momenta = new Map<string, number>();
  for (const layer of flattenLayers(model)) {
    const { stateful, movingMean, movingVariance, momentum } = layer as unknown as LayerInternals;
    if (stateful)
      throw unsupported(
        'MODEL_STATEFUL',
        `layer ${layer.name} keeps state between batches (stateful: true), which replicas cannot share`,
      );
    if (layer.getClassName() !== 'BatchNormalization' || !movingMean || !movingVariance) continue;
    momenta.set(movingMean.name, momentum ?? 0.99);
    momenta.set(movingVariance.name, momentum ?? 0.99);
  }
  const weights = model.weights.map((weight): WeightShape => {
    const statisticMomentum = momenta.get(weight.name);
    return {
      name: weight.originalName,
      shape: weight.shape as number[],
      ...(statisticMomentum !== undefined && { statisticMomentum }),
    };
  });
  return createBucketLayout({ weights, trained: model.trainableWeights.length });
}

function unsupported(code: string, message: string): UsageError {
  return new UsageError({ code, message, next: 'change the model; README.md "Limits" lists what models may do' });
}
