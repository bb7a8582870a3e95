import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { BUILT_CLI } from '../support/built_cli.js';
import { namespacesMissing, twoHosts } from '../support/network_namespaces.js';
import { temporaryFolder } from '../support/temporary_folder.js';

const missing = existsSync(BUILT_CLI) ? namespacesMissing() : 'dist/ is not built (npm run build)';
if (missing !== null) console.warn(`namespaces.test.ts skipped: ${missing}`);

/** First bytes of every frame, as they lie on the wire. */
const MAGIC = Buffer.from('PJFT');

interface Ended {
  code: number | null;
  text: string;
}

function ended(child: ChildProcess): Promise<Ended> {
  let text = '';
  child.stdout?.on('data', (chunk: Buffer) => (text += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (text += chunk.toString()));
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, text })));
}

/** A run of four steps on host a with one worker on host b. */
async function clusterOnTwoHosts(encryption: string[]) {
  const token = randomBytes(32).toString('base64url');
  const folder = await temporaryFolder({ token, wrong: randomBytes(32).toString('base64url') });
  for (const name of ['token', 'wrong']) await chmod(join(folder, name), 0o600);
  await writeFile(
    join(folder, 'model.mjs'),
    'export const createModel = (tf) => tf.sequential({ layers: [tf.layers.flatten({ inputShape: [28, 28, 1] }), tf.layers.dense({ units: 10 })] });',
  );
  const hosts = await twoHosts(join(folder, 'packets'));
  onTestFinished(() => hosts.close());
  const model = ['--model', join(folder, 'model.mjs')];
  const settings =
    '--data synthetic --shards 2 --batch 100 --train-limit 400 --validation-limit 100 --epochs 1 --reporter json'.split(' ');
  const listen = ['--listen', `${hosts.address}:29500`, '--token-file', join(folder, 'token'), '--run-dir', folder];
  const coordinator = hosts.run('a', process.execPath, [
    BUILT_CLI,
    'coordinator',
    ...settings,
    ...model,
    ...listen,
    ...encryption,
  ]);
  const run = ended(coordinator);
  const worker = (tokenFile: string): Promise<Ended> => {
    const where = ['--host', `${hosts.address}:29500`, '--token-file', join(folder, tokenFile), '--worker-name', 'host-b'];
    const devices = ['--gpus', 'none', '--workers', '1', '--threads-per-worker', '1'];
    const trust = encryption[0] === '--insecure-plaintext' ? encryption : [];
    return ended(hosts.run('b', process.execPath, [BUILT_CLI, 'worker', ...where, ...devices, ...model, ...trust]));
  };
  const wrong = await worker('wrong');
  const right = await worker('token');
  return { token, wrong, right, run: await run, packets: hosts.recorded() };
}

describe.skipIf(missing !== null)('two hosts on one wire', () => {
  it('train over TLS with keys from the token: no token and no plaintext in any packet, a wrong token refused', async () => {
    const { token, wrong, right, run, packets } = await clusterOnTwoHosts([]);
    expect(wrong.text).toContain('refused our token');
    expect(wrong.code).toBe(5);
    expect(right).toMatchObject({ code: 0 });
    expect(run.text).toContain('"reason":"done"');
    // 7,850 weights there, as many gradients back, twice a step.
    expect(packets.length).toBeGreaterThan(200_000);
    for (const plain of [token, 'host-b', 'synthetic', 'tfjs-parallel-proof', MAGIC])
      expect(packets.includes(plain), String(plain)).toBe(false);
  });

  it('show their frames, and still no token, with --insecure-plaintext: so the recording above means something', async () => {
    const { token, wrong, right, run, packets } = await clusterOnTwoHosts(['--insecure-plaintext']);
    expect([wrong.code, right.code]).toEqual([5, 0]);
    expect(run.text).toContain('WARNING: --insecure-plaintext');
    expect(packets.includes(MAGIC)).toBe(true);
    expect(packets.includes('synthetic digits')).toBe(true);
    expect(packets.includes(token)).toBe(false);
  });
});
