import { Command } from 'commander';
import { expect, test } from 'vitest';
import { parseConfig } from '../../src/cli/config_file.js';
import { checkLayer, commandLineLayer, environmentLayer } from '../../src/cli/config_layers.js';
import { addSettingFlags, readSettingFlags, typedFlags } from '../../src/cli/setting_flags.js';
import { FORMER_PATHS, SETTING_PATHS } from '../../src/common/settings/table.js';
import { changeConfig } from '../../src/coordinator/storage/run_folder/config_yaml.js';

const FILE = 'checkpoint_every: 10m # why\non_checkpoint_failure: stop\nkeep: 2\n';

test('the configuration of a run of before is read as it is', () => {
  const layer = checkLayer(parseConfig({ text: FILE, shownPath: 'runs/a/config.yaml' }));
  expect(layer).toEqual({ state_every: '10m', on_save_failure: 'stop', keep: 2 });
});

test('a name and its former one together are refused, naming the one of today', () => {
  const both = parseConfig({ text: 'checkpoint_every: 10m\nstate_every: 60s\n', shownPath: 'mine.yaml' });
  expect(() => checkLayer(both)).toThrow('unknown key "checkpoint_every" at mine.yaml:1:1, did you mean state_every?');
});

test('a changed setting leaves no second line in the file', () => {
  const change = { path: 'state_every', before: '10m', value: '60s', source: 'flag --state-every' };
  expect(changeConfig(FILE, { changes: [change], step: 7 })).toBe(
    'on_checkpoint_failure: stop\nkeep: 2\nstate_every: 60s # flag --state-every, after step 7; "10m" before\n',
  );
});

test('variables, --set and flags know the former names, and --help does not show them', () => {
  const { layer, warnings } = environmentLayer({ TFJS_PARALLEL_CHECKPOINT_EVERY: '5m' });
  expect([checkLayer(layer), warnings]).toEqual([{ state_every: '5m' }, []]);
  expect(checkLayer(commandLineLayer({ flags: [], sets: ['checkpoint_every=5m'] }))).toEqual({ state_every: '5m' });
  for (const name of ['train', 'coordinator']) {
    const command = addSettingFlags(new Command(name));
    command.parseOptions(['--checkpoint-every', '5m']);
    expect(readSettingFlags(command)).toEqual([{ path: 'state_every', flag: '--checkpoint-every', value: '5m' }]);
    expect(typedFlags(command)).toEqual([]);
    expect(command.helpInformation()).toContain('--state-every');
    expect(command.helpInformation()).not.toContain('--checkpoint-every');
  }
});

test('a former name is none of today', () => {
  expect(FORMER_PATHS.size).toBeGreaterThan(0);
  for (const [former, path] of FORMER_PATHS)
    expect([SETTING_PATHS.includes(former), SETTING_PATHS.includes(path)]).toEqual([false, true]);
});
