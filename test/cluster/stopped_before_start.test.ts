/**
 * Owns: that a coordinator which is stopped before its run begins sends home whoever prepares for it: they end with 75, to be started again with it.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { coordinate } from '../../src/api/coordinate.js';
import { DEFAULT_TRAIN_CONFIG } from '../../src/common/train_config.js';
import { packageVersion } from '../../src/system/package_info.js';
import { TOKEN } from '../support/loopback_cluster.js';
import { helloOf, scriptedWorker } from '../support/scripted_peers.js';

it('says "stopped" to a worker that prepares', async () => {
  const scratch = mkdtempSync(join(tmpdir(), 'stopped-before-'));
  onTestFinished(() => rmSync(scratch, { recursive: true }));
  const token = join(scratch, 'token');
  writeFileSync(token, TOKEN, { mode: 0o600 });
  const asked = new AbortController();
  let listening: (port: number) => void = () => {};
  const port = new Promise<number>((resolve) => (listening = resolve));
  const running = coordinate({
    config: {
      ...DEFAULT_TRAIN_CONFIG,
      data: 'synthetic',
      trainLimit: 20,
      validationLimit: 10,
      batch: 10,
      shards: 2,
      runDir: join(scratch, 'runs'),
    },
    provenance: {},
    configName: 'test',
    changes: [],
    maxStepsRecorded: false,
    resume: null,
    initFrom: null,
    numericsCheck: 'strict',
    listen: { host: '127.0.0.1', port: 0 },
    token: { kind: 'file', path: token },
    encryption: { kind: 'none' },
    minWorkers: 1,
    joinTimeoutMs: null,
    silenceMs: 10_000,
    observer: () => undefined,
    say: (line) => {
      const [, at] = /^waiting for workers at 127\.0\.0\.1:(\d+)/.exec(line) ?? [];
      if (at !== undefined) listening(Number(at));
    },
    stop: {
      get reason() {
        return asked.signal.aborted ? ('stopped' as const) : null;
      },
      asked: asked.signal,
      hurry: new AbortController().signal,
    },
  });
  // An error before it listens is this test's.
  const at = await Promise.race([port, running.then(() => 0)]);
  const worker = await scriptedWorker({ port: at });
  void worker.send({ ...helloOf('w'), software: packageVersion() });
  await worker.hear('welcome');
  asked.abort(new Error('asked to stop'));
  expect(await worker.hear('finish')).toEqual({ type: 'finish', reason: 'stopped' });
  await expect(running).rejects.toThrow('asked to stop');
});
