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
