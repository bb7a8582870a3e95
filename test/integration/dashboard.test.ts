/**
 * Owns: a real run with its dashboard: a state saved and an end asked for there, the link as it is printed, and the run that goes on afterwards.
 * Does not: look at the page (test/system/dashboard.test.ts).
 */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runCli } from '../support/built_cli.js';
import { atStep, metricsOf, recordsIn, startTrain, TINY_RUN, train } from '../support/real_run.js';
import { temporaryFolder } from '../support/temporary_folder.js';

test('a run saves when its dashboard is asked to, ends well after the epoch, and can be resumed to the same bits', async () => {
  const scratch = await temporaryFolder();
  const env = { XDG_CONFIG_HOME: join(scratch, 'config') };
  const args = [...TINY_RUN, '--workers', '1', '--state-every', '600s', '--run-dir', join(scratch, 'runs')];
  const run = startTrain([...args, '--epochs', '200', '--dashboard', '127.0.0.1:0', '--name', 'seen'], { env });
  let err = '';
  run.child.stderr?.on('data', (chunk: Buffer) => (err += chunk.toString()));
  await run.seen(atStep(1));
  const [, origin, token] = /^dashboard (http:\/\/127\.0\.0\.1:\d+)\/#([\w-]{43})$/m.exec(err) ?? [];
  const file = join(scratch, 'config/tfjs-parallel/dashboard.token');
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const post = async (path: string, secret = token) =>
    (await fetch(`${origin}${path}`, { method: 'POST', headers: { authorization: `Bearer ${secret}` } })).status;
  expect(await post('/end', 'B'.repeat(43))).toBe(401);
  expect(await post('/save')).toBe(204);
  await run.seen(({ type }) => type === 'state');
  expect(await post('/end')).toBe(204);
  const { code, out } = await run.ended;
  const records = recordsIn(out);
  const end = records.at(-1);
  const last = records.filter(({ type }) => type === 'epoch').length;
  expect([code, end?.reason, end?.epochs]).toEqual([0, 'stopped_early', last]);
  expect(readdirSync(join(scratch, 'runs/seen/checkpoints'))).toContain(`epoch-${String(last).padStart(4, '0')}`);
  const more = String(last + 1);
  const resumed = await train(['--resume', join(scratch, 'runs/seen'), '--epochs', more], { env });
  expect(resumed.code, resumed.err).toBe(0);
  const straight = await train([...args, '--epochs', more, '--name', 'straight'], { env });
  const hash = (text: string) => recordsIn(text).at(-1)?.weights_sha256;
  expect(hash(resumed.out)).toBe(hash(straight.out));
  expect(metricsOf(join(scratch, 'runs/seen')).filter((line) => line.includes('"type":"epoch"')).length).toBe(last + 1);
});

test('an address that is none is refused before anything is loaded', async () => {
  const { code, err } = runCli(['train', '--data', 'synthetic', '--dashboard', 'a b', '--workers', '1']);
  expect([code, err]).toEqual([2, expect.stringContaining('error ENDPOINT_INVALID: --dashboard wants host:port, found "a b"')]);
});
