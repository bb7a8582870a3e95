/**
 * Owns: the command that continues a run: sufficient alone, so it repeats what this call was told and the run does not keep. Never a secret.
 * Does not: print it (run_session.ts).
 */
import { isDeepStrictEqual } from 'node:util';
import type { Setting } from '../common/settings/setting.js';
import { settingAt, SETTING_LIST } from '../common/settings/table.js';
import { renameKeys, toSnakeCase, valueAt } from '../common/snake_case.js';
import type { TrainConfig } from '../common/train_config.js';

export interface Call {
  readonly command: 'train' | 'coordinator';
  /** As this call resolved it. */
  readonly config: TrainConfig;
  /** What the run's config.yaml held when this call began; null for a new run, whose file records this call. */
  readonly recorded: TrainConfig | null;
  /** Flags that are no settings, as typed: `--listen 0.0.0.0:29500`. */
  readonly typed: readonly string[];
}

/**
 * `tfjs-parallel train --resume runs/mnist-001 --workers 2`. `kept`: config.yaml has been changed as this call was told. `done`: settings
 * that have had their effect.
 */
export function resumeLine(
  { command, config, recorded, typed }: Call,
  { run, kept, done = [] }: { run: string; kept: boolean; done?: readonly string[] },
): string {
  const isKept = (setting: Setting): boolean => kept && setting.resume !== 'call';
  const differing = SETTING_LIST.filter(({ path, setting }) => !done.includes(path) && !isKept(setting)).flatMap(({ path }) => {
    const [now, then] = [settingOf(config, path), settingOf(recorded ?? config, path)];
    return isDeepStrictEqual(now, then) ? [] : [{ path, value: now }];
  });
  const flags = withoutImplied(differing).flatMap(({ path, value }) => flagOf(path, value));
  return ['tfjs-parallel', command, '--resume', run, ...flags, ...typed].map(quoted).join(' ');
}

/** One kind of devices ends the other by itself. */
function withoutImplied(settings: readonly { path: string; value: unknown }[]): readonly { path: string; value: unknown }[] {
  const given = new Set(settings.filter(({ value }) => value !== null).map(({ path }) => path));
  const implied = (path: string) => (path === 'workers' && given.has('gpus')) || (path === 'gpus' && given.has('workers'));
  return settings.filter(({ path, value }) => value !== null || !implied(path));
}

function settingOf(config: TrainConfig, path: string): unknown {
  return valueAt(renameKeys(config, toSnakeCase), path);
}

function flagOf(path: string, value: unknown): string[] {
  const flag = settingAt(path)?.flag?.split(' ');
  // A flag without a value means false: --no-compile.
  if (flag?.length === 1 && value === false) return [flag[0]];
  const isNames = settingAt(path)?.kind.kind === 'names';
  const text = typeof value === 'string' || (isNames && Array.isArray(value)) ? String(value) : JSON.stringify(value);
  return flag === undefined || flag.length === 1 ? ['--set', `${path}=${text}`] : [flag[0], text];
}

/** For a POSIX shell, and readable where nothing needs it. */
function quoted(word: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
