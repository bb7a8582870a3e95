import { hostGradient, hostValues } from '../../src/common/host_gradient.js';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
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
import { tinyModel, tinyNumerics } from '../support/run_state.js';
import { MemoryDisk, SimulatedCrash } from '../support/memory_disk.js';

/** 23 examples in batches of 5: four whole steps and one of 3 in each of 3 epochs. */
const examples = { train: 23, validation: 7 };
const data = { name: 'numbers', sha256: 'ab'.repeat(32), ...examples };
const settings: TrainConfig = {
  ...DEFAULT_TRAIN_CONFIG,
  batch: 5,
  epochs: 3,
  seed: 0,
  saveAbove: 0,
  stateEvery: 'epoch,2 steps',
  optimizer: { ...DEFAULT_TRAIN_CONFIG.optimizer, momentum: 0.5 },
};
const { trainedSize } = tinyModel.layout;
const RUN = '/runs/run';
const VAL_ACC = { name: 'val_acc', direction: 'max' } as const;

interface Start {
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
async function start(
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

/** The power goes before the n-th call to the disk, which then holds what was synced and, of the rest, what `keep` says. */
async function startAndCrash(disk: MemoryDisk, nth: number, keep: 'none' | 'half' | 'all'): Promise<{ crashed: boolean }> {
  disk.crashAtCall = disk.calls + nth;
  const ended = await start(disk).catch((error: unknown) => {
    if (!(error instanceof SimulatedCrash)) throw error;
    return null;
  });
  const crashed = disk.calls >= disk.crashAtCall;
  // What was under way beside the loop meets the dead disk too.
  for (let turn = 0; turn < 40; turn++) await setImmediate();
  disk.afterCrash({ keepNames: { none: 0, half: disk.unsyncedNames >> 1, all: disk.unsyncedNames }[keep], keepBytes: keep });
  expect(ended === null || !crashed || ended.end.reason === 'done').toBe(true);
  return { crashed };
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
function metrics(disk: MemoryDisk): string[] {
  const lines = Buffer.from(disk.contents(join(RUN, 'metrics.jsonl')))
    .toString()
    .trim()
    .split('\n');
  const records = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  return records
    .filter(({ type }) => type === 'step' || type === 'epoch' || type === 'end')
    .map(({ seconds: _, images_per_s: __, phases_ms: ___, replica_times: ____, ...record }) => JSON.stringify(record));
}

async function newDisk(): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  await disk.createFolder('/runs');
  await disk.syncFolder('/');
  return disk;
}

async function undisturbed() {
  const disk = await newDisk();
  const { end } = await start(disk);
  return { disk, sha256: end.weightsSha256, metrics: metrics(disk), end };
}
/** A model that is kept under this name: its weights, and the epochs and steps that it says. */
async function kept(disk: MemoryDisk, name: 'best' | 'last') {
  const { values } = await readModel(join(RUN, 'checkpoints', name), disk);
  const file = Buffer.from(disk.contents(join(RUN, 'checkpoints', name, 'model.json'))).toString();
  const { epoch, step } = (JSON.parse(file) as { userDefinedMetadata: { epoch: number; step: number } }).userDefinedMetadata;
  return { values: [...values], epoch, step };
}

const newest = async (disk: MemoryDisk) => (await readNewestState({ folder: join(RUN, 'state'), fileSystem: disk })).state;

describe('a run that is stopped and resumed', () => {
  it('stops early and lowers its rate where the undisturbed one does, which has its best epoch first', async () => {
    const watching = {
      epochs: 8,
      earlyStopping: { ...settings.earlyStopping, patience: 4 },
      reduceOnPlateau: { ...settings.reduceOnPlateau, patience: 1, factor: 0.5, cooldown: 2 },
    };
    const disk = await newDisk();
    const { end, events } = await start(disk, { config: watching });
    expect(end).toMatchObject({ reason: 'stopped_early', epochs: 5, steps: 25 });
    const rates = events.flatMap((event) => (event.type === 'step' ? event.learningRate : []));
    // Lowered after epochs 2 and 4, as Keras counts a cooldown of 2.
    expect(rates.filter((_, step) => step % 5 === 0)).toEqual([0.1, 0.1, 0.05, 0.05, 0.025]);
    for (const stopAtStep of [2, 7, 11, 16, 19]) {
      const again = await newDisk();
      expect((await start(again, { config: watching, stopAtStep })).end.reason).toBe('stopped');
      expect((await start(again, { config: watching })).end).toEqual(end);
      expect(metrics(again)).toEqual(metrics(disk));
    }
    // Nothing is left, unless there is more patience.
    expect((await start(disk, { config: watching })).end).toEqual(end);
    const patient = { ...watching, earlyStopping: { ...watching.earlyStopping, patience: 6 } };
    expect((await start(disk, { config: patient })).end).toMatchObject({ reason: 'stopped_early', epochs: 7 });
  });

  it('takes 15 steps when nobody disturbs it', async () => {
    const { end, metrics: lines } = await undisturbed();
    expect(end).toMatchObject({ epochs: 3, steps: 15, reason: 'done' });
    expect(lines).toHaveLength(15 + 3 + 1);
  });

  it('asked to stop in any of its steps, ends with the same weights and the same metrics, and computes nothing twice', async () => {
    const wanted = await undisturbed();
    for (let step = 0; step < 15; step++) {
      const disk = await newDisk();
      expect((await start(disk, { stopAtStep: step })).end).toMatchObject({ steps: step + 1, reason: 'stopped' });
      const resumed = await start(disk);
      expect(resumed.firstStep).toBe(step + 1);
      expect(resumed.end.weightsSha256).toBe(wanted.sha256);
      expect(metrics(disk)).toEqual(wanted.metrics);
    }
  });

  it('is done when it was done', async () => {
    const wanted = await undisturbed();
    const again = await start(wanted.disk);
    expect(again.firstStep).toBe(15);
    expect(again.end).toEqual(wanted.end);
    expect(metrics(wanted.disk)).toEqual(wanted.metrics);
  });

  it('goes on for more epochs when it is given more', async () => {
    const disk = await newDisk();
    await start(disk, { config: { epochs: 2 } });
    expect((await start(disk)).end.weightsSha256).toBe((await undisturbed()).sha256);
  });
});

describe('the best and the last model', () => {
  it('are there however a run ends: of the best epoch, and of the last commit', async () => {
    const { disk, end } = await undisturbed();
    const final = [...((await newest(disk))?.parameters ?? [])];
    expect(await kept(disk, 'last')).toEqual({ values: final, epoch: 3, step: 15 });
    expect(await kept(disk, 'best')).toMatchObject({ epoch: end.best?.epoch, step: 5 * (end.best?.epoch ?? NaN) });

    const [stopped, diverged] = [await newDisk(), await newDisk()];
    // Nothing is good enough for a model of its own.
    await start(stopped, { stopAtStep: 6, config: { saveAbove: 2 } });
    await start(diverged, { nanAtStep: 7, config: { saveAbove: null } }).catch(() => undefined);
    for (const run of [stopped, diverged]) {
      expect(run.names(join(RUN, 'checkpoints'))).toEqual(['best', 'last']);
      const state = await newest(run);
      expect(await kept(run, 'last')).toEqual({ values: [...(state?.parameters ?? [])], epoch: 1, step: 7 });
      expect((await kept(run, 'best')).epoch).toBe(1);
    }
    // Gone on with, the run has those of the undisturbed one.
    await start(stopped, { config: { saveAbove: 2 } });
    expect(await kept(stopped, 'last')).toEqual(await kept(disk, 'last'));
    expect(await kept(stopped, 'best')).toEqual(await kept(disk, 'best'));
  });

  it('are not that of an audit that failed, whose weights may be wrong', async () => {
    const disk = await newDisk();
    await start(disk, { audit: { failsAtStep: 9, soundUpTo: 6 } }).catch(() => undefined);
    expect(disk.names(join(RUN, 'checkpoints'))).not.toContain('last');
  });
});

describe('a run whose power goes', () => {
  it.each(['none', 'half', 'all'] as const)(
    'between any two calls to the disk, ends with the same weights and metrics (of what was not synced, the disk kept %s)',
    async (keep) => {
      const wanted = await undisturbed();
      const [best, last] = [await kept(wanted.disk, 'best'), await kept(wanted.disk, 'last')];
      let crashes = 0;
      for (let nth = 1; ; nth++) {
        const disk = await newDisk();
        if (!(await startAndCrash(disk, nth, keep)).crashed) break;
        crashes++;
        const { end } = await start(disk);
        expect(end.weightsSha256, `call ${nth}`).toBe(wanted.sha256);
        expect(metrics(disk), `call ${nth}`).toEqual(wanted.metrics);
        expect((await kept(disk, 'last')).values, `call ${nth}`).toEqual(last.values);
        expect((await kept(disk, 'best')).values, `call ${nth}`).toEqual(best.values);
      }
      // 8 states, 3 models, 19 lines of metrics: each some calls.
      expect(crashes).toBeGreaterThan(200);
    },
  );

  it('again and again, a little later each time, ends with the same weights and metrics', async () => {
    const wanted = await undisturbed();
    const disk = await newDisk();
    for (let nth = 13; (await startAndCrash(disk, nth, 'none')).crashed; nth += 13);
    expect((await start(disk)).end.weightsSha256).toBe(wanted.sha256);
    expect(metrics(disk)).toEqual(wanted.metrics);
  });
});

describe('a run that meets bad numbers', () => {
  it('does not apply them, ends with code 6, and its last state is finite and of the step before', async () => {
    const disk = await newDisk();
    await expect(start(disk, { nanAtStep: 8 })).rejects.toMatchObject({
      exitCode: 6,
      code: 'NON_FINITE',
      message: expect.stringContaining('dense/kernel') as string,
    });
    const state = await newest(disk);
    expect(state?.progress.step).toBe(8);
    expect(state?.parameters.every(Number.isFinite)).toBe(true);
    expect((await start(disk)).end.weightsSha256).toBe((await undisturbed()).sha256);
  });
});

describe('a run in which an audit fails', () => {
  const states = (disk: MemoryDisk) =>
    disk.names(join(RUN, 'state')).map((name) => [Number(name.slice(16, 25)), name.endsWith('.suspect')]);

  it('sets aside the states that may hold a lie, and goes on from the one before to the undisturbed end', async () => {
    const disk = await newDisk();
    await expect(start(disk, { audit: { failsAtStep: 9, soundUpTo: 6 }, config: { keep: 9 } })).rejects.toMatchObject({
      code: 'AUDIT_FAILED',
    });
    // Epoch 1 ends after 5 steps; its states are those after 2 and 4.
    expect(states(disk)).toEqual([
      [2, false],
      [4, false],
      [5, false],
      [7, true],
      [9, true],
    ]);
    const { end, firstStep } = await start(disk);
    expect([firstStep, end.weightsSha256]).toEqual([5, (await undisturbed()).sha256]);
  });

  it('begins anew where no state is old enough, and keeps the last one where all shards were audited', async () => {
    const [some, all] = [await newDisk(), await newDisk()];
    await expect(start(some, { audit: { failsAtStep: 9, soundUpTo: 1 } })).rejects.toThrow('w computes otherwise');
    await expect(start(all, { audit: { failsAtStep: 9, soundUpTo: null } })).rejects.toThrow('w computes otherwise');
    for (const [disk, from] of [
      [some, 0],
      [all, 9],
    ] as const) {
      const { end, firstStep } = await start(disk);
      expect([firstStep, end.weightsSha256]).toEqual([from, (await undisturbed()).sha256]);
    }
  });
});

describe('a run whose weights are poisoned by numbers that are finite and absurd', () => {
  const states = (disk: MemoryDisk) => disk.names(join(RUN, 'state')).map((name) => Number(name.slice(16, 25)));

  it('keeps the newest state before an evaluation that was good, says so, and names it when it diverges', async () => {
    const disk = await newDisk();
    // Epoch 2 has the steps 5 to 9; its states are those after 6, 8 and 10 steps, the epochs' ends those after 5, 10 and 15.
    const { events } = await start(disk, { poisonedStep: 7, config: { keep: 2 } });
    const warnings = events.flatMap((event) => (event.type === 'warn' ? [event] : []));
    expect(warnings.map(({ code }) => code)).toEqual(['LOSS_EXPLODED', 'LOSS_EXPLODED']);
    // Written before the evaluation of the first epoch, which follows its fifth step: that after the fourth.
    expect(warnings[0].message).toContain('step-000000004-');
    expect(states(disk)).toEqual([4, 14, 15]);
    const resumed = start(disk, { nanAtStep: 17, config: { epochs: 4, keep: 2 } });
    await expect(resumed).rejects.toMatchObject({
      code: 'NON_FINITE',
      next: expect.stringMatching(
        /--init-from \/runs\/run\/state\/start-0001-step-000000004-\w+\.safetensors: of epoch 1/,
      ) as string,
    });
    expect(states(disk)).toContain(4);
  });

  it('that is well keeps one that an evaluation has vouched for among its newest', async () => {
    const disk = await newDisk();
    const { events } = await start(disk, { config: { keep: 2 } });
    expect(events.filter(({ type }) => type === 'warn')).toEqual([]);
    expect(states(disk)).toEqual([14, 15]);
  });
});

describe('a run whose disk is full', () => {
  it('goes on and warns, and saves again when there is space', async () => {
    const disk = await newDisk();
    let refusals = 0;
    disk.failWith = (call, path) => (call === 'open' && path.includes('/state/.tmp') && refusals++ < 3 ? 'ENOSPC' : null);
    const { end, events } = await start(disk);
    expect(end.weightsSha256).toBe((await undisturbed()).sha256);
    const warnings = events.filter((event) => event.type === 'warn');
    expect(warnings).toHaveLength(3);
    expect(warnings[0]).toMatchObject({
      code: 'DISK_FULL',
      message: expect.stringContaining('the states written before are intact') as string,
    });
    expect((await newest(disk))?.progress.step).toBe(15);
  });

  it('stops with code 7 when configured to, and leaves the state before', async () => {
    const disk = await newDisk();
    await start(disk, { stopAtStep: 3 });
    disk.failWith = (call, path) => (call === 'open' && path.includes('/state/.tmp') ? 'ENOSPC' : null);
    await expect(start(disk, { config: { onSaveFailure: 'stop' } })).rejects.toMatchObject({
      code: 'DISK_FULL',
      exitCode: 7,
    });
    expect((await newest(disk))?.progress.step).toBe(4);
  });

  it('ends with code 7 when the last state is not on the disk, whatever was configured', async () => {
    const disk = await newDisk();
    disk.failWith = (call, path) => (call === 'open' && path.includes('/state/.tmp') ? 'EIO' : null);
    await expect(start(disk)).rejects.toMatchObject({ code: 'DISK_IO_ERROR', exitCode: 7 });
  });
});
