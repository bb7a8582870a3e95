import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { kept, metrics, newDisk, newest, RUN, settings, start, undisturbed } from '../support/memory_run.js';
import type { MemoryDisk } from '../support/memory_disk.js';

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
