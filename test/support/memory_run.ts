/**
 * Owns: a training run on a disk in memory, without TensorFlow: its starts, what disturbs them, and what a run left.
 * Does not: judge (test/coordinator/resume.test.ts, power_cut.test.ts).
 */
import { hostGradient, hostValues } from '../../src/common/host_gradient.js';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { RunEvent } from '../../src/common/run_events.js';
import type { ShardAssignment, ShardResult } from '../../src/common/replica.js';
import type { StopReason, StopRequest } from '../../src/common/stop_request.js';
import { AuditError } from '../../src/common/errors.js';
import { DEFAULT_TRAIN_CONFIG } from '../../src/common/train_config.js';
import type { TrainConfig } from '../../src/common/train_config.js';
import { createRunFolder } from '../../src/coordinator/storage/run_folder/new_run_folder.js';
import { resumeRunFolder } from '../../src/coordinator/storage/run_folder/resumed_run_folder.js';
import { runTraining } from '../../src/coordinator/run.js';
import { createRunStore } from '../../src/coordinator/storage/run_store.js';
import { readModel } from '../../src/coordinator/storage/state/saved_model.js';
import { SoundStates } from '../../src/coordinator/storage/state/sound_state.js';
import { readNewestState } from '../../src/coordinator/storage/state/state_file.js';
import { ExactPlane } from '../../src/coordinator/planes/exact/exact_plane.js';
import { RunProgress } from '../../src/coordinator/progress.js';
import { weightsSha256 } from '../../src/coordinator/storage/weights_hash.js';
import { tinyModel, tinyNumerics } from './run_state.js';
import { MemoryDisk } from './memory_disk.js';

/** 23 examples in batches of 5: four whole steps and one of 3 in each of 3 epochs. */
const examples = { train: 23, validation: 7 };
const data = { name: 'numbers', sha256: 'ab'.repeat(32), ...examples };
export const settings: TrainConfig = {
  ...DEFAULT_TRAIN_CONFIG,
  batch: 5,
  epochs: 3,
  seed: 0,
  saveAbove: 0,
  stateEvery: 'epoch,2 steps',
  optimizer: { ...DEFAULT_TRAIN_CONFIG.optimizer, momentum: 0.5 },
};
const { trainedSize } = tinyModel.layout;
export const RUN = '/runs/run';
const VAL_ACC = { name: 'val_acc', direction: 'max' } as const;

export interface Start {
  /** Asks to stop when this step is about to be computed. */
  stopAtStep?: number;
  reason?: StopReason;
  /** This step's first shard has a NaN. */
  nanAtStep?: number;
  /** The gradient of this step is finite and absurd. */
  poisonedStep?: number;
  /** An audit fails in this step; what came after `soundUpTo` is not to be trusted. */
  audit?: { failsAtStep: number; soundUpTo: number | null };
  config?: Partial<TrainConfig>;
}

/** One start of the run on this disk: new, or resumed where it is there already. Null as its end: the power went. */
export async function start(
  disk: MemoryDisk,
  { stopAtStep, nanAtStep, poisonedStep, audit, reason = 'stopped', config: change }: Start = {},
) {
  const config = { ...settings, ...change };
  const opened = await resumeRunFolder({ path: RUN, fileSystem: disk }).catch(async (error: { code?: string }) => {
    if (error.code !== 'RUN_NOT_FOUND') throw error;
    const run = await createRunFolder({ parent: '/runs', configName: 'test', name: 'run', fileSystem: disk });
    await run.writeConfig(config, {}).catch(async (failure: unknown) => {
      await run.close().catch(() => undefined);
      throw failure;
    });
    return { run, state: null };
  });
  const folder = opened.run;
  let asked: StopReason | null = null;
  const never = new AbortController().signal;
  const stop: StopRequest = {
    get reason() {
      return asked;
    },
    asked: never,
    hurry: never,
  };
  const events: RunEvent[] = [];
  const observe = (event: RunEvent): void => {
    folder.record(event);
    events.push(event);
  };
  let clockMs = 0;
  const nowMs = () => clockMs++;
  const fleet = {
    ...{ replicas: [], lose: () => undefined },
    computeRound: async (
      units: readonly ShardAssignment[],
      take: (result: ShardResult) => ShardResult = (result) => result,
    ): Promise<ShardResult[]> => {
      const [{ id }] = units;
      const { kind, step } = id;
      if (kind === 'train' && step === stopAtStep) asked = reason;
      if (kind === 'train' && step === audit?.failsAtStep)
        throw new AuditError({ code: 'AUDIT_FAILED', message: 'w computes otherwise', next: 'Resume.' }, audit.soundUpTo);
      // Computing takes time, in which the disk gets on.
      for (let turn = 0; turn < 40; turn++) await setImmediate();
      const results = units.map((unit) => answer(unit, nanAtStep));
      if (kind === 'train' && step === poisonedStep)
        for (const { gradient } of results) if (gradient) hostValues(gradient).fill(-1e30);
      return kind === 'train' ? results.map(take) : results;
    },
  };
  const plane = new ExactPlane({ model: tinyModel, shards: 2, optimizer: config.optimizer, fleet, nowMs });
  const progress = new RunProgress(tinyModel.objective, opened.state?.progress);
  if (opened.state !== null) await plane.restore({ ...opened.state, version: progress.now.step });
  const parts = {
    config,
    shards: 2,
    model: tinyModel,
    numerics: tinyNumerics,
    data,
    examples,
    observe,
    nowMs,
    folder,
    plane,
    progress,
    values: () => plane.values(),
    modelWeights: () => plane.model(),
    digest: async () => {
      const { parameters, optimizerSlots } = await plane.values();
      return weightsSha256(
        parameters,
        optimizerSlots.map(({ values }) => values),
      );
    },
    monitor: VAL_ACC,
    watched: {
      stopping: config.earlyStopping.patience === null ? null : VAL_ACC,
      plateau: config.reduceOnPlateau.patience === null ? null : VAL_ACC,
    },
    stop,
  };
  const sound = new SoundStates({ run: RUN, states: join(RUN, 'state'), fileSystem: disk });
  if (opened.state !== null) await sound.restore();
  const store = createRunStore({ ...parts, sound, generatedBy: 'a test', firstStep: progress.now.step });
  try {
    const end = await runTraining({ ...parts, store });
    return { end, events, firstStep: opened.state?.progress.step ?? 0 };
  } finally {
    await folder.close();
  }
}

function answer({ id, rows, parameters }: ShardAssignment, nanAtStep?: number): ShardResult {
  const values = new Float32Array(trainedSize);
  for (const row of rows)
    values.forEach((sum, at) => (values[at] = sum + (((row + 1) * (at + 3)) % 7) / 7 - parameters.values[at] / 16));
  const lossSum = rows.reduce((sum, row) => sum + (row % 5) / 3, 0) + parameters.values[0];
  const correct = rows.filter((row) => row % 3 === 0).length;
  if (id.kind === 'train' && id.step === nanAtStep && id.shard === 0) values[1] = NaN;
  return {
    id,
    version: parameters.version,
    examples: rows.length,
    lossSum,
    sums: [correct],
    computeMs: 1,
    statistics: new Float32Array(4).fill(1),
    gradient: hostGradient({ kind: 'host', values, release: () => undefined }),
  };
}

/** Step, epoch and end lines without times and rates. */
export function metrics(disk: MemoryDisk): string[] {
  const lines = Buffer.from(disk.contents(join(RUN, 'metrics.jsonl')))
    .toString()
    .trim()
    .split('\n');
  const records = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  return records
    .filter(({ type }) => type === 'step' || type === 'epoch' || type === 'end')
    .map(({ seconds: _, images_per_s: __, phases_ms: ___, replica_times: ____, ...record }) => JSON.stringify(record));
}

export async function newDisk(): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  await disk.createFolder('/runs');
  await disk.syncFolder('/');
  return disk;
}

export async function undisturbed(how: Start = {}) {
  const disk = await newDisk();
  const { end } = await start(disk, how);
  return { disk, sha256: end.weightsSha256, metrics: metrics(disk), end };
}
/** A model that is kept under this name: its weights, and the epochs and steps that it says. */
export async function kept(disk: MemoryDisk, name: 'best' | 'last') {
  const { values } = await readModel(join(RUN, 'checkpoints', name), disk);
  const file = Buffer.from(disk.contents(join(RUN, 'checkpoints', name, 'model.json'))).toString();
  const { epoch, step } = (JSON.parse(file) as { userDefinedMetadata: { epoch: number; step: number } }).userDefinedMetadata;
  return { values: [...values], epoch, step };
}

export const newest = async (disk: MemoryDisk) => (await readNewestState({ folder: join(RUN, 'state'), fileSystem: disk })).state;
