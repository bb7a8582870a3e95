import { chmod, mkdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { expect, it } from 'vitest';
import { findToken, type TokenRequest } from '../../src/transport/token.js';
import { temporaryFolder } from '../support/temporary_folder.js';

const TOKEN = 'abcdefghijklmnopqrstuvwxyz0123456789-_ABCDE';

const ask = (changes: Partial<TokenRequest>): ReturnType<typeof findToken> =>
  findToken({ source: { kind: 'default' }, create: false, environment: {}, stdin: Readable.from([]), ...changes });

it('makes 256 random bits in a file that only its owner reads, and finds them again', async () => {
  const folder = await temporaryFolder();
  const environment = { XDG_CONFIG_HOME: folder };
  const made = await ask({ create: true, environment });
  expect(made.created).toBe(true);
  expect(made.token).toMatch(/^[A-Za-z0-9_-]{43}$/);
  const path = join(folder, 'tfjs-parallel', 'token');
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect((await stat(join(folder, 'tfjs-parallel'))).mode & 0o777).toBe(0o700);
  expect(await readFile(path, 'utf8')).toBe(`${made.token}\n`);
  expect(await ask({ environment })).toEqual({ token: made.token, from: path, created: false });
});

it('reads the environment and the first line of standard input', async () => {
  expect((await ask({ source: { kind: 'environment' }, environment: { TFJS_PARALLEL_TOKEN: TOKEN } })).token).toBe(TOKEN);
  expect((await ask({ source: { kind: 'stdin' }, stdin: Readable.from([`${TOKEN}\n`, 'more']) })).token).toBe(TOKEN);
});

it('refuses a file that others may read, by its mode', async () => {
  const folder = await temporaryFolder({ token: TOKEN });
  const path = join(folder, 'token');
  await chmod(path, 0o640);
  await expect(ask({ source: { kind: 'file', path } })).rejects.toMatchObject({
    code: 'TOKEN_EXPOSED',
    message: `token file ${path} may be read by others (mode 640, wanted 600)`,
    next: `Run chmod 600 ${path}; where that is refused (a mounted secret), set TFJS_PARALLEL_TOKEN, or give --token-file - < ${path}.`,
  });
});

it('never shows what it refuses: a short token is described by its length', async () => {
  const folder = await temporaryFolder();
  const path = join(folder, 'token');
  await writeFile(path, 'hunter2', { mode: 0o600 });
  const refused = await ask({ source: { kind: 'file', path } }).catch((error: Error) => error);
  expect(refused).toMatchObject({ code: 'TOKEN_INVALID' });
  expect(JSON.stringify(refused) + String(refused)).not.toContain('hunter2');
});

it('tells a worker without a token where it looked', async () => {
  await expect(ask({ environment: { XDG_CONFIG_HOME: '/nowhere' } })).rejects.toMatchObject({
    code: 'TOKEN_MISSING',
    message: 'no token: /nowhere/tfjs-parallel/token does not exist',
  });
});

it('says what is wrong with a path that cannot be a token file', async () => {
  const folder = await temporaryFolder({ file: 'x' });
  await mkdir(join(folder, 'private'), { mode: 0o700 });
  await symlink('nowhere/token', join(folder, 'dangling'));
  const refused = (name: string): Promise<unknown> =>
    ask({ source: { kind: 'file', path: join(folder, name) }, create: true }).catch((error: unknown) => error);
  const next = 'Give a file with --token-file, or set TFJS_PARALLEL_TOKEN.';
  for (const [name, message] of [
    ['private', `cannot read the token file ${join(folder, 'private')}: it is a folder`],
    ['.', `cannot read the token file ${folder}: it is a folder`],
    ['file/token', `cannot read the token file ${join(folder, 'file/token')}: ENOTDIR`],
    ['dangling', `cannot make the token file ${join(folder, 'dangling')}: EEXIST`],
  ]) {
    const error = await refused(name);
    expect(error).toMatchObject({ code: 'TOKEN_FILE', exitCode: 5, next });
    expect((error as Error).message.replace(/(ENOTDIR|EEXIST):.*/, '$1')).toBe(message);
  }
});
