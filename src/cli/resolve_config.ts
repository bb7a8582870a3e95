/**
 * Owns: the merge: flag > environment > file > default, and where each value came from.
 * Does not: read the file (config_file.ts), check single layers (config_layers.ts), or write `config.yaml` (src/coordinator/storage/run_folder/run_folder.ts).
 */
import { existsSync, lstatSync } from 'node:fs';
import { basename, extname, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { checkConfig, type Provenance } from '../common/config_checks.js';
import { StorageError, UsageError } from '../common/errors.js';
import type { SettingChange } from '../common/setting_change.js';
import {
  completeConfig,
  settingAt,
  SETTING_LIST,
  SETTING_PATHS,
  type ConfigLayer,
  type TrainConfig,
} from '../common/settings/table.js';
import { valueAt } from '../common/snake_case.js';
import { readConfigFile, readRunConfig, shownPathOf } from './config_file.js';
import { checkLayer, commandLineLayer, environmentLayer, nest, type FlagValue, type Layer } from './config_layers.js';
import { packageFolder } from '../system/package_info.js';

export interface ResolvedConfig {
  config: TrainConfig;
  /** Dotted snake_case path → `flag --batch`, `environment TFJS_PARALLEL_BATCH`, `config/mnist.yaml:12`, `default`. */
  provenance: Provenance;
  /** The same of settings that somebody named: no default, and nothing of the file that is read where none is named. */
  given: Provenance;
  /** Runs are named after it: the file's name without its ending; without `--config`, the model's or else the data's where it is not the reference run's. */
  configName: string;
  /** What was given and does nothing, one sentence each. */
  warnings: string[];
  /** What `--resume` found and was told; null for a new run. */
  resumed: ResumedSettings | null;
}

interface ResumedSettings {
  /** As the run's config.yaml has them. */
  recorded: TrainConfig;
  /** The run's settings that this call gives other values. */
  changes: SettingChange[];
  /** This call says nothing of max_steps. */
  maxStepsRecorded: boolean;
}

export interface ConfigSources {
  /** `--config`; null for the package's config/mnist.yaml. */
  file: string | null;
  /** `--resume RUN`: its config.yaml is the file, and what the result depends on stays as it was. */
  resume: string | null;
  environment: Record<string, string | undefined>;
  flags: readonly FlagValue[];
  sets: readonly string[];
}

/** @throws UsageError */
export function resolveConfig({ file, resume, environment, flags, sets }: ConfigSources): ResolvedConfig {
  if (resume !== null && file !== null) {
    throw new UsageError({
      code: 'RESUME_AND_CONFIG',
      message: `--resume ${resume} continues with the run's own configuration, and --config ${file} names another`,
      next: 'leave out --config to continue; to start anew from those weights use --init-from',
    });
  }
  const filePath = resume !== null ? join(resume, 'config.yaml') : (file ?? join(packageFolder(), 'config', 'mnist.yaml'));
  if (resume !== null) requireRunFolder(resume, filePath);
  const fromEnvironment = environmentLayer(environment);
  const settings = new Map<string, { value: unknown; source: string }>();
  for (const { path, setting } of SETTING_LIST) settings.set(path, { value: setting.default, source: 'default' });
  const ofFile = resume === null ? readConfigFile(filePath) : readRunConfig(filePath);
  overlay(settings, ofFile);
  const saved = new Map(settings);
  overlay(settings, fromEnvironment.layer);
  overlay(settings, commandLineLayer({ flags, sets }));
  if (file === null && resume === null) dropReportsRule({ saved, settings });
  if (resume !== null) requireUnchanged({ saved, settings, resume });

  const provenance = Object.fromEntries([...settings].map(([setting, { source }]) => [setting, source]));
  const isUnnamed = (path: string, source: string): boolean =>
    source === 'default' || (resume === null && file === null && source === ofFile.sourceOf(path));
  const given = Object.fromEntries(Object.entries(provenance).filter(([path, source]) => !isUnnamed(path, source)));
  const config = configOf(settings);
  const warnings = [...fromEnvironment.warnings, ...checkConfig(config, provenance)];
  const namesake = file === null && resume === null ? (changedOf(['model', 'data'], { saved, settings }) ?? filePath) : filePath;
  const configName = runName(basename(namesake, extname(namesake)));
  if (resume === null) return { config, provenance, given, configName, warnings, resumed: null };
  const resumed: ResumedSettings = {
    recorded: configOf(saved),
    changes: changesOf({ saved, settings }),
    maxStepsRecorded: settings.get('max_steps')?.source === saved.get('max_steps')?.source,
  };
  return {
    config,
    provenance,
    given,
    configName,
    warnings: [...warnings, ...placeIgnored({ saved, settings, resume })],
    resumed,
  };
}

function configOf(settings: Settings): TrainConfig {
  return completeConfig(nest([...settings].map(([path, { value }]) => ({ path, value }))));
}

function changesOf({ saved, settings }: { saved: Settings; settings: Settings }): SettingChange[] {
  return [...settings].flatMap(([path, { value, source }]) => {
    const before = saved.get(path)?.value;
    return settingAt(path)?.resume !== 'call' && !isDeepStrictEqual(before, value) ? [{ path, before, value, source }] : [];
  });
}

/** A run does not move or change its name by being resumed. */
function placeIgnored({ saved, settings, resume }: { saved: Settings; settings: Settings; resume: string }): string[] {
  return ['run_dir', 'name'].flatMap((path) => {
    const { value, source } = settings.get(path) ?? {};
    if (value === saved.get(path)?.value) return [];
    return [`${path} (${source}) has no effect: the run goes on in ${shownPathOf(resume)}`];
  });
}

/** The first of these settings, texts all, that is not as the file has it. */
function changedOf(paths: readonly string[], { saved, settings }: { saved: Settings; settings: Settings }): string | null {
  const changed = paths.find((path) => settings.get(path)?.value !== saved.get(path)?.value);
  return changed === undefined ? null : String(settings.get(changed)?.value);
}

/** Of other models and data an accuracy of 0.993 means nothing. */
function dropReportsRule({
  saved,
  settings,
}: {
  saved: Settings;
  settings: Map<string, { value: unknown; source: string }>;
}): void {
  const isOther = changedOf(['model', 'data', 'monitor'], { saved, settings }) !== null;
  if (isOther && settings.get('save_above')?.source === saved.get('save_above')?.source)
    settings.set('save_above', { value: settingAt('save_above')?.default, source: 'default' });
}

/** A name that can be a folder's on any machine. */
function runName(fileName: string): string {
  return fileName.replaceAll(/[^A-Za-z0-9._-]+/g, '-').replace(/^[^A-Za-z0-9]+/, '') || 'run';
}

function requireRunFolder(folder: string, configFile: string): void {
  if (lstatSync(configFile, { throwIfNoEntry: false }) !== undefined) return;
  throw new StorageError({
    code: 'RUN_NOT_FOUND',
    message: existsSync(folder) ? `${folder} is not the folder of a run: it has no config.yaml` : `${folder} does not exist`,
    next: 'give the folder of a run, such as runs/mnist-001; ls shows those there are',
  });
}

/**
 * gpus and workers are one choice of devices: where a stronger layer gives one of them, the other does not outlive from a weaker one.
 * Only `gpus: none` leaves the number of workers as it was.
 */
function forgetOtherDevices(settings: Map<string, { value: unknown; source: string }>, values: ConfigLayer): void {
  const forget = (path: string) => settings.set(path, { value: null, source: 'default' });
  if (values.gpus !== undefined && values.gpus !== 'none') forget('workers');
  if (values.workers !== undefined) forget('gpus');
}

function overlay(settings: Map<string, { value: unknown; source: string }>, layer: Layer): void {
  const values = checkLayer(layer);
  forgetOtherDevices(settings, values);
  for (const path of SETTING_PATHS) {
    const value = valueAt(values, path);
    if (value !== undefined) settings.set(path, { value, source: layer.sourceOf(path) });
  }
}

type Settings = ReadonlyMap<string, { value: unknown; source: string }>;

function requireUnchanged({ saved, settings, resume }: { saved: Settings; settings: Settings; resume: string }): void {
  for (const { path, setting } of SETTING_LIST) {
    if (setting.resume !== 'fixed') continue;
    const before = JSON.stringify(saved.get(path)?.value);
    const now = settings.get(path);
    if (now === undefined || JSON.stringify(now.value) === before) continue;
    throw new UsageError({
      code: 'RESUME_CHANGED',
      message: `${path} is ${before} in the run ${shownPathOf(resume)}, and ${now.source} makes it ${JSON.stringify(now.value)}`,
      next: `leave it out to continue the run, or start a new one from its weights, with its model and all its settings but this: ${anew(resume, saved)}`,
    });
  }
}

/** A new run from this one's weights, to which the changed setting is added as it was typed. A run that was given its name needs another one. */
function anew(run: string, saved: Settings): string {
  const name = saved.get('name')?.value;
  return `--config ${join(run, 'config.yaml')} --init-from ${run}${typeof name === 'string' ? ` --name ${name}-2` : ''}`;
}
