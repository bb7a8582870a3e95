/**
 * Owns: the configuration of a command as it was typed: flags and `--set` read, merged, warned about.
 * Does not: merge (resolve_config.ts), which is imported here and not before, because it brings the schema with it.
 */
import type { Command } from 'commander';
import type { CommandContext } from './context.js';
import type { ResolvedConfig } from './resolve_config.js';
import { readOption, readSets, readSettingFlags } from './setting_flags.js';

export interface ResolveOptions {
  /** `train --resume`. */
  resume?: string | null;
  /** A file to read where `--config` is not given. */
  defaultFile?: string | null;
  /** What `--data` says where it is no setting of the command: what data they are decides which settings mean something. */
  data?: string | null;
}

/** @throws UsageError */
export async function resolveFor(
  command: Command,
  context: CommandContext,
  options: ResolveOptions = {},
): Promise<ResolvedConfig> {
  const { data = null } = options;
  const { resolveConfig } = await import('./resolve_config.js');
  const resolved = resolveConfig({
    file: readOption(command, 'config') ?? options.defaultFile ?? null,
    resume: options.resume ?? null,
    environment: context.environment,
    flags: [...readSettingFlags(command), ...(data === null ? [] : [{ path: 'data', flag: '--data', value: data }])],
    sets: readSets(command),
  });
  for (const warning of resolved.warnings) context.warn(warning);
  return resolved;
}
