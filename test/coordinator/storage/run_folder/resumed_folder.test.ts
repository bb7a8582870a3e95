/** A run folder taken up again: what of it counts, and what is cleared away. */
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { RunEvent } from '../../../../src/common/run_events.js';
import { DEFAULT_TRAIN_CONFIG } from '../../../../src/common/train_config.js';
import { createRunFolder } from '../../../../src/coordinator/storage/run_folder/new_run_folder.js';
import { resumeRunFolder } from '../../../../src/coordinator/storage/run_folder/resumed_run_folder.js';
import { saveState, scratchRuns, startEvent } from '../../../support/run_folders.js';

const { scratch, keep } = scratchRuns();
const epochEvent = (epoch: number): RunEvent => ({
  type: 'epoch',
  epoch,
  values: { loss: 0.8, acc: 0.95, val_loss: 0.7, val_acc: 0.97 },
  seconds: 1,
  imagesPerS: 2,
  saved: false,
});
const epochsIn = (path: string) =>
  readFileSync(join(path, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { type: string; epoch?: number })
    .map(({ type, epoch }) => (epoch === undefined ? type : `${type} ${epoch}`));

describe('a resumed run folder', () => {
  it('goes on after the newest state, with the metrics cut to it: no gap, no duplicate, one start', async () => {
    const run = await createRunFolder({ parent: scratch, configName: 'mnist', name: 'resumed' });
    await run.writeConfig(DEFAULT_TRAIN_CONFIG, {});
    run.record(startEvent);
    run.record(epochEvent(1));
    await saveState(run, 300);
    run.record(epochEvent(2));
    await run.close();
    expect(epochsIn(run.path)).toEqual(['start', 'epoch 1', 'epoch 2']);
    const resumed = await resumeRunFolder({ path: run.path });
    expect(resumed.state?.progress.step).toBe(300);
    expect(resumed.run.coordinatorEpoch).toBe(2);
    resumed.run.record(startEvent);
    resumed.run.record(epochEvent(2));
    resumed.run.record(epochEvent(3));
    await resumed.run.close();
    expect(epochsIn(run.path)).toEqual(['start', 'epoch 1', 'epoch 2', 'epoch 3']);
    const log = readFileSync(join(run.path, 'logs', 'run.log'), 'utf8');
    expect(log.match(/"type":"start"/g)).toHaveLength(2);
    expect(log).toContain('"message":"resumed"');
  });

  it('has told in its log that it was resumed once the log is flushed, for who reads it then', async () => {
    const run = await createRunFolder({ parent: scratch, configName: 'mnist', name: 'flushed' });
    await run.writeConfig(DEFAULT_TRAIN_CONFIG, {});
    await run.close();
    const resumed = await resumeRunFolder({ path: run.path });
    keep(resumed.run);
    await resumed.run.flushLog();
    expect(readFileSync(join(run.path, 'logs', 'run.log'), 'utf8')).toContain('"message":"resumed"');
  });

  it('starts from the beginning when the first process died before its first state', async () => {
    const run = await createRunFolder({ parent: scratch, configName: 'mnist', name: 'stillborn' });
    await run.writeConfig(DEFAULT_TRAIN_CONFIG, {});
    run.record(startEvent);
    await run.close();
    const resumed = await resumeRunFolder({ path: run.path });
    keep(resumed.run);
    expect(resumed.state).toBeNull();
    resumed.run.record(startEvent);
    await resumed.run.readyToPublish();
    expect(epochsIn(run.path)).toEqual(['start']);
  });

  it('names the damaged state it left out, and uses the one before', async () => {
    const run = await createRunFolder({ parent: scratch, configName: 'mnist', name: 'damaged' });
    await run.writeConfig(DEFAULT_TRAIN_CONFIG, {});
    for (const step of [100, 200]) await saveState(run, step);
    await run.close();
    const newest = readdirSync(run.stateFolder).sort()[1];
    writeFileSync(join(run.stateFolder, newest), 'x');
    const resumed = await resumeRunFolder({ path: run.path });
    await resumed.run.close();
    expect(resumed.state?.progress.step).toBe(100);
    expect(resumed.rejected).toEqual([{ path: join(run.stateFolder, newest), reason: '1 bytes are too few for a header' }]);
    for (const name of readdirSync(run.stateFolder)) writeFileSync(join(run.stateFolder, name), '');
    await expect(resumeRunFolder({ path: run.path })).rejects.toMatchObject({ code: 'STATE_DAMAGED', exitCode: 7 });
  });

  it('is refused while another process has it', async () => {
    const run = keep(await createRunFolder({ parent: scratch, configName: 'mnist', name: 'busy' }));
    await run.writeConfig(DEFAULT_TRAIN_CONFIG, {});
    await expect(resumeRunFolder({ path: run.path })).rejects.toMatchObject({ code: 'RUN_IN_USE' });
  });

  it('is refused where there is no run', async () => {
    await expect(resumeRunFolder({ path: join(scratch, 'nowhere') })).rejects.toMatchObject({
      code: 'RUN_NOT_FOUND',
      message: `${join(scratch, 'nowhere')} does not exist`,
    });
    mkdirSync(join(scratch, 'not_a_run'));
    await expect(resumeRunFolder({ path: join(scratch, 'not_a_run') })).rejects.toMatchObject({ code: 'RUN_NOT_FOUND' });
    writeFileSync(join(scratch, 'plain'), '');
    await expect(resumeRunFolder({ path: join(scratch, 'plain') })).rejects.toMatchObject({ code: 'RUN_NOT_FOUND' });
  });

  it('clears what a process that died while writing left behind', async () => {
    const run = await createRunFolder({ parent: scratch, configName: 'mnist', name: 'untidy' });
    await run.writeConfig(DEFAULT_TRAIN_CONFIG, {});
    await run.close();
    writeFileSync(join(run.stateFolder, '.tmp-1-aaaaaaaaaaaa'), 'x');
    mkdirSync(join(run.checkpointFolder, '.tmp-1-bbbbbbbbbbbb'));
    writeFileSync(join(run.checkpointFolder, '.tmp-1-bbbbbbbbbbbb', 'weights.bin'), 'x');
    mkdirSync(join(run.checkpointFolder, '.old-epoch-0003-0123456789ab'));
    keep((await resumeRunFolder({ path: run.path })).run);
    expect(readdirSync(run.stateFolder)).toEqual([]);
    expect(readdirSync(run.checkpointFolder)).toEqual(['epoch-0003']);
  });
});
