/**
 * Owns: where the cluster's token comes from, and making one.
 * Does not: accept one as an argument: everybody on a machine sees those. The token itself is in no message of any error.
 */
import { randomBytes } from 'node:crypto';
import { open, readFile, rm, stat } from 'node:fs/promises';
import { homedir, userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { errorMessage } from '../common/error_facts.js';
import { ClusterError } from '../common/errors.js';
import { isToken } from '../common/protocol/login.js';
import { makeFolder } from '../system/make_folder.js';
import { isMountedSecret } from './mounted_secret.js';

/** `default`: a file in the user's configuration folder; the coordinator makes it where it does not exist. */
export type TokenSource = { kind: 'file'; path: string } | { kind: 'environment' } | { kind: 'stdin' } | { kind: 'default' };

export interface TokenRequest {
  readonly source: TokenSource;
  /** True for the coordinator: a file that does not exist is made. */
  readonly create: boolean;
  readonly environment: Record<string, string | undefined>;
  readonly stdin: AsyncIterable<Buffer | string>;
}

export interface FoundToken {
  readonly token: string;
  /** For people: `TFJS_PARALLEL_TOKEN`, a path. */
  readonly from: string;
  readonly created: boolean;
}

/** @throws ClusterError TOKEN_MISSING, TOKEN_INVALID, TOKEN_EXPOSED, TOKEN_FILE */
export async function findToken({ source, create, environment, stdin }: TokenRequest): Promise<FoundToken> {
  if (source.kind === 'environment') {
    return {
      token: checked(environment.TFJS_PARALLEL_TOKEN ?? '', 'TFJS_PARALLEL_TOKEN'),
      from: 'TFJS_PARALLEL_TOKEN',
      created: false,
    };
  }
  if (source.kind === 'stdin')
    return { token: checked(await firstLine(stdin), 'standard input'), from: 'standard input', created: false };
  const path = source.kind === 'file' ? source.path : defaultTokenFile(environment);
  try {
    const found = await stat(path);
    if (found.isDirectory()) throw fileError('read', path, 'it is a folder');
    const { mode } = found;
    if (process.platform !== 'win32' && (mode & 0o077) !== 0 && !(await isMountedSecret(path, found))) {
      throw new ClusterError({
        code: 'TOKEN_EXPOSED',
        message: `token file ${path} may be read by others (mode ${(mode & 0o777).toString(8)}, wanted 600)`,
        next: `Run chmod 600 ${path}; where that is refused (a mounted secret), set TFJS_PARALLEL_TOKEN, or give --token-file - < ${path}.`,
      });
    }
    return { token: checked(await readFile(path, 'utf8'), path), from: path, created: false };
  } catch (error) {
    if (error instanceof ClusterError) throw error;
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw fileError('read', path, error);
  }
  if (!create) {
    throw new ClusterError({
      code: 'TOKEN_MISSING',
      message: `no token: ${path} does not exist`,
      next: "Copy the coordinator's token file here (mode 600) and pass --token-file, or set TFJS_PARALLEL_TOKEN.",
    });
  }
  const token = randomBytes(32).toString('base64url');
  try {
    makeFolder(dirname(path), 0o700);
    // Exclusive, with its mode from the first moment on: no other process ever sees it readable.
    const file = await open(path, 'wx', 0o600);
    try {
      await file.writeFile(`${token}\n`);
    } catch (error) {
      // A disk without space for it: an empty file would be taken for a token at the next start.
      await rm(path, { force: true });
      throw error;
    } finally {
      await file.close();
    }
  } catch (error) {
    throw fileError('make', path, error);
  }
  return { token, from: path, created: true };
}

function fileError(what: 'read' | 'make', path: string, cause: unknown): ClusterError {
  const why = errorMessage(cause);
  return new ClusterError({
    code: 'TOKEN_FILE',
    message: `cannot ${what} the token file ${path}: ${why}`,
    next: 'Give a file with --token-file, or set TFJS_PARALLEL_TOKEN.',
    cause,
  });
}

export function defaultTokenFile(environment: Record<string, string | undefined>): string {
  const folder = environment.XDG_CONFIG_HOME || join(homedir() || userInfo().homedir, '.config');
  return join(folder, 'tfjs-parallel', 'token');
}

function checked(text: string, from: string): string {
  const token = text.trim();
  if (isToken(token)) return token;
  throw new ClusterError({
    code: 'TOKEN_INVALID',
    message: `${from} holds no token: wanted 43 characters of base64url (256 random bits), found ${token.length} characters`,
    next: 'Use the file that the coordinator makes at its first start; it makes a new one where there is none.',
  });
}

/** At most a kilobyte: a token has 43 characters. */
async function firstLine(stdin: AsyncIterable<Buffer | string>): Promise<string> {
  let text = '';
  for await (const chunk of stdin) {
    text += chunk.toString();
    if (text.includes('\n') || text.length > 1024) break;
  }
  return text.split('\n')[0];
}
