/**
 * Owns: the texts of `inputs` and `labels` as columns of a table or arrays of a file, by the model's names where they say which: `user=age`, `user=income`,
 * `item=price`.
 * Does not: know the model, or what the columns hold.
 */
import { tablesError } from './dataset.js';

/** What one input of the model takes, or one output answers. */
export interface NameGroup {
  /** Of the input or the output; null: nobody said it. */
  readonly name: string | null;
  /** Columns side by side, or an array. */
  readonly members: readonly string[];
}

/**
 * One group of all, where no text says a name; else one for each name, in the order in which they come. A text that is itself the name of a column says none.
 * @throws DataError DATA_TABLES where some say a name and others do not
 */
export function groupsIn(texts: readonly string[], { path, known }: { path: string; known: readonly string[] }): NameGroup[] {
  const parts = texts.map((text) => {
    const equals = known.includes(text) ? -1 : text.indexOf('=');
    return { text, name: equals === -1 ? null : text.slice(0, equals).trim(), member: text.slice(equals + 1).trim() };
  });
  const unnamed = parts.find(({ name }) => name === null);
  const named = parts.find(({ name }) => name !== null);
  if (named === undefined) return [{ name: null, members: parts.map(({ member }) => member) }];
  if (unnamed !== undefined)
    throw tablesError(
      path,
      `${named.text} says which input or output it is for, and ${unnamed.text} does not: say it of all or of none`,
    );
  const broken = parts.find(({ name, member }) => name === '' || member === '');
  if (broken !== undefined) throw tablesError(path, `${broken.text} is not of the form NAME=COLUMN, with a name of the model's`);
  const names = [...new Set(parts.map(({ name }) => name))];
  return names.map((name) => ({ name, members: parts.filter((part) => part.name === name).map(({ member }) => member) }));
}

export const membersOf = (groups: readonly NameGroup[]): string[] => groups.flatMap(({ members }) => members);

/** For people: `a, b`, or `user (age, income), item (price)`. */
export function groupsText(groups: readonly NameGroup[]): string {
  return groups.map(({ name, members }) => (name === null ? members.join(', ') : `${name} (${members.join(', ')})`)).join(', ');
}

/** As whoever keeps what was found in the files tells one choice from another. */
export function groupsKey(groups: readonly NameGroup[]): unknown {
  return groups.length === 1 && groups[0].name === null ? groups[0].members : groups;
}
