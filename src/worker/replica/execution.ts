/**
 * Owns: by what a replica's training steps are executed: TensorFlow's kernels in a graph, XLA, or operation by operation. A rule of model and settings
 * alone, so that equal replicas of a run decide alike; it is part of the numerics class.
 * Does not: know what XLA may compile (engine/lowering/xla.ts, which has the last word on each step).
 */
import type * as tfjs from '@tensorflow/tfjs';
import { EnvironmentError } from '../../common/errors.js';
import { isFasterByXla } from '../../common/faster_by_xla.js';
import type { NumericsClass } from '../../common/replica.js';
import type { CompileOptions, Engine } from '../../engine/index.js';
import { flattenLayers } from './model_layout.js';
import type { ReplicaSpec } from './replica_spec.js';

export interface Executed {
  readonly spec: Pick<ReplicaSpec, 'compile' | 'execution' | 'precision' | 'device' | 'intraOpThreads'>;
  readonly model: tfjs.LayersModel;
  readonly engine: { readonly info: Pick<Engine['info'], 'instructionSet'> };
}

/** @throws EnvironmentError XLA_NEEDS_PROCESSOR */
export function executionOf({ spec, model, engine }: Executed): NumericsClass['execution'] {
  if (!spec.compile) return 'eager';
  const onProcessor = spec.device.startsWith('CPU');
  if (spec.execution === 'xla' && !onProcessor)
    throw new EnvironmentError({
      code: 'XLA_NEEDS_PROCESSOR',
      message: `execution is xla, which has not been seen on ${spec.device}`,
      next: 'Use execution graph or auto on GPUs.',
    });
  if (spec.execution !== 'auto') return spec.execution === 'xla' ? 'xla' : 'compiled';
  const isMeasured = process.platform === 'linux' && process.arch === 'x64' && onProcessor && spec.precision === 'fp32';
  const isFaster = isFasterByXla({
    classNames: flattenLayers(model).map((layer) => layer.getClassName()),
    weights: model.countParams(),
    threads: spec.intraOpThreads,
    instructions: engine.info.instructionSet,
  });
  return isMeasured && isFaster ? 'xla' : 'compiled';
}

/** How a training step is compiled. */
export function stepOptions(executed: Executed): Pick<CompileOptions, 'xla' | 'fuse'> {
  if (executionOf(executed) !== 'xla') return { fuse: true };
  return { xla: executed.spec.execution === 'xla' ? 'required' : 'where_safe' };
}
