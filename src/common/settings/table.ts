/**
 * Owns: all settings, each once, in the order of a configuration file, and what follows from the rows alone: types, paths, the resolved configuration.
 * Does not: check values (schema.ts, which brings zod with it) or say what is meant by a wrong name (hints.ts). How to add a setting: setting.ts.
 */
import { toSnakeCase } from '../snake_case.js';
import { OPTIMIZER } from './optimizer_settings.js';
import { DEVICE_SETTINGS, OUTPUT_SETTINGS, SAVING_SETTINGS } from './place_settings.js';
import { DATA_SETTINGS, GOAL_SETTINGS, TRAINING_SETTINGS } from './training_settings.js';
import { EARLY_STOPPING, REDUCE_ON_PLATEAU } from './watch_settings.js';
import type { ConfigOf, Items, Section, Setting } from './setting.js';

export const SETTINGS = {
  ...DATA_SETTINGS,
  ...TRAINING_SETTINGS,
  optimizer: OPTIMIZER,
  earlyStopping: EARLY_STOPPING,
  reduceOnPlateau: REDUCE_ON_PLATEAU,
  ...DEVICE_SETTINGS,
  ...SAVING_SETTINGS,
  ...GOAL_SETTINGS,
  ...OUTPUT_SETTINGS,
} as const;

/** What a run is made of, resolved: the type every part reads. */
export type TrainConfig = ConfigOf<typeof SETTINGS>;

type Table = typeof SETTINGS;
/** Settings that the library call offers by the same name; it has `optimizer` besides. */
export type LibrarySetting = { [Name in keyof Table]: Table[Name] extends { library: true } ? Name : never }[keyof Table];
/** Settings that a worker's job carries. */
export type WorkerSetting = { [Name in keyof Table]: Table[Name] extends { workers: true } ? Name : never }[keyof Table];

export interface ListedSetting {
  /** As in files and `--set`: dotted, snake_case. */
  readonly path: string;
  readonly setting: Setting;
}

export const isSection = (item: Setting | Section): item is Section => 'items' in item;

/** All settings, sections left out: `batch`, `optimizer.learning_rate`, `optimizer.schedule.name`, … */
export const SETTING_LIST: readonly ListedSetting[] = listed(SETTINGS, '');
export const SETTING_PATHS: readonly string[] = SETTING_LIST.map(({ path }) => path);

function listed(items: Items, prefix: string): ListedSetting[] {
  return Object.entries(items).flatMap(([name, item]) => {
    const path = `${prefix}${toSnakeCase(name)}`;
    return isSection(item) ? listed(item.items, `${path}.`) : [{ path, setting: item }];
  });
}

/** The path of today by the one that a setting had before. */
export const FORMER_PATHS: ReadonlyMap<string, string> = new Map(
  SETTING_LIST.flatMap(({ path, setting: { formerly } }) => (formerly === undefined ? [] : [[formerly, path]])),
);

const BY_PATH = new Map(SETTING_LIST.map(({ path, setting }) => [path, setting]));

export function settingAt(path: string): Setting | undefined {
  return BY_PATH.get(path);
}

/** Whether it is a setting, and the command takes it by its flag. */
export function isSettingOf(command: string | undefined, path: string): boolean {
  return settingAt(path)?.commands?.some((name) => name === command) === true;
}

/** Any part of a configuration, as nested as in a file, keys in snake_case, values known to fit schema.ts. */
export type ConfigLayer = Readonly<Record<string, unknown>>;

/** The whole configuration: what the layer does not say has its default. */
export function completeConfig(layer: ConfigLayer): TrainConfig;
export function completeConfig(layer: ConfigLayer): Record<string, unknown> {
  return complete(SETTINGS, layer);
}

function complete(items: Items, given: ConfigLayer): Record<string, unknown> {
  const values = Object.entries(items).map(([name, item]) => {
    const value = given[toSnakeCase(name)];
    return [
      name,
      isSection(item) ? complete(item.items, (value ?? {}) as ConfigLayer) : value === undefined ? item.default : value,
    ];
  });
  return Object.fromEntries(values) as Record<string, unknown>;
}

/** What a worker needs to know of a configuration. */
export function workerSettings(config: TrainConfig): Pick<TrainConfig, WorkerSetting>;
export function workerSettings(config: TrainConfig): Record<string, unknown> {
  return Object.fromEntries(Object.entries(config).filter(([name]) => isOfWorkers(name)));
}

export const isOfWorkers = (name: string): boolean => settingAt(toSnakeCase(name))?.workers === true;
