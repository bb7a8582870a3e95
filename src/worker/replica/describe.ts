/**
 * Owns: what a replica says of itself when it is opened: its model, the arithmetic it computes in, and what its outputs are judged by.
 * Does not: compute steps (train_step.ts).
 */
import type * as tfjs from '@tensorflow/tfjs';
import { ARITHMETIC_VERSION } from '../../common/arithmetic.js';
import type { BucketLayout } from '../../common/bucket_layout.js';
import type { ModelDescription, NumericsClass } from '../../common/replica.js';
import {
  arithmeticProbe,
  bfloat16Support,
  download,
  sigmoidCrossEntropy,
  softmaxCrossEntropy,
  type Engine,
} from '../../engine/index.js';
import { topologyJson } from '../../models/topology.js';
import { compiledOf } from '../../objective/compiled.js';
import { createModelObjective, type ModelObjective } from '../../objective/model_objective.js';
import { ANY_SUM } from '../../objective/loss.js';
import { compiledOptimizerOf } from '../../optimizers/compiled.js';
import { isWeighted, labelsOf } from './bind_fields.js';
import { executionOf } from './execution.js';
import { listenToMasks, type OutputMasks } from './output_masks.js';
import { onShapes, orModelFails } from './model_fails.js';
import type { OpenedModel } from './opened_model.js';
import type { ReplicaSpec } from './replica_spec.js';

/** Of a replica that only predicts. */
export const NOTHING_JUDGED: Pick<ModelObjective, 'description' | 'asked'> = {
  description: { loss: { name: 'none', sum: ANY_SUM }, metrics: [], wholeBatch: [], notes: [] },
  asked: { loss: null, metrics: null },
};

export interface JudgedModel {
  readonly objective: ModelObjective;
  readonly masks: OutputMasks;
  /** The same where labels that are indices come as rows of shares, by output. */
  soft(softens: readonly boolean[]): ModelObjective;
}

/** @throws UsageError or DataError where losses, metrics, model and labels do not go together */
export function judgedModel({ engine, model, binding, dataset, spec }: OpenedModel): JudgedModel {
  const fused = { softmaxCrossEntropy, sigmoidCrossEntropy };
  const compiled = spec.model.kind === 'topology' ? (spec.model.compiled ?? null) : compiledOf(engine.tf, model);
  const inputShapes = binding.inputs.map(({ field }) => field.shape);
  const tryOut = (): OutputMasks => listenToMasks(engine.tf, model, appliedToZeros({ engine, model, inputShapes }));
  const masks = orModelFails(() => onShapes(tryOut, inputShapes), {
    during: 'evaluation',
    next: 'Mend the model; model.apply(x, { training: false }) on one batch shows the same outside of tfjs-parallel.',
  });
  const outputs = binding.targets.map((target, at) => ({
    ...{ name: target.name, data: labelsOf(dataset, target) },
    ...{ masked: masks.masked[at], weighted: isWeighted(dataset, target) },
  }));
  const judged = { request: spec.objective, compiled, model, outputs, inputShapes };
  return {
    objective: createModelObjective(engine.tf, fused, judged),
    masks,
    soft: (softens) => {
      const softened = outputs.map((output, at) => ({ ...output, softened: softens[at] }));
      return createModelObjective(engine.tf, fused, { ...judged, outputs: softened });
    },
  };
}

function appliedToZeros({
  engine: { tf },
  model,
  inputShapes,
}: Pick<OpenedModel, 'engine' | 'model'> & { inputShapes: readonly (readonly number[])[] }): () => tfjs.Tensor[] {
  return () => {
    const inputs = inputShapes.map((shape) => tf.zeros([1, ...shape]));
    return [model.apply(inputs.length === 1 ? inputs[0] : inputs, { training: false }) as tfjs.Tensor | tfjs.Tensor[]].flat();
  };
}

export function precisionNoteOf({ precision, compile }: ReplicaSpec, engine: Engine): string {
  if (precision === 'fp32') return '';
  const { computed, reason } = compile
    ? bfloat16Support(engine)
    : { computed: false, reason: 'without compile, operation by operation, everything is float32' };
  return computed ? '' : `precision bf16 computes in float32 here, no faster than fp32: ${reason}`;
}

export function describeModel(
  spec: ReplicaSpec,
  model: tfjs.LayersModel,
  layout: BucketLayout,
  { description: objective, asked }: Pick<ModelObjective, 'description' | 'asked'>,
  engine: Engine,
): ModelDescription {
  const initial = new Float32Array(layout.totalSize);
  model.weights.forEach((weight, index) => {
    const { offset, size } = layout.slots[index];
    download(engine, weight.read(), initial.subarray(offset, offset + size));
  });
  const optimizer = spec.model.kind === 'topology' ? (spec.model.compiled?.optimizer ?? null) : compiledOptimizerOf(model);
  const { loss, metrics, lossWeights } = asked;
  const compiled = {
    ...{ loss, metrics: metrics && [...metrics], optimizer },
    ...(lossWeights !== undefined && { lossWeights: [...lossWeights] }),
  };
  return { name: spec.model.name, topology: topologyJson(model), layout, objective, compiled, initial };
}

export function numericsOf({ spec, engine, model }: Pick<OpenedModel, 'spec' | 'engine' | 'model'>): NumericsClass {
  const { info } = engine;
  const execution = executionOf({ spec, model, engine });
  return {
    tensorflow: info.tensorflowVersion,
    device: spec.device.split(':')[0],
    deviceModel: info.deviceModel,
    precision: spec.precision,
    intraOpThreads: spec.intraOpThreads,
    instructionSet: info.instructionSet,
    oneDnn: info.oneDnn,
    oneDnnIsa: info.oneDnnIsa,
    execution,
    arithmetic: ARITHMETIC_VERSION,
    probe: arithmeticProbe(engine, { compile: spec.compile, xla: execution === 'xla' }),
  };
}
