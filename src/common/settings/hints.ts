/**
 * Owns: what may be meant by a name that no setting has: one that is nearly right, or what another tool calls it.
 * Does not: word the message: the command line, files and the library call each do.
 */
import { toSnakeCase } from '../snake_case.js';
import { suggest } from '../suggest.js';
import { SETTING_LIST } from './table.js';

/** Options of other tools that are no settings here. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  validation_split: 'the data says what is validated: a module or arrays with train and validation sets',
  validation_data: 'the data says what is validated: a module or arrays with train and validation sets',
  val_split: 'the data says what is validated: a module or arrays with train and validation sets',
  shuffle: 'every epoch is shuffled, by the seed',
  verbose: '-v on the command line, or onProgress and observer in the library',
  resume_from_checkpoint: '--resume RUN',
  checkpoint: '--resume RUN, or --init-from MODEL',
  load_from: '--resume RUN, or --init-from MODEL',
  pretrained: '--init-from MODEL',
};

export type Hint =
  { readonly path: string; readonly advice?: undefined } | { readonly advice: string; readonly path?: undefined };

/** `--batch-size`, `batchSize`, `batch_size`, `BATCH_SIZE` are one name. */
function plain(word: string): string {
  const name = word.replace(/^-+(no-)?/, '');
  return (/[a-z]/.test(name) ? toSnakeCase(name) : name.toLowerCase()).replaceAll('-', '_');
}

/** By a name that is known elsewhere, in this table or in another tool; null where none is. */
export function knownElsewhere(word: string): Hint | null {
  const name = plain(word);
  const found =
    SETTING_LIST.find(({ path }) => path === name || path.split('.').at(-1) === name) ??
    SETTING_LIST.find(({ setting }) => setting.formerly === name || setting.aliases.includes(name));
  if (found !== undefined) return { path: found.path };
  return Object.hasOwn(ELSEWHERE, name) ? { advice: ELSEWHERE[name] } : null;
}

/** The setting whose name, path or alias is nearest to a mistyped one. */
export function nearestSetting(word: string): Hint | null {
  const byName = new Map<string, string>();
  for (const { path, setting } of SETTING_LIST)
    for (const name of [path, path.split('.').at(-1) ?? path, ...setting.aliases]) if (!byName.has(name)) byName.set(name, path);
  // Short aliases (lr, eps) are near to everything.
  const name = suggest(
    plain(word),
    [...byName.keys()].filter((known) => known.length > 3),
  );
  const path = name === null ? undefined : byName.get(name);
  return path === undefined ? null : { path };
}

/** What to say of a name that no setting has. */
export function hintFor(word: string): Hint | null {
  return knownElsewhere(word) ?? nearestSetting(word);
}
