/**
 * Owns: the file and line of a fault of syntax in a user's module or what it imports: Node's own error of such a module does not say them, its check does.
 * Does not: run any of it.
 */
import { execFile } from 'node:child_process';
import { readFile, realpath } from 'node:fs/promises';
import { resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { isErrorLike } from '../common/error_facts.js';
import { userPlace } from '../common/user_place.js';

/** Files that are looked at, the module first; each costs a start of Node. */
const MOST_FILES = 12;
const CHECK_MS = 10_000;

/** Where the module, or what it imports, went wrong; undefined where that cannot be told. */
export async function placeIn(path: string, error: unknown): Promise<string | undefined> {
  const place = userPlace(error);
  return place === undefined && isErrorLike(error) && error.name === 'SyntaxError' ? syntaxFaultFrom(path) : place;
}

async function syntaxFaultFrom(path: string): Promise<string | undefined> {
  const files = new Set([await realpath(path).catch(() => resolve(path))]);
  for (const file of files) {
    const place = await syntaxFaultIn(file);
    if (place !== undefined) return place;
    for (const imported of await importedBy(file)) if (files.size < MOST_FILES) files.add(imported);
  }
  return undefined;
}

/** `node --check` begins what it has to say with the place. */
function syntaxFaultIn(file: string): Promise<string | undefined> {
  return new Promise((done) => {
    execFile(process.execPath, ['--check', file], { timeout: CHECK_MS }, (error, _, words) => {
      const place = error === null ? null : /^(?:file:\/\/)?(\/.*:\d+)$/m.exec(words);
      done(place?.[1]);
    });
  });
}

/** Its own files: packages are somebody else's. */
async function importedBy(file: string): Promise<string[]> {
  const text = await readFile(file, 'utf8').catch(() => '');
  const named = text.matchAll(/\b(?:from|import|require)\s*\(?\s*(['"])(\.{1,2}\/[^'"]+)\1/g);
  return Array.from(named, ([, , name]) => fileURLToPath(new URL(name, pathToFileURL(file))));
}
