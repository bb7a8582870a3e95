/**
 * Owns: the flags of settings, as commander reads them, from the table (src/common/settings), and those that every command has besides.
 * Does not: check values (config_layers.ts does, through the schema) or hold flags that are no settings (each command's file).
 */
import { Option, type Command } from 'commander';
import { UsageError } from '../common/errors.js';
import { GROUPS, type Setting } from '../common/settings/setting.js';
import { SETTING_LIST } from '../common/settings/table.js';
import type { FlagValue } from './config_layers.js';

export const GROUP = { ...GROUPS, config: 'Configuration:', network: 'Network:' } as const;

interface FlagSetting {
  readonly path: string;
  readonly flag: string;
  readonly setting: Setting;
}

/** The settings that a command has flags for, in the table's order. */
function flagsOf(command: Command): FlagSetting[] {
  return SETTING_LIST.flatMap(({ path, setting }) => {
    const { flag, commands } = setting;
    return flag !== null && commands.some((name) => name === command.name()) ? [{ path, flag, setting }] : [];
  });
}

/** The flags of the command's settings alone. */
export function addOwnFlags(command: Command): void {
  for (const row of flagsOf(command)) {
    const [flag, ...former] = namesOf(row);
    const option = new Option(flag, row.setting.help).helpGroup(GROUP[row.setting.group]);
    command.addOption(row.setting.bare === undefined ? option : option.preset(row.setting.bare));
    for (const name of former) command.addOption(new Option(name).hideHelp().helpGroup(GROUP[row.setting.group]));
  }
}

/** Adds the command's flags and `--config`, `--set`, `-v`. */
export function addSettingFlags(command: Command): Command {
  addOwnFlags(command);
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
export function readSettingFlags(command: Command): FlagValue[] {
  return flagsOf(command).flatMap((row) =>
    namesOf(row).flatMap((name): FlagValue[] => {
      const option = new Option(name);
      if (command.getOptionValueSource(option.attributeName()) !== 'cli') return [];
      return [
        { path: row.path, flag: option.long ?? name, value: command.getOptionValue(option.attributeName()) as string | boolean },
      ];
    }),
  );
}

/** `--state-every <when>`, and what it was called before. */
function namesOf({ flag, setting: { formerly } }: FlagSetting): string[] {
  if (formerly === undefined) return [flag];
  return [flag, [`--${formerly.replaceAll('_', '-')}`, ...flag.split(' ').slice(1)].join(' ')];
}

/** What was typed besides settings and where to start from. */
export function typedFlags(command: Command): string[] {
  const settings = new Set(flagsOf(command).flatMap((row) => namesOf(row).map((name) => name.split(' ')[0])));
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
