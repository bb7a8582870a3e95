/**
 * Owns: what the built `coordinator` and `worker` say, and their exit codes, where a cluster cannot begin: tokens, certificates, addresses.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { runCli } from '../support/built_cli.js';

let cwd: string;
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'tfjs-parallel-test-'));
  vi.stubEnv('XDG_CONFIG_HOME', cwd);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(cwd, { recursive: true, force: true });
});

/** `exit CODE` and what standard error says, this test's folder left out. Nothing may be on standard output. */
function said(command: 'coordinator' | 'worker', flags: string): string {
  const { code, out, err } = runCli([command, ...flags.split(' ')], { cwd });
  expect(out).toBe('');
  return `exit ${code}\n${err.replaceAll(cwd, '.').trim()}`;
}

/** Nobody comes: it ends by itself after a second. */
const ALONE = '--shards 2 --data synthetic --train-limit 100 --validation-limit 10 --join-timeout 1';

describe('a coordinator', () => {
  it('says where its token is, at its first start and at each later one', () => {
    const starts = [1, 2].map(() => said('coordinator', `${ALONE} --listen 127.0.0.1:0`).split('\n').slice(0, 2));
    expect(starts).toEqual([
      ['exit 5', 'made a token in ./tfjs-parallel/token (mode 600): workers need a copy of this file'],
      ['exit 5', 'token from ./tfjs-parallel/token'],
    ]);
  });

  it('on any loopback address does not warn of a plaintext that nobody can read', () => {
    expect(said('coordinator', `${ALONE} --listen 127.0.0.2:0`)).not.toContain('WARNING');
    expect(said('coordinator', `${ALONE} --listen 0.0.0.0:0 --insecure-plaintext`)).toContain('WARNING: --insecure-plaintext');
  });

  it('with files that are no certificate and key', () => {
    writeFileSync(join(cwd, 'x.pem'), 'x');
    expect(said('coordinator', `${ALONE} --tls-cert x.pem --tls-key x.pem`).split('\n').slice(2)).toMatchInlineSnapshot(`
      [
        "error TLS_FILE: x.pem and x.pem are no certificate and its key: error:0480006C:PEM routines::no start line",
        "next: Give --tls-cert the certificate chain and --tls-key the private key that belongs to it, both PEM without a password.",
      ]
    `);
  });

  it('with a folder as its token', () => {
    mkdirSync(join(cwd, 'folder'), { mode: 0o700 });
    expect(said('coordinator', `${ALONE} --token-file folder`)).toMatchInlineSnapshot(`
      "exit 5
      error TOKEN_FILE: cannot read the token file folder: it is a folder
      next: Give a file with --token-file, or set TFJS_PARALLEL_TOKEN."
    `);
  });
});

describe('a worker', () => {
  it('with more replicas than a coordinator takes from one', () => {
    expect(said('worker', '--host 127.0.0.1:1 --workers 65')).toMatchInlineSnapshot(`
      "exit 2
      error TOO_MANY_REPLICAS: 65 replicas in one worker, at most 64 are possible
      next: Start several workers on this machine, each with fewer."
    `);
  });

  it('with an authority that is no certificate', () => {
    said('coordinator', `${ALONE} --listen 127.0.0.1:0`);
    expect(readFileSync(join(cwd, 'tfjs-parallel', 'token'), 'utf8')).toHaveLength(44);
    writeFileSync(join(cwd, 'x.pem'), 'x');
    expect(said('worker', '--host 127.0.0.1:1 --workers 1 --tls-ca x.pem')).toMatchInlineSnapshot(`
      "exit 2
      error TLS_FILE: x.pem holds no certificate
      next: Give --tls-ca a PEM file."
    `);
  });
});
