import { SETTING_LIST, type TrainConfig } from './settings/table.js';
import { renameKeys, toSnakeCase, valueAt } from './snake_case.js';

/**
 * Owns: what a resume was told, as data: the settings it changes, and which of them the run keeps.
 * Does not: find them (src/cli/resolve_config.ts) or write them (src/coordinator/storage/run_folder/config_yaml.ts).
 */
export interface SettingChange {
  /** Dotted snake_case path. */
  readonly path: string;
  readonly before: unknown;
  readonly value: unknown;
  /** `flag --epochs`, `environment TFJS_PARALLEL_EPOCHS`. */
  readonly source: string;
}

/** The run's settings that a call by options gives other values than the run had last. */
export function changesSince(before: TrainConfig, now: TrainConfig): SettingChange[] {
  const [then, present] = [before, now].map((config) => renameKeys(config, toSnakeCase));
  return SETTING_LIST.filter(({ setting }) => setting.resume === 'kept').flatMap(({ path }) => {
    const [was, is] = [valueAt(then, path), valueAt(present, path)];
    return JSON.stringify(was) === JSON.stringify(is) ? [] : [{ path, before: was, value: is, source: 'option' }];
  });
}
