/**
 * Owns: the tokens that single workers have: a folder beside the shared token, a file of mode 600 for each, named as the worker.
 * Does not: let anybody in (coordinator/cluster/server.ts does). They may be made and taken back while a run goes on.
 */
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { errorCode } from '../common/error_facts.js';
import { ClusterError, UsageError } from '../common/errors.js';
import { isToken } from '../common/protocol/login.js';
import { makeFolder } from '../system/make_folder.js';
import { secretOf, type Secret } from './secrets.js';
import { defaultTokenFile, type TokenSource } from './token.js';

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const MAX_TOKENS = 10_000;
/** The folder is looked at again this long after the last time, ms: for a token that is not known, and for those taken back. */
const FRESH_MS = 500;

/** `token` → `token.workers`, beside the shared token that the coordinator uses. */
export function workerTokenFolder(source: TokenSource, environment: Record<string, string | undefined>): string {
  return `${source.kind === 'file' ? source.path : defaultTokenFile(environment)}.workers`;
}

/** @returns the file to copy to that worker. @throws UsageError TOKEN_NAME, TOKEN_EXISTS, ClusterError TOKEN_FILE */
export function addWorkerToken(folder: string, name: string, { replace }: { replace: boolean }): string {
  requireName(name);
  const path = join(folder, name);
  if (!replace && listWorkerTokens(folder).includes(name)) {
    throw new UsageError({
      code: 'TOKEN_EXISTS',
      message: `${name} has a token: ${path}`,
      next: 'Copy that file to the worker, or give it a new one with --replace: the old one is refused from then on.',
    });
  }
  const temporary = join(folder, `.${name}.${process.pid}`);
  try {
    makeFolder(folder, 0o700);
    writeFileSync(temporary, `${randomBytes(32).toString('base64url')}\n`, { mode: 0o600, flag: 'wx' });
    // Appears whole: a coordinator reads it at any moment.
    renameSync(temporary, path);
  } catch (cause) {
    rmSync(temporary, { force: true });
    throw fileError(`make ${path}`, cause);
  }
  return path;
}

/** In alphabetical order. */
export function listWorkerTokens(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => NAME.test(name))
      .sort();
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw fileError(`read ${folder}`, cause);
  }
}

/** @throws UsageError TOKEN_UNKNOWN, ClusterError TOKEN_FILE */
export function revokeWorkerToken(folder: string, name: string): void {
  requireName(name);
  try {
    rmSync(join(folder, name));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw fileError(`delete ${join(folder, name)}`, cause);
    const known = listWorkerTokens(folder);
    throw new UsageError({
      code: 'TOKEN_UNKNOWN',
      message: `no worker ${name} has a token in ${folder}`,
      next:
        known.length === 0
          ? 'Nobody has one of its own: make one with `tfjs-parallel token add NAME`.'
          : `Those that have: ${known.join(', ')}.`,
    });
  }
}

function requireName(name: string): void {
  if (NAME.test(name)) return;
  throw new UsageError({
    code: 'TOKEN_NAME',
    message: `a worker's name for its token has 1 to 64 letters, digits, dots, dashes or underscores and begins with a letter or digit, found ${JSON.stringify(name.slice(0, 80))}`,
    next: 'For example `tfjs-parallel token add rack-2`.',
  });
}

function fileError(what: string, cause: unknown): ClusterError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new ClusterError({
    code: 'TOKEN_FILE',
    message: `cannot ${what}: ${why}`,
    next: 'Check the folder, its disk and its owner.',
    cause,
  });
}

interface Known {
  readonly secret: Secret;
  readonly name: string;
}

/** What a coordinator knows of them, read anew as the folder changes. */
export class WorkerTokens {
  #known = new Map<string, Known>();
  #readMs = -Infinity;
  /** Names whose file is not taken, told once. */
  readonly #told = new Set<string>();

  /** `say` hears in one line of a file that is not taken. */
  constructor(
    private readonly folder: string,
    private readonly say: (line: string) => void = () => {},
  ) {}

  find(id: string): Known | null {
    this.#refresh();
    return this.#known.get(id) ?? null;
  }

  get size(): number {
    this.#refresh();
    return this.#known.size;
  }

  #refresh(): void {
    const now = performance.now();
    if (now - this.#readMs < FRESH_MS) return;
    this.#readMs = now;
    const names = namesIn(this.folder);
    // A disk or a system that refuses for a moment takes nobody's token back.
    if (names === null) return;
    const before = new Map([...this.#known.values()].map((known) => [known.name, known]));
    const known = new Map<string, Known>();
    for (const name of names.slice(0, MAX_TOKENS)) {
      const found = tokenIn(join(this.folder, name));
      const kept = found.kind === 'refused' ? before.get(name) : undefined;
      const secret = found.kind === 'token' ? secretOf(found.token) : kept?.secret;
      if (found.kind === 'foreign') this.#tell(name, found.why);
      else this.#told.delete(name);
      if (secret !== undefined) known.set(secret.id, { secret, name });
    }
    this.#known = known;
  }

  #tell(name: string, why: string): void {
    if (this.#told.has(name)) return;
    this.#told.add(name);
    this.say(`the token of ${name} is not taken: ${join(this.folder, name)} ${why}`);
  }
}

/** Null where the system does not tell. */
function namesIn(folder: string): string[] | null {
  try {
    return listWorkerTokens(folder);
  } catch {
    return null;
  }
}

/** `gone`: between two looks. `refused`: the system does not let it be read now. `foreign`: it is there, and no token that can be taken. */
type Found =
  | { readonly kind: 'token'; readonly token: string }
  | { readonly kind: 'gone' | 'refused' }
  | { readonly kind: 'foreign'; readonly why: string };

/** Of a file: whoever opens a pipe waits until somebody writes. */
function tokenIn(path: string): Found {
  try {
    const found = statSync(path);
    if (!found.isFile()) return { kind: 'foreign', why: 'is no file' };
    if (found.size > MAX_TOKEN_BYTES) return { kind: 'foreign', why: `has ${found.size} bytes, and a token 43` };
    if (process.platform !== 'win32' && (found.mode & 0o022) !== 0)
      return { kind: 'foreign', why: `may be written by others (mode ${(found.mode & 0o777).toString(8)}, wanted 600)` };
    const token = readFileSync(path, 'utf8').trim();
    return isToken(token) ? { kind: 'token', token } : { kind: 'foreign', why: 'holds no token' };
  } catch (error) {
    return { kind: errorCode(error) === 'ENOENT' ? 'gone' : 'refused' };
  }
}

const MAX_TOKEN_BYTES = 1024;
