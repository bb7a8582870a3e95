/**
 * Owns: the graph functions of a replica that keeps the weights: a step of one shard, and what steps of several shards, here or on several replicas, are made of.
 * Does not: call them, or know which version they are called with (resident.ts).
 */
import type * as tfjs from '@tensorflow/tfjs';
import type { CompiledFunction, Engine } from '../../engine/index.js';
import { stepOptions, type Executed } from './execution.js';
import type { Gathering, Sums } from './gathering.js';
import type { ResidentUpdate, UpdateOutput } from './resident_update.js';
import type { Feed, TrainStep } from './train_step.js';

export interface ShardSumsOnDevice {
  readonly loss: tfjs.Tensor;
  readonly sums: tfjs.Tensor[];
}

/** From the weights in the model's variables; slots and numbers of the step are arguments. */
export interface ResidentFunctions {
  /** A step of one shard: what it tells and what comes of it. */
  readonly whole: CompiledFunction<[Feed, tfjs.Tensor[][], object], ShardSumsOnDevice & { next: UpdateOutput }>;
  readonly apply: CompiledFunction<[Sums, tfjs.Tensor[][], object], UpdateOutput>;
  readonly add: CompiledFunction<[tfjs.Tensor[], tfjs.Tensor[]], tfjs.Tensor[]>;
  /** A shard's sums as one array, and the update from such a one. */
  readonly packed: CompiledFunction<Feed, ShardSumsOnDevice & { packed: tfjs.Tensor }>;
  readonly applyPacked: CompiledFunction<[tfjs.Tensor, tfjs.Tensor[][], object], UpdateOutput>;
}

export function residentFunctions({
  engine,
  model,
  spec,
  train,
  onGraph,
  update,
  gathering,
  weights,
  running,
}: Executed & {
  readonly engine: Engine;
  readonly train: TrainStep;
  readonly onGraph: (graphDef: Uint8Array) => void;
  readonly update: ResidentUpdate;
  readonly gathering: Gathering;
  readonly weights: readonly tfjs.Variable[];
  readonly running: readonly tfjs.Variable[];
}): ResidentFunctions {
  const { tf } = engine;
  const applied = ({ gradients, statistics }: Sums, memory: tfjs.Tensor[][], numbers: object): UpdateOutput =>
    update.apply({ gradients, statistics, weights, running, slots: memory, numbers: numbers as never });
  return {
    whole: engine.compile(
      (feed: Feed, memory: tfjs.Tensor[][], numbers: object) => {
        const { loss, sums, gradients, statistics } = train(...feed);
        const next = applied({ gradients, statistics }, memory, numbers);
        tf.dispose([gradients, statistics]);
        return { loss, sums, next };
      },
      { name: 'resident_step', onGraph, ...stepOptions({ spec, model, engine }) },
    ),
    apply: engine.compile(applied, { name: 'resident_update', fuse: true }),
    add: engine.compile((left: tfjs.Tensor[], right: tfjs.Tensor[]) => left.map((value, at) => tf.add(value, right[at])), {
      name: 'add_shards',
    }),
    packed: engine.compile(
      (...feed: Feed) => {
        const { gradients, statistics, ...sums } = train(...feed);
        const packed = gathering.pack({ gradients, statistics });
        tf.dispose([gradients, statistics]);
        return { ...sums, packed };
      },
      { name: 'shard_gradient', onGraph, fuse: true },
    ),
    applyPacked: engine.compile(
      (packed: tfjs.Tensor, memory: tfjs.Tensor[][], numbers: object) => {
        const total = gathering.unpack(packed);
        const next = applied(total, memory, numbers);
        tf.dispose([total.gradients, total.statistics]);
        return next;
      },
      { name: 'gathered_update' },
    ),
  };
}
