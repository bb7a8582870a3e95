/**
 * Owns: refusing wrong and misspelled options of a library call, with the option that was meant.
 * Does not: know which options a call has.
 */
import { UsageError } from '../common/errors.js';
import { knownElsewhere, nearestSetting } from '../common/settings/hints.js';
import type { configLayerSchema } from '../common/settings/schema.js';
import type { Section, Setting } from '../common/settings/setting.js';
import { isSection, SETTINGS } from '../common/settings/table.js';
import { toCamelCase } from '../common/snake_case.js';
import { suggest } from '../common/suggest.js';
import { OPTIMIZER_NAMES } from '../optimizers/settings.js';

/** Settings of the configuration that library calls offer by the same name. */
export const OFFERED: readonly string[] = Object.entries<Setting | Section>(SETTINGS).flatMap(([name, item]) =>
  !isSection(item) && item.library ? [name] : [],
);

/** What a call has by name, and where in it: `''`, `callbacks.`, `optimizer.`. */
export interface KnownOptions {
  /** `train()`. */
  readonly call: string;
  readonly known: readonly string[];
  readonly prefix: '' | 'callbacks.' | 'optimizer.';
  /** Those of the whole call, which an option of a part may have been meant for. */
  readonly all: readonly string[];
}

/** @throws UsageError OPTION_UNKNOWN */
export function refuseUnknown(given: object, { call, known, prefix, all }: KnownOptions): void {
  for (const key of Object.keys(given)) {
    if (known.includes(key)) continue;
    const hint = optionMeant(key, { known, prefix, all });
    throw new UsageError({
      code: 'OPTION_UNKNOWN',
      message: `${call} has no option ${prefix}${key}${hint.meant === undefined ? '' : `, did you mean ${hint.meant}?`}`,
      next: hint.advice ?? `leave it out; it knows ${[...new Set(known)].map((name) => `${prefix}${name}`).join(', ')}`,
    });
  }
}

/** Of the same place first, then what other tools call it. `setting.path` becomes `optimizer: { momentum }` where the option is a part. */
function optionMeant(key: string, { known, prefix, all }: Omit<KnownOptions, 'call'>): { meant?: string; advice?: string } {
  const elsewhere = prefix === 'callbacks.' ? null : knownElsewhere(key);
  if (elsewhere?.advice !== undefined) return { advice: `leave it out: ${elsewhere.advice}` };
  const near = suggest(toCamelCase(key), known);
  const path = elsewhere?.path ?? (near === null && prefix !== 'callbacks.' ? nearestSetting(key)?.path : undefined);
  if (path === undefined) return near === null ? {} : { meant: `${prefix}${near}` };
  const [first, ...rest] = path.split('.').map(toCamelCase);
  if (rest.length === 0) return known.includes(first) || all.includes(first) ? { meant: first } : {};
  if (!all.includes(first)) return {};
  return {
    meant: rest.join('.') === 'learningRate' ? 'learningRate' : `${first}: { ${rest.join(': { ')}${' }'.repeat(rest.length)}`,
  };
}

export type Issue = NonNullable<ReturnType<typeof configLayerSchema.safeParse>['error']>['issues'][number];

/** Of a value that the table of settings does not take. */
export function invalid(issue: Issue, given: Record<string, unknown>, call: string): UsageError {
  const path = issue.path.map((key) => toCamelCase(String(key)));
  if (issue.code === 'unrecognized_keys') {
    const key = [...path, toCamelCase(issue.keys[0])].join('.');
    return new UsageError({
      code: 'OPTION_UNKNOWN',
      message: `${call} has no option ${key}`,
      next: 'correct the name, or leave it out',
    });
  }
  const isName = (value: unknown): boolean => OPTIMIZER_NAMES.some((name) => name === value);
  if (path.join('.') === 'optimizer' && isName(given.optimizer))
    return wrong('optimizer', `an object: { name: '${given.optimizer as string}' }`, given.optimizer);
  const found = path.reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], given);
  return wrong(path.join('.'), issue.message, found);
}

export function wrong(option: string, wanted: string, found: unknown): UsageError {
  const shown = typeof found === 'object' || typeof found === 'string' ? JSON.stringify(found) : String(found);
  return new UsageError({
    code: 'OPTION_INVALID',
    message: `${option} must be ${wanted}, found ${shown}`,
    next: 'correct the value',
  });
}
