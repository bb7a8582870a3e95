/** Advice on flags, files of settings and devices: what the command line says before anything is opened. */
import { chooseDevices } from '../../../src/common/device_choice.js';
import { expect } from 'vitest';
import { mostCpuReplicas, placeReplicas } from '../../../src/api/devices.js';
import { describeFailure } from '../../../src/cli/fail.js';
import { watchMemory } from '../../../src/cli/terminal/memory_watch.js';
import { shardsOn } from '../../../src/common/config_checks.js';
import { writeProject } from '../../../src/init/write_project.js';
import { parseMemory } from '../../../src/system/memory_limit.js';
import { weightsByOutput } from '../../../src/objective/per_output.js';
import { join } from 'node:path';
import { program, refusal } from '../program_under_test.js';
import { filled, flags, folder, plain, runFolder, type Cases } from './cases.js';
import { commandIn, withFlags } from './sources.js';

const CHECKS = 'src/common/config_checks.ts';
const TWO_GPUS = { gpus: [0, 1].map((index) => ({ index, model: 'H100' })), reason: '' } as never;
const NO_GPU = { gpus: [], reason: 'no driver' } as never;
const GPU_ADVICE = ['train', '--gpus', '7'];

export const SETTINGS_CASES: Cases = {
  'batch and shards': flags(CHECKS, 'give --batch', ['train', '--batch', '2', '--shards', '3'], [/--batch \d+/, /--shards \d+/]),
  'accumulate and shards, which disagree': {
    ...flags(CHECKS, 'Leave out one of the two', [], []),
    provoke: () => refusal(() => shardsOn(2, { shards: 3, accumulate: 4 })),
    follow: () => Promise.resolve(expect(shardsOn(2, { shards: 3, accumulate: null })).toBe(3)),
  },
  'too large an accumulate': {
    ...flags(CHECKS, 'Give --accumulate', [], []),
    provoke: () => refusal(() => shardsOn(2, { shards: null, accumulate: 1_000_000 })),
    follow: async (next) => {
      const { train } = await program(['train', '--batch', '5000', ...commandIn(next, /--accumulate \d+/).split(' ')]);
      expect(shardsOn(2, train!.config)).toBe(1024);
    },
  },
  'shards that accumulate does not divide': flags(
    CHECKS,
    'Give --shards ……',
    ['coordinator', '--shards', '5', '--accumulate', '2'],
    [/--shards \d+/],
  ),
  'synchronized batch norm': flags(
    CHECKS,
    'Give --shards 1, whose',
    ['train', '--batch-norm', 'synchronized'],
    [/--batch-norm fixed/],
  ),
  'idx without a folder': {
    ...flags(CHECKS, 'add --data-dir FOLDER', ['train', '--data', 'idx'], []),
    follow: async (next) => {
      const { train } = await program(['train', '--data', 'idx', ...filled(next, /--data-dir FOLDER/, folder)]);
      expect(train?.config.dataDir).toBe(folder);
    },
  },
  'a step schedule without steps': flags(
    CHECKS,
    'list the epochs',
    ['train', '--set', 'optimizer.schedule.name=step'],
    [/--set \S+=\[60,90\]/],
  ),
  'GPUs and workers': flags(
    'src/common/device_choice.ts',
    'leave out workers',
    ['train', '--gpus', '0', '--workers', '2'],
    [/--gpus none/],
  ),
  'no list of GPUs': flags('src/common/device_choice.ts', 'give indices', ['train', '--gpus', 'x'], [/--gpus 0,1/, /--gpus 0-3/]),
  'GPUs where there are none': {
    says: [{ file: 'src/api/devices.ts', begins: 'check the driver' }],
    provoke: async () => {
      const { train } = await program(GPU_ADVICE);
      return refusal(() => placeReplicas(chooseDevices(train!.config), null, () => NO_GPU));
    },
    follow: async (next) => {
      const { train } = await program(withFlags(GPU_ADVICE, commandIn(next, /--gpus none --workers 2/)));
      expect(placeReplicas(chooseDevices(train!.config), null, () => NO_GPU).replicas.length).toBe(2);
    },
  },
  'a GPU that is not there': {
    says: [{ file: 'src/api/devices.ts', begins: 'name GPUs that exist' }],
    provoke: async () => {
      const { train } = await program(GPU_ADVICE);
      return refusal(() => placeReplicas(chooseDevices(train!.config), null, () => TWO_GPUS));
    },
    follow: async (next) => {
      for (const list of [commandIn(next, /--gpus all/), '--gpus 1']) {
        const { train } = await program(withFlags(GPU_ADVICE, list));
        expect(placeReplicas(chooseDevices(train!.config), null, () => TWO_GPUS).replicas[0].device).toMatch(/^GPU:/);
      }
    },
  },
  'too many replicas': {
    says: [{ file: 'src/api/devices.ts', begins: 'Give --workers' }],
    provoke: () => refusal(() => placeReplicas({ kind: 'cpu', replicas: mostCpuReplicas() + 1 }, null)),
    follow: (next) => {
      const workers = Number(commandIn(next, /--workers \d+/).split(' ')[1]);
      return Promise.resolve(placeReplicas({ kind: 'cpu', replicas: workers }, null));
    },
  },
  'an audit by one replica': flags(
    'src/api/local_crew.ts',
    'Give --workers 2',
    plain('--audit', '1', '--batch', '2', '--shards', '2'),
    [/--workers 2/],
    true,
  ),
  'a worker that takes more memory than it may': {
    says: [{ file: 'src/cli/terminal/memory_watch.ts', begins: 'Give it more' }],
    provoke: () =>
      new Promise((resolve) => {
        const watch = watchMemory({
          maxBytes: parseMemory('64M', '--max-memory'),
          end: (text) => {
            watch.close();
            resolve({ next: text.split('next: ')[1].trim() });
          },
        });
      }),
    follow: async (next) => {
      const { worker } = await program(['worker', '--host', '127.0.0.1', commandIn(next, /--max-memory/), '100G']);
      expect(worker).not.toBeNull();
    },
  },
  'a setting without a value': {
    ...flags('src/cli/config_layers.ts', 'for example --set', ['train', '--set', 'epochs'], []),
    follow: async (next) => {
      const { train } = await program(['train', ...commandIn(next, /--set \S+/).split(' ')]);
      expect(train?.config.optimizer.momentum).toBe(0.9);
    },
  },
  'a whole section': {
    ...flags('src/cli/config_layers.ts', '--set …', ['train', '--set', 'optimizer=adam'], []),
    follow: async (next) => {
      const { train } = await program(['train', ...commandIn(next, /--set \S+/).split(' ')]);
      expect(train?.config.optimizer.name).toBe('adam');
    },
  },
  'no such file': {
    ...flags('src/cli/config_file.ts', 'check the path', ['train', '--config', join(folder, 'none.yaml')], []),
    follow: () => program(['train']),
  },
  'a flag, or a command, that is not there': {
    says: ['tfjs-parallel --help', 'tfjs-parallel … --help'].map((begins) => ({ file: 'src/cli/fail.ts', begins })),
    provoke: async () => {
      const error: unknown = await program(['train', '--zzz']).catch((thrown: unknown) => thrown);
      const { text } = describeFailure(error, { verbose: false, command: 'train' });
      return { next: text.split('next: ')[1].trim() };
    },
    follow: async (next) => {
      const help: unknown = await program(next.split(' ').slice(1)).catch((thrown: unknown) => thrown);
      expect(help).toMatchObject({ code: 'commander.helpDisplayed', exitCode: 0 });
    },
  },
  'resume and config': {
    says: [{ file: 'src/cli/resolve_config.ts', begins: 'leave out --config' }],
    provoke: () => {
      const run = runFolder('resumed');
      return refusal(() => program(['train', '--resume', run, '--config', join(run, 'config.yaml')]));
    },
    follow: async (next) => {
      const run = runFolder('resumed');
      expect((await program(['train', '--resume', run])).train?.resume).toBe(run);
      const anew = await program(['train', '--config', join(run, 'config.yaml'), commandIn(next, /--init-from/), run]);
      expect(anew.train?.initFrom).toBe(run);
    },
  },
  'a coordinator without shards': {
    ...flags('src/cli/commands/coordinator.ts', 'give --shards N', ['coordinator'], []),
    follow: async (next) => {
      expect((await program(['coordinator', ...filled(next, /--shards N/, '4')])).coordinator?.config.shards).toBe(4);
    },
  },
  'too long a silence': flags(
    'src/cli/commands/coordinator.ts',
    'for example --silence',
    ['coordinator', '--shards', '2', '--silence', '99999999'],
    [/--silence \d+/],
  ),
  'a worker without a coordinator': flags(
    'src/cli/commands/worker.ts',
    'say where',
    ['worker'],
    [/--host 10\S+(?=;)/, /--host 127\.0\.0\.1/],
  ),
  'too long a name': flags(
    'src/cli/commands/worker.ts',
    'for example --worker-name',
    ['worker', '--host', '127.0.0.1', '--worker-name', 'x'.repeat(5_000)],
    [/--worker-name [\w-]+/],
  ),
  'a file where init would write one': {
    says: ['Name another folder', 'Name a folder that'].map((begins) => ({ file: 'src/init/write_project.ts', begins })),
    provoke: () => {
      const write = (): unknown => writeProject(join(folder, 'begun-by-hand'), [{ name: 'run.yaml', text: '' }]);
      write();
      return refusal(() => Promise.resolve().then(write));
    },
    follow: (next) => {
      const other = join(folder, commandIn(next, /(?<=tfjs-parallel init )\w+/));
      return Promise.resolve(writeProject(other, [{ name: 'run.yaml', text: '' }]));
    },
  },
  'loss weights that are not one for each output': {
    says: [{ file: 'src/objective/per_output.ts', begins: 'Write OUTPUT=NUMBER' }],
    provoke: () => refusal(() => weightsByOutput(['1', '2', '3'], ['a', 'b'])),
    follow: async (next) => {
      const { train } = await program(['train', ...commandIn(next, /--loss-weights \S+(?=, or)/).split(' ')]);
      expect(weightsByOutput(train?.config.lossWeights ?? [], ['a', 'b'])).toEqual([0.3, 1]);
    },
  },
};
