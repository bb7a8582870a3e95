/**
 * Owns: the flags that set a configuration's values: their spelling, help, group, and the setting each stands for.
 * Does not: check values (config_layers.ts does, through the schema) or hold flags that are no settings (each command's file).
 */
import { Option, type Command } from 'commander';
import { UsageError } from '../common/errors.js';
import type { FlagValue } from './config_layers.js';

interface SettingFlag {
  /** As commander reads it. */
  flags: string;
  /** Dotted snake_case path in the configuration. */
  path: string;
  help: string;
  group: string;
}

export const GROUP = {
  data: 'Model and data:',
  training: 'Training:',
  devices: 'Devices:',
  saving: 'Saving and resuming:',
  output: 'Output:',
  config: 'Configuration:',
  network: 'Network:',
} as const;

/** In the order of --help. */
export const SETTING_FLAGS = {
  model: {
    flags: '--model <model>',
    path: 'model',
    help: 'gluon_cnn, a model.json (tf.LayersModel), or a module exporting createModel(tf)',
    group: GROUP.data,
  },
  data: {
    flags: '--data <data>',
    path: 'data',
    help: 'mnist, idx, synthetic, or a module exporting train and validation sets',
    group: GROUP.data,
  },
  dataDir: {
    flags: '--data-dir <folder>',
    path: 'data_dir',
    help: 'folder with the IDX files, instead of downloading MNIST',
    group: GROUP.data,
  },
  trainLimit: { flags: '--train-limit <n>', path: 'train_limit', help: 'train on the first n examples only', group: GROUP.data },
  validationLimit: {
    flags: '--validation-limit <n>',
    path: 'validation_limit',
    help: 'validate on the first n examples only',
    group: GROUP.data,
  },
  loss: {
    flags: '--loss <name>',
    path: 'loss',
    help: 'softmax_cross_entropy, sigmoid_cross_entropy or mean_squared_error',
    group: GROUP.training,
  },
  epochs: { flags: '--epochs <n>', path: 'epochs', help: 'passes over the training set', group: GROUP.training },
  maxSteps: { flags: '--max-steps <n>', path: 'max_steps', help: 'stop after n steps in all', group: GROUP.training },
  batch: { flags: '--batch <n>', path: 'batch', help: 'examples a step, over all replicas together', group: GROUP.training },
  lr: { flags: '--lr <rate>', path: 'optimizer.learning_rate', help: 'learning rate', group: GROUP.training },
  seed: {
    flags: '--seed <n>',
    path: 'seed',
    help: 'decides initial weights, order and dropout masks',
    group: GROUP.training,
  },
  shards: {
    flags: '--shards <n>',
    path: 'shards',
    help: 'pieces a batch is cut into; fixes the result (default: one per replica; none in a cluster)',
    group: GROUP.training,
  },
  target: {
    flags: '--target <fraction>',
    path: 'target',
    help: 'exit with code 8 if validation accuracy never reaches it',
    group: GROUP.training,
  },
  gpus: {
    flags: '--gpus <list>',
    path: 'gpus',
    help: '0,1 or 0-3 or all or none (default: all, or the CPU where there is none)',
    group: GROUP.devices,
  },
  workers: { flags: '--workers <n>', path: 'workers', help: 'replicas on the CPU', group: GROUP.devices },
  threadsPerWorker: {
    flags: '--threads-per-worker <n>',
    path: 'threads_per_worker',
    help: 'CPU threads per replica (default: cores / replicas)',
    group: GROUP.devices,
  },
  precision: { flags: '--precision <name>', path: 'precision', help: 'fp32 or bf16', group: GROUP.devices },
  noCompile: {
    flags: '--no-compile',
    path: 'compile',
    help: 'run operation by operation instead of one graph function a step',
    group: GROUP.devices,
  },
  runDir: { flags: '--run-dir <folder>', path: 'run_dir', help: 'where run folders go', group: GROUP.saving },
  name: {
    flags: '--name <name>',
    path: 'name',
    help: "the run's name (default: <config, model or data>-001, ...)",
    group: GROUP.saving,
  },
  saveAbove: {
    flags: '--save-above <fraction>',
    path: 'save_above',
    help: 'save the model when validation accuracy is at least this and the best so far',
    group: GROUP.saving,
  },
  keep: { flags: '--keep <n>', path: 'keep', help: 'states kept to resume from', group: GROUP.saving },
  checkpointEvery: {
    flags: '--checkpoint-every <when>',
    path: 'checkpoint_every',
    help: 'epoch, 60s, "500 steps", or several joined by commas',
    group: GROUP.saving,
  },
  onCheckpointFailure: {
    flags: '--on-checkpoint-failure <what>',
    path: 'on_checkpoint_failure',
    help: 'continue or stop',
    group: GROUP.saving,
  },
  reporter: { flags: '--reporter <name>', path: 'reporter', help: 'text, or json: one record a line', group: GROUP.output },
  logEvery: { flags: '--log-every <n>', path: 'log_every', help: 'report every n steps', group: GROUP.output },
} as const satisfies Record<string, SettingFlag>;

export type SettingFlagName = keyof typeof SETTING_FLAGS;

/** Adds these flags and `--config`, `--set`, `-v`. */
export function addSettingFlags(command: Command, names: readonly SettingFlagName[]): Command {
  for (const name of names) {
    const { flags, help, group } = SETTING_FLAGS[name];
    command.addOption(new Option(flags, help).helpGroup(group));
  }
  command.addOption(
    new Option('--config <file>', 'YAML or JSON (default: config/mnist.yaml of the package)').helpGroup(GROUP.config),
  );
  const collect = (assignment: string, before: string[] | undefined) => [...(before ?? []), assignment];
  command.addOption(
    new Option('--set <key=value>', 'any setting by its name in the file; may be repeated')
      .argParser(collect)
      .helpGroup(GROUP.config),
  );
  command.addOption(new Option('-v, --verbose', 'more detail, stacks of errors').helpGroup(GROUP.output));
  return command;
}

/** The flags as typed: what was not typed is left to the environment, the file and the defaults. */
export function readSettingFlags(command: Command, names: readonly SettingFlagName[]): FlagValue[] {
  return names.flatMap((name): FlagValue[] => {
    const { flags, path } = SETTING_FLAGS[name];
    const option = new Option(flags);
    if (command.getOptionValueSource(option.attributeName()) !== 'cli') return [];
    return [{ path, flag: option.long ?? flags, value: command.getOptionValue(option.attributeName()) as string | boolean }];
  });
}

/** What was typed besides settings and where to start from. */
export function typedFlags(command: Command): string[] {
  const settings = new Set<string>(Object.values(SETTING_FLAGS).map(({ flags }) => flags.split(' ')[0]));
  return command.options.flatMap((option) => {
    const name = option.attributeName();
    if (command.getOptionValueSource(name) !== 'cli' || settings.has(option.long ?? '') || NOT_REPEATED.has(name)) return [];
    const value = command.getOptionValue(name) as string | boolean;
    return typeof value === 'boolean' ? [option.long ?? ''] : [option.long ?? '', value];
  });
}

/** How the run was begun, and how much this call says. */
const NOT_REPEATED = new Set(['resume', 'initFrom', 'config', 'set', 'verbose']);

/** `--set` values, in order. */
export function readSets(command: Command): string[] {
  return (command.getOptionValue('set') as string[] | undefined) ?? [];
}

export function readOption(command: Command, name: string): string | null {
  return (command.getOptionValue(name) as string | undefined) ?? null;
}

export function readSwitch(command: Command, name: string): boolean {
  return command.getOptionValue(name) === true;
}

/** For flags that are no settings. @throws UsageError VALUE_INVALID */
export function wholeNumber(text: string, { flag, atLeast }: { flag: string; atLeast: number }): number {
  const value = /^\s*\d+\s*$/.test(text) ? Number(text) : Number.NaN;
  if (value >= atLeast && Number.isSafeInteger(value)) return value;
  throw new UsageError({
    code: 'VALUE_INVALID',
    message: `${flag} must be a whole number of at least ${atLeast}, found "${text}"`,
    next: `for example ${flag} ${Math.max(atLeast, 2)}`,
  });
}
