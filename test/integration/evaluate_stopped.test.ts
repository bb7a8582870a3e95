import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runCli } from '../support/built_cli.js';
import { TINY_RUN, train } from '../support/real_run.js';
import { folderOfTests } from '../support/temporary_folder.js';

const scratch = folderOfTests();

describe('evaluate of a run that has no saved model yet', () => {
  it('scores its newest state, as the model that was saved at the same step would be', async () => {
    const run = join(scratch, 'stopped');
    // 12 steps are an epoch: a model and a state of the same weights.
    const args = [...TINY_RUN, '--epochs', '2', '--max-steps', '12', '--workers', '1', '--run-dir', scratch, '--name', 'stopped'];
    expect((await train(args)).code).toBe(0);
    const byModel = runCli(['evaluate', run, '--reporter', 'json']);
    const ofLast = runCli(['evaluate', join(run, 'checkpoints', 'last'), '--reporter', 'json']);
    expect(JSON.parse(ofLast.out)).toEqual(JSON.parse(byModel.out));
    renameSync(join(run, 'checkpoints'), join(scratch, 'aside'));
    mkdirSync(join(run, 'checkpoints'));
    const byState = runCli(['evaluate', run, '--reporter', 'json']);
    expect([byModel.code, byState.code]).toEqual([0, 0]);
    expect(JSON.parse(byState.out)).toEqual(JSON.parse(byModel.out));
    expect(byState.err).toContain(
      `${run} has saved no model yet: this is its newest state, at epoch 2, step 12; tfjs-parallel train --resume ${run} goes on`,
    );
    expect(byModel.err).not.toContain('saved no model');
  });

  it('says so where there is no state either', () => {
    const run = join(scratch, 'empty');
    for (const folder of ['state', 'checkpoints']) mkdirSync(join(run, folder), { recursive: true });
    writeFileSync(join(run, 'config.yaml'), 'data: synthetic\nworkers: 1\n');
    expect(runCli(['evaluate', run])).toMatchObject({
      code: 7,
      err: expect.stringContaining(`error NOTHING_SAVED: ${run} holds no saved model and no state yet`) as string,
    });
  });
});
