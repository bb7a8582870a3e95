/** Advice on runs that are begun, stopped, damaged, moved and resumed, and on where they are kept. */
import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { ExpectedError } from '../../../src/common/errors.js';
import { storageError } from '../../../src/coordinator/storage/files/storage_error.js';
import { program, refusal } from '../program_under_test.js';
import { dataFile, flags, folder, modelFile, once, plain, runFolder, SIX, type Case, type Cases } from './cases.js';
import { commandIn, withFlags } from './sources.js';

const STORAGE = 'src/coordinator/storage';
const STORAGE_ERROR = `${STORAGE}/files/storage_error.ts`;
const named = (name: string, ...more: string[]): string[] => plain('--name', name, ...more);
const real = { real: true } as const;
const resumed = (run: string, ...more: string[]) => program(['train', '--resume', run, ...more], real);

/** One epoch of a run that several cases go on with, or begin from. */
const base = once(async () => {
  await program(named('base'), real);
  return join(folder, 'base');
});

/** Changes a file, tries, and puts it back. */
async function changed<Found>(path: string, change: (text: string) => string, attempt: () => Promise<Found>): Promise<Found> {
  const before = readFileSync(path, 'utf8');
  writeFileSync(path, change(before));
  try {
    return await attempt();
  } finally {
    writeFileSync(path, before);
  }
}

/** A resume that is refused for a change; with the change taken back it works, and so does a new run from the weights. */
function takenBack(begins: string, change: (run: string, attempt: () => Promise<ExpectedError>) => Promise<ExpectedError>): Case {
  return {
    says: [{ file: `${STORAGE}/state/state_match.ts`, begins }],
    provoke: async () => {
      const run = await base();
      return change(run, () => refusal(() => resumed(run, '--epochs', '2')));
    },
    follow: async (next) => {
      const run = await base();
      await fromBase(commandIn(next, /--init-from [^\s,]*[^\s,.]/));
      await resumed(run, '--epochs', '2');
    },
  };
}
const fromBase = once2((command: string) => program([...named('from-base'), ...command.split(' ')], real));

/** The same command need not run twice. */
function once2<Made>(make: (command: string) => Promise<Made>): (command: string) => Promise<Made> {
  const made = new Map<string, Promise<Made>>();
  return (command) => {
    const found = made.get(command) ?? make(command);
    made.set(command, found);
    return found;
  };
}

const SETTINGS = {
  ...{ model: modelFile('plain.mjs', 1), data: dataFile('plain_data.mjs', SIX, [1]), loss: 'mse', batch: 6, epochs: 1 },
  ...{ gpus: 'none', workers: 1, threads_per_worker: 1, shards: 1 },
};

function diverging(rate: string, begins: string, from: (next: string) => string[]): Case {
  return {
    says: [{ file: 'src/coordinator/diverging.ts', begins }],
    provoke: () =>
      refusal(() => program(withFlags(named(`diverged-${rate}`, '--epochs', '100', '--keep', '2'), `--lr ${rate}`), real)),
    follow: async (next) => {
      const clipped = commandIn(next, /--set optimizer.clip_norm=1/).split(' ');
      await program(withFlags(named(`calmer-${rate}`, ...clipped, ...from(next)), `${commandIn(next, /--lr/)} 0.001`), real);
    },
  };
}

export const RUNS_CASES: Cases = {
  'no epoch to ask why about': {
    says: [{ file: 'src/cli/commands/why.ts', begins: 'tfjs-parallel train --resume' }],
    provoke: () => {
      const run = runFolder('unasked', SETTINGS);
      writeFileSync(join(run, 'metrics.jsonl'), '');
      return refusal(() => program(['why', run]));
    },
    follow: async (next) => {
      await program(commandIn(next, /train --resume \S+/).split(' '), real);
      expect((await program(['why', join(folder, 'unasked')])).out).not.toBe('');
    },
  },
  'nothing saved yet': {
    says: [{ file: `${STORAGE}/state/saved_weights.ts`, begins: 'Train on with tfjs-parallel train --resume' }],
    provoke: () => refusal(() => program(['evaluate', runFolder('begun', SETTINGS)])),
    follow: async (next) => {
      const command = commandIn(next, /train --resume [^\s:]+/).split(' ');
      await program(command, real);
      expect((await program(['evaluate', command[2]])).out).toContain('validation loss');
    },
  },
  'a target that one epoch does not reach': {
    ...flags('src/cli/run_session.ts', 'train longer', named('short', '--monitor', 'val_loss'), []),
    provoke: async () => {
      const { events } = await program(named('long', '--epochs', '6'), real);
      const losses = events.flatMap((event) => (event.type === 'epoch' ? [event.values.val_loss] : []));
      expect(losses[5]).toBeLessThan(losses[0]);
      target = String((losses[0] + losses[5]) / 2);
      return refusal(() => program(named('short', '--monitor', 'val_loss', '--target', target), real));
    },
    follow: (next) =>
      program(withFlags(named('longer', '--monitor', 'val_loss', '--target', target), `${commandIn(next, /--epochs/)} 6`), real),
  },
  'a name that is taken, and a run to go on with': {
    says: [{ file: `${STORAGE}/run_folder/new_run_folder.ts`, begins: 'continue it with --resume' }],
    provoke: async () => {
      const args = named('taken');
      await program(args, real);
      return refusal(() => program(args, real));
    },
    follow: async (next) => {
      const [flag, path] = commandIn(next, /--resume [^\s,]+/).split(' ');
      const { events } = await program(['train', flag, path, '--epochs', '2'], real);
      expect(events.find(({ type }) => type === 'end')).toMatchObject({ epochs: 2 });
      await program(named(`${commandIn(next, /--name/).slice(2)}-other`), real);
    },
  },
  'a folder that cannot be written': {
    says: [
      'use --run-dir with a folder that can be written',
      'use --run-dir with a folder in which',
      'free some space',
      'check the disk (dmesg',
      'give yourself write',
      'use --run-dir with the path',
      'look at the system',
    ].map((begins) => ({ file: STORAGE_ERROR, begins })),
    provoke: () => {
      // The texts are one table by the system's code; the one that anybody can have is a file in the folder's place.
      for (const code of ['EROFS', 'ENOSPC', 'EIO', 'EACCES', 'ENOTDIR', 'EXYZ'])
        expect(storageNext(code)).toContain('--run-dir');
      writeFileSync(join(folder, 'file'), '');
      return refusal(() => program(withFlags(named('in-a-file'), `--run-dir ${join(folder, 'file')}`), real));
    },
    follow: (next) =>
      program(withFlags(named('elsewhere'), `${commandIn(next, /--run-dir/)} ${join(folder, 'elsewhere')}`), real),
  },
  'a folder that is moved away while its run is on': {
    says: [
      { file: STORAGE_ERROR, begins: 'do not move' },
      { file: STORAGE_ERROR, begins: 'check the mount' },
      { file: `${STORAGE}/run_folder/run_lock.ts`, begins: 'do not move' },
    ],
    provoke: () => {
      // A network file system that loses the folder says the same in other words.
      expect(storageNext('ESTALE')).toContain('--resume');
      const [run, away] = [join(folder, 'moved'), join(folder, 'moved-away')];
      const onEvent = ({ type }: { type: string }): void => void (type === 'epoch' && existsSync(run) && renameSync(run, away));
      return refusal(() => program(named('moved', '--epochs', '3', '--on-checkpoint-failure', 'stop'), { ...real, onEvent }));
    },
    follow: (next) => program(['train', commandIn(next, /--resume/), join(folder, 'moved-away')], real),
  },
  'a run that is on': {
    says: ['wait for it to end', 'stop it there'].map((begins) => ({ file: `${STORAGE}/run_folder/run_lock.ts`, begins })),
    provoke: async () => {
      let tried: Promise<ExpectedError> | undefined;
      const onEvent = ({ type }: { type: string }): void => {
        if (type === 'start') tried = refusal(() => resumed(join(folder, 'held')));
      };
      await program(named('held', '--epochs', '30'), { ...real, onEvent });
      return tried!;
    },
    follow: (next) => program(named(`${commandIn(next, /--name/).slice(2)}-beside`), real),
  },
  'no state that can be trusted': {
    says: [{ file: `${STORAGE}/run_folder/resumed_run_folder.ts`, begins: 'check the disk; start' }],
    provoke: async () => {
      await program(named('damaged'), real);
      const states = join(folder, 'damaged', 'state');
      for (const file of readdirSync(states).filter((name) => name.endsWith('.safetensors')))
        writeFileSync(join(states, file), readFileSync(join(states, file)).subarray(0, -8));
      return refusal(() => resumed(join(folder, 'damaged'), '--epochs', '2'));
    },
    follow: (next) => {
      const [flag, path] = commandIn(next, /--init-from \S+\/checkpoints\//).split(' ');
      return program(named('undamaged', flag, `${path}epoch-0001`), real);
    },
  },
  'weights of another model': {
    says: [{ file: `${STORAGE}/state/saved_model.ts`, begins: 'use the model' }],
    provoke: async () => {
      const args = withFlags(
        named('other-model', '--init-from', await base()),
        `--model ${modelFile('deeper.mjs', 1, 'model.add(tf.layers.dense({ units: 1 }))')}`,
      );
      return refusal(() => program(args, real));
    },
    follow: async (next) => {
      const model = `${commandIn(next, /--model/)} ${modelFile('plain.mjs', 1)}`;
      await program(withFlags(named('same-model', '--init-from', await base()), model), real);
    },
  },
  'a resume with another setting': {
    says: [{ file: 'src/cli/resolve_config.ts', begins: 'leave it out to continue' }],
    provoke: async () => {
      const run = await base();
      return refusal(() => program(['train', '--resume', run, '--seed', '9']));
    },
    follow: async (next) => {
      const command = commandIn(next, /--config \S+ --init-from \S+( --name \S+)?/).split(' ');
      const { train } = await program(['train', ...command, '--seed', '9', '--epochs', '2'], real);
      expect(train?.config).toMatchObject({ seed: 9, name: 'base-2' });
      await resumed(await base(), '--epochs', '2');
    },
  },
  'a resume with another model': takenBack('continue with what the run was started with', (_, attempt) =>
    changed(modelFile('plain.mjs', 1), (text) => text.replace('units: 1', "units: 1, activation: 'tanh'"), attempt),
  ),
  'a resume with layers of other names': takenBack('…, or start a new run from its weights', (_, attempt) =>
    changed(modelFile('plain.mjs', 1), (text) => text.replace('units: 1', "units: 1, name: 'other'"), attempt),
  ),
  'a resume whose configuration was changed by hand': takenBack('take back the change, to', (run, attempt) =>
    changed(join(run, 'config.yaml'), (text) => text.replace(/^seed: 1/m, 'seed: 2'), attempt),
  ),
  'a resume whose loss was changed by hand': takenBack('Take back the change', (run, attempt) =>
    changed(join(run, 'config.yaml'), (text) => text.replace(/^loss: \w+/m, 'loss: huber'), attempt),
  ),
  'a resume in other arithmetic': {
    says: [{ file: `${STORAGE}/state/state_match.ts`, begins: '…, or accept' }],
    provoke: async () => {
      await program(named('threads'), real);
      return refusal(() => resumed(join(folder, 'threads'), '--epochs', '2', '--threads-per-worker', '2'));
    },
    follow: (next) =>
      resumed(
        join(folder, 'threads'),
        '--epochs',
        '2',
        '--threads-per-worker',
        '2',
        ...commandIn(next, /--numerics relaxed/).split(' '),
      ),
  },
  'a run that diverges': diverging(
    '1.5',
    'start a new run with a lower learning rate (--lr) or clipped gradients (--set optimizer.clip_norm=1), with',
    (next) => [...['--init-from', commandIn(next, /(?<=--init-from )[^\s:]+/)]],
  ),
  'a run that diverges at once': diverging(
    '3',
    'start a new run with a lower learning rate (--lr) or clipped gradients (--set optimizer.clip_norm=1), anew',
    () => [],
  ),
  'an optimizer that takes the root of less than 0': {
    says: [{ file: 'src/optimizers/rmsprop.ts', begins: 'start a new run with --set optimizer.centered=false' }],
    provoke: () => refusal(() => program(rmsprop('centered', '--set optimizer.centered=true'), real)),
    follow: (next) => program(rmsprop('not-centered', commandIn(next, /--set \S+=false/)), real),
  },
};

/** The second of two inputs is 0: so is the gradient of its weight. */
function rmsprop(name: string, set: string): string[] {
  const data = join(folder, 'one_of_two.mjs');
  writeFileSync(
    data,
    'export const train = { x: Float32Array.of(1, 0, 2, 0, 3, 0, 4, 0), y: Float32Array.of(1, 2, 3, 4) };\nexport const inputShape = [2];\nexport const labelShape = [1];\n',
  );
  return withFlags(named(name, '--batch', '4', '--set', 'optimizer.name=rmsprop', ...set.split(' ')), `--data ${data}`);
}

let target = '';

function storageNext(code: string): string {
  return (storageError(Object.assign(new Error(code), { code, syscall: 'open' }), 'write x') as ExpectedError).next;
}
