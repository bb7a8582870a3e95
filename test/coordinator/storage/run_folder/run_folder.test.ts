/** A new run folder: its name, what it holds, and when there is none. */
import { mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { DEFAULT_TRAIN_CONFIG } from '../../../../src/common/train_config.js';
import { renderConfig } from '../../../../src/coordinator/storage/run_folder/config_yaml.js';
import { createRunFolder } from '../../../../src/coordinator/storage/run_folder/new_run_folder.js';
import { scratchRuns } from '../../../support/run_folders.js';

const { scratch, keep } = scratchRuns();

describe('a new run folder', () => {
  it('is numbered after the highest there is, and never one that is there', async () => {
    const parent = join(scratch, 'deep', 'runs');
    const paths = [];
    for (let nth = 0; nth < 3; nth++) paths.push(keep(await createRunFolder({ parent, configName: 'mnist', name: null })).path);
    mkdirSync(join(parent, 'mnist-041'));
    mkdirSync(join(parent, 'mnist-x'));
    mkdirSync(join(parent, 'mnist_quick-099'));
    paths.push(keep(await createRunFolder({ parent, configName: 'mnist', name: null })).path);
    expect(paths.map((path) => path.slice(parent.length + 1))).toEqual(['mnist-001', 'mnist-002', 'mnist-003', 'mnist-042']);
  });

  it('goes to each of several that start at once', async () => {
    const parent = join(scratch, 'crowd');
    const runs = await Promise.all([1, 2, 3, 5].map(() => createRunFolder({ parent, configName: 'mnist', name: null })));
    expect(runs.map((run) => keep(run).path.slice(-3)).sort()).toEqual(['001', '002', '003', '004']);
  });

  it('refuses a name that is taken, and says how to go on', async () => {
    const mine = keep(await createRunFolder({ parent: scratch, configName: 'mnist', name: 'mine' }));
    await mine.writeConfig(DEFAULT_TRAIN_CONFIG, {});
    await expect(createRunFolder({ parent: scratch, configName: 'mnist', name: 'mine' })).rejects.toMatchObject({
      code: 'RUN_EXISTS',
      exitCode: 7,
      next: `continue it with --resume ${join(scratch, 'mine')}, or choose another --name`,
    });
  });

  it('takes the folder of a start that died before it wrote its configuration, and no other', async () => {
    await (await createRunFolder({ parent: scratch, configName: 'mnist', name: 'unbegun' })).close();
    keep(await createRunFolder({ parent: scratch, configName: 'mnist', name: 'unbegun' }));
    for (const [name, file] of [
      ['foreign', 'notes.txt'],
      ['with_state', 'state/x'],
    ]) {
      const run = await createRunFolder({ parent: scratch, configName: 'mnist', name });
      await run.close();
      writeFileSync(join(run.path, file), '');
      await expect(createRunFolder({ parent: scratch, configName: 'mnist', name })).rejects.toMatchObject({ code: 'RUN_EXISTS' });
    }
  });

  it('holds the configuration, each value with where it came from, and the environment', async () => {
    const run = keep(await createRunFolder({ parent: scratch, configName: 'mnist', name: 'configured' }));
    const config = {
      ...DEFAULT_TRAIN_CONFIG,
      batch: 198,
      optimizer: {
        ...DEFAULT_TRAIN_CONFIG.optimizer,
        schedule: { ...DEFAULT_TRAIN_CONFIG.optimizer.schedule, milestones: [60, 90] },
      },
    };
    await run.writeConfig(config, { batch: 'flag --batch', 'optimizer.schedule.milestones': 'config/mnist.yaml:12' });
    await run.writeEnvironment({ node: 'v20.0.0' });
    const text = readFileSync(join(run.path, 'config.yaml'), 'utf8');
    expect(text).toContain('batch: 198 # flag --batch\n');
    expect(text).toContain('    milestones: [60, 90] # config/mnist.yaml:12\n');
    expect(text).toContain('  learning_rate: 0.1 # default\n');
    expect(text).toContain('data_dir: null # default\n');
    expect((parse(text) as { optimizer: { schedule: unknown } }).optimizer.schedule).toMatchObject({
      milestones: [60, 90],
      warmup_epochs: 0,
    });
    expect(JSON.parse(readFileSync(join(run.path, 'env.json'), 'utf8'))).toEqual({ node: 'v20.0.0' });
    expect(readdirSync(run.path).sort()).toEqual([
      'checkpoints',
      'config.yaml',
      'env.json',
      'lock-000001',
      'logs',
      'metrics.jsonl',
      'state',
    ]);
  });

  it('cannot be made where a file is in the way', async () => {
    writeFileSync(join(scratch, 'a_file'), '');
    await expect(
      createRunFolder({ parent: join(scratch, 'a_file', 'runs'), configName: 'mnist', name: null }),
    ).rejects.toMatchObject({ code: 'RUN_FOLDER_GONE', exitCode: 7 });
  });

  it('quotes text that YAML would take for something else', () => {
    const text = renderConfig({ ...DEFAULT_TRAIN_CONFIG, name: '007', dataDir: 'a: b # c', gpus: '0' }, {});
    expect(parse(text)).toMatchObject({ name: '007', data_dir: 'a: b # c', gpus: '0' });
  });

  it('is for its owner only', async () => {
    const parent = join(scratch, 'private');
    const runs = [null, 'mine'].map((name) => createRunFolder({ parent, configName: 'test', name }));
    for (const run of runs) expect((statSync(keep(await run).path).mode & 0o777).toString(8)).toBe('700');
  });
});
