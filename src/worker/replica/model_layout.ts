/**
 * Owns: reading a tf.LayersModel's weights as a bucket layout: which are trained, which are moving statistics, which are frozen;
 * and refusing models whose steps depend on state that is not exchanged.
 * Does not: hold values.
 */
import type * as tfjs from '@tensorflow/tfjs';
import { createBucketLayout, type BucketLayout, type WeightShape } from '../../common/bucket_layout.js';
import { UsageError } from '../../common/errors.js';
import type { ReplicaSpec } from './replica_spec.js';

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

/** They read the values of tensors in JavaScript while they are called: sizes drawn per batch, or checks of tokens. */
const READ_DATA: Readonly<Record<string, string>> = {
  RandomWidth: 'draws a width for each batch',
  RandomHeight: 'draws a height for each batch',
  CategoryEncoding: 'looks at its tokens in JavaScript',
};

/** Lays out `model.weights`; `fixed` batch norm has moving statistics that do not move, as frozen weights. Errors: MODEL_STATEFUL, MODEL_READS_DATA, MODEL_WEIGHT_NAMES, MODEL_NOTHING_TRAINED. */
export function layoutOf(model: tfjs.LayersModel, batchNorm: ReplicaSpec['batchNorm'] = 'shard'): BucketLayout {
  const momenta = new Map<string, number>();
  for (const layer of flattenLayers(model)) {
    const { stateful, movingMean, movingVariance, momentum } = layer as unknown as LayerInternals;
    const reads = READ_DATA[layer.getClassName()];
    if (reads !== undefined)
      throw unsupported(
        'MODEL_READS_DATA',
        `${layer.getClassName()} (layer ${layer.name}) ${reads}, which a step that is recorded once and cut into shards cannot; do it to the data before`,
      );
    if (stateful)
      throw unsupported(
        'MODEL_STATEFUL',
        `layer ${layer.name} keeps state between batches (stateful: true), which replicas cannot share`,
      );
    if (batchNorm === 'fixed' || layer.getClassName() !== 'BatchNormalization' || !movingMean || !movingVariance) continue;
    momenta.set(movingMean.name, momentum ?? 0.99);
    momenta.set(movingVariance.name, momentum ?? 0.99);
  }
  const weights = model.weights.map((weight): WeightShape => {
    const statisticMomentum = momenta.get(weight.name);
    return {
      name: weight.originalName,
      shape: weight.shape as number[],
      ...(statisticMomentum !== undefined && { statisticMomentum }),
      ...constraintOf(weight as unknown as ConstrainedWeight),
    };
  });
  // tfjs saves and loads weights by these names; it refuses to load a model in which two are equal.
  const twice = weights.find(({ name }, index) => weights.findIndex((other) => other.name === name) !== index);
  if (twice !== undefined)
    throw unsupported(
      'MODEL_WEIGHT_NAMES',
      `two weights are called ${twice.name}, so a saved model could not be loaded; give the layers of nested models names of their own`,
    );
  if (model.trainableWeights.length === 0) throw unsupported('MODEL_NOTHING_TRAINED', 'no weight of the model is trained');
  return createBucketLayout({ weights, trained: model.trainableWeights.length });
}

interface ConstrainedWeight {
  readonly originalName: string;
  readonly shape: readonly number[];
  readonly constraint: {
    getClassName(): string;
    readonly axis?: number | number[];
    readonly minValue?: number;
    readonly maxValue?: number;
    readonly rate?: number;
  } | null;
}

/** The coordinator applies it, which has no tfjs: as data, so that of a class that tfjs has. */
function constraintOf({ originalName, shape, constraint }: ConstrainedWeight): Pick<WeightShape, 'constraint'> {
  if (constraint === null || constraint === undefined) return {};
  const { axis = 0, minValue = 0, maxValue = 1, rate = 1 } = constraint;
  const axes = [axis].flat().map((given) => (given < 0 ? given + shape.length : given));
  switch (constraint.getClassName()) {
    case 'NonNeg':
      return { constraint: { kind: 'nonNeg' } };
    case 'UnitNorm':
      return { constraint: { kind: 'unitNorm', axes } };
    case 'MaxNorm':
      return { constraint: { kind: 'maxNorm', axes, maxValue } };
    case 'MinMaxNorm':
      return { constraint: { kind: 'minMaxNorm', axes, minValue, maxValue, rate } };
    default:
      throw unsupported(
        'MODEL_CONSTRAINT',
        `weight ${originalName} has a constraint of class ${constraint.getClassName()}; maxNorm, minMaxNorm, nonNeg and unitNorm are supported`,
      );
  }
}

function unsupported(code: string, message: string): UsageError {
  return new UsageError({ code, message, next: 'change the model; README.md "Limits" lists what models may do' });
}
