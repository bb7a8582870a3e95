/**
 * Owns: the inside of a replica's thread: TensorFlow on one device, the model, its two graph functions. Piscina's entry.
 * Does not: decide anything: it answers tasks (replica_spec.ts). Next hop: train_step.ts.
 *
 * TensorFlow is called synchronously: this thread has nothing else to do, and the main thread keeps the sockets and signals.
 */
import type * as tfjs from '@tensorflow/tfjs';
import { performance } from 'node:perf_hooks';
import { factsToTell } from '../../common/environment_error.js';
import { invariant } from '../../common/errors.js';
import { sumSpecs } from '../../common/objective.js';
import type { ModelDescription } from '../../common/replica.js';
import type { ResidentOutcome } from '../../common/resident.js';
import { threadsFor } from '../../common/thread_count.js';
import { keepDeepStacks } from '../../common/user_place.js';
import { installEngine, type Engine } from '../../engine/index.js';
import { buildModel } from '../../models/build.js';
import type { TensorBatch } from './bind_fields.js';
import { describeModel, NOTHING_JUDGED, numericsOf, precisionNoteOf } from './describe.js';
import { createFiniteProbe, firstNonFinite } from './finite_probe.js';
import { givesHostBits } from './host_bits.js';
import { Judged, type JudgedParts } from './judged.js';
import { onExamples } from './model_fails.js';
import { layoutOf } from './model_layout.js';
import { workOf } from './model_work.js';
import { createPredictStep } from './predict_step.js';
import type {
  BoundSpec,
  MemoryAnswer,
  OpenAnswer,
  OtherThreads,
  PredictAnswer,
  PredictTask,
  ReplicaTask,
  ShardAnswer,
  ShardTask,
  ThreadAnswer,
} from './replica_spec.js';
import { judgedIn, load, packingsOf, readShardSums, readSums, times, trainingFeed, type ReplicaState } from './replica_state.js';
import { requireForXla } from './xla_trial.js';
import { dropAfter, gather, reside, trainResident, writeValues } from './resident_tasks.js';

keepDeepStacks();

let state: ReplicaState | undefined;

/** When the tasks before are done. */
let turn: Promise<unknown> = Promise.resolve();

/** Piscina calls this for each task; they are taken one at a time, in their order. */
export default async function handle(task: ReplicaTask): Promise<ThreadAnswer<unknown>> {
  try {
    const answered = turn.then(() => answer(task));
    turn = answered.catch(() => undefined);
    return { value: await answered };
  } catch (error) {
    const failure = factsToTell(error);
    if (failure === null) throw error;
    return { failure };
  }
}

async function answer(
  task: ReplicaTask,
): Promise<
  OpenAnswer | OtherThreads | ModelDescription | ShardAnswer | ResidentOutcome | PredictAnswer | MemoryAnswer | Uint8Array | null
> {
  switch (task.type) {
    case 'open':
      return open(task);
    case 'train':
      return trainShard(opened(), task.shard, task.gradient);
    case 'reside':
      return reside(opened(), task.residence);
    case 'train_resident':
      return trainResident(opened(), task);
    case 'gather':
      return gather(opened(), task.work);
    case 'drop_after':
      return dropAfter(opened(), task.version);
    case 'write_values':
      return writeValues(opened(), task.version, task.into);
    case 'evaluate':
      return evaluateShard(opened(), task.shard);
    case 'bind':
      return bind(opened(), task.key, task.spec);
    case 'take_data':
      await take(opened(), task);
      return null;
    case 'predict':
      return predict(opened(), task.batch);
    case 'step_graph':
      return judgedIn(opened()).stepGraph;
    case 'memory':
      return memoryOf(opened().engine);
    case 'close':
      state?.engine.dispose();
      state = undefined;
      return null;
  }
}

function opened(): ReplicaState {
  invariant(state, 'a replica is opened before it computes');
  return state;
}

function memoryOf({ tf, liveHandles }: Engine): MemoryAnswer {
  const { numTensors, numBytes } = tf.memory();
  return { tensors: numTensors, handles: liveHandles(), bytes: numBytes };
}

async function open({ spec, closing }: Extract<ReplicaTask, { type: 'open' }>): Promise<OpenAnswer | OtherThreads> {
  invariant(!state, 'a replica is opened once');
  const engine = installEngine({
    folder: spec.tensorflowFolder,
    device: spec.device,
    intraOpThreads: spec.intraOpThreads,
    logicalCpuDevices: spec.logicalCpuDevices,
    precision: spec.precision,
    deterministicGpu: spec.device.startsWith('GPU'),
  });
  const model = await buildModel(engine.tf, spec.model, spec.seed);
  const work = workOf(model);
  const threads = spec.threadsWanted === null ? spec.intraOpThreads : threadsFor(work, spec.threadsWanted);
  if (threads !== spec.intraOpThreads) {
    engine.dispose();
    return { threads };
  }
  const layout = layoutOf(model, spec.batchNorm);
  const judged = spec.dataset === null ? null : await judgedFor({ engine, model, layout, spec, dataset: spec.dataset });
  state = {
    spec,
    engine,
    model,
    layout,
    predict: createPredictStep({ engine, model, spec }),
    bound: new Map(judged && [['', judged]]),
    judged,
    probe: createFiniteProbe(engine, spec),
    packed: spec.isApart ? packingsOf(engine, layout) : null,
    lent: null,
    loadedVersion: -1,
    resident: null,
    refused: null,
    closing,
  };
  return {
    description: describeModel(spec, model, layout, judged?.objective ?? NOTHING_JUDGED, engine),
    numerics: numericsOf({ spec, engine, model }),
    work,
    versions: { tensorflow: engine.info.tensorflowVersion, tfjs: engine.tf.version['tfjs'] },
    precisionNote: precisionNoteOf(spec, engine),
    givesHostBits: spec.device.startsWith('CPU') || givesHostBits(engine),
    memoryKept: engine.info.memoryKept,
  };
}

async function judgedFor(parts: JudgedParts): Promise<Judged> {
  const judged = await Judged.open(parts);
  await requireForXla({ ...parts, judged });
  return judged;
}

async function bind(replica: ReplicaState, key: string, given: BoundSpec): Promise<ModelDescription> {
  const { engine, model, layout } = replica;
  const spec = { ...replica.spec, ...given };
  const judged = await judgedFor({ engine, model, layout, spec, dataset: given.dataset });
  replica.bound.set(key, judged);
  replica.judged = judged;
  return describeModel(spec, model, layout, judged.objective, engine);
}

async function take(
  replica: ReplicaState,
  { key, dataset, changed }: Extract<ReplicaTask, { type: 'take_data' }>,
): Promise<void> {
  const judged = replica.bound.get(key);
  invariant(judged, 'a replica is bound before it takes other rows');
  await judged.takeData(dataset, changed);
  replica.judged = judged;
}

async function trainShard(replica: ReplicaState, shard: ShardTask, gradient: Float32Array): Promise<ShardAnswer> {
  const { engine, layout } = replica;
  const { tf } = engine;
  const begin = performance.now();
  load(replica, shard);
  const args = await trainingFeed(replica, shard);
  const outputs = onExamples(() => judgedIn(replica).train(...args));
  const probe = replica.probe([...outputs.gradients, ...outputs.statistics]);
  const statistics = new Float32Array(layout.statisticsSize);
  readShardSums(replica, outputs, { gradient, statistics });
  const lossSum = outputs.loss.dataSync()[0];
  const sums = readSums(outputs.sums);
  const isFinite = Number.isFinite(lossSum) && Number.isFinite(probe.dataSync()[0]);
  tf.dispose([...args, outputs, probe] as unknown as tfjs.TensorContainer);
  const nonFinite = isFinite ? undefined : firstNonFinite({ lossSum, gradient, statistics }, layout);
  return { lossSum, sums, statistics, ...(nonFinite !== undefined && { nonFinite }), ...times(replica, begin) };
}

async function evaluateShard(replica: ReplicaState, shard: ShardTask): Promise<ShardAnswer> {
  const { engine } = replica;
  const begin = performance.now();
  load(replica, shard);
  const judged = judgedIn(replica);
  const batch = await judged.readBatch({ split: 'validation', rows: shard.rows, batchRows: shard.batchRows, ahead: shard.ahead });
  if (shard.classify) return { ...classifiedIn(judged, batch, engine), ...times(replica, begin) };
  const regularization = engine.tf.scalar(shard.regularizationWeight);
  const { loss, sums } = onExamples(() => judged.evaluate(batch, regularization));
  const answer = { lossSum: loss.dataSync()[0], sums: readSums(sums), ...times(replica, begin) };
  engine.tf.dispose([batch, regularization, loss, ...sums] as unknown as tfjs.TensorContainer);
  return answer;
}

function classifiedIn(
  { classify, objective }: Judged,
  batch: TensorBatch,
  { tf }: Engine,
): Pick<ShardAnswer, 'lossSum' | 'sums' | 'classified'> {
  invariant(classify, 'classes are asked of a model that tells them');
  const told = onExamples(() => classify(batch));
  const classified = told.dataSync() as Float32Array;
  tf.dispose([batch, told] as unknown as tfjs.TensorContainer);
  return { lossSum: 0, sums: sumSpecs(objective.description).map(() => 0), classified: Float32Array.from(classified) };
}

function predict(replica: ReplicaState, batch: PredictTask): PredictAnswer {
  const { engine } = replica;
  load(replica, batch);
  const outputs = onExamples(() => replica.predict(batch));
  const predicted = outputs.map((output) => {
    const { shape, dtype } = output;
    const values = output.dataSync() as Float32Array | Int32Array | Uint8Array;
    return { shape: shape.slice(1), dtype: dtype as 'float32' | 'int32' | 'bool', values };
  });
  engine.tf.dispose(outputs);
  return { outputs: predicted };
}
