/** Owns: that `--execution xla` for a model that XLA does not take is refused before a run begins, on one machine and in a cluster, and `auto` is not. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { BUILT_CLI, runCli } from '../support/built_cli.js';
import { temporaryFolder } from '../support/temporary_folder.js';

const SIZE = '--data synthetic --train-limit 8 --validation-limit 4 --batch 8 --max-steps 1';
const REFUSED =
  /error XLA_REFUSED: .*execution is xla, and the training step of gluon_cnn is not for XLA: Conv2D is not among .*; layers that it does not take: conv1 \(Conv2D\), .*\nnext: Begin with execution graph, or auto, which leaves such a step to it\.\n/;

it.each(['--workers 1', '--workers 2'])('by one machine with %s, before there is a run', async (flag) => {
  const cwd = await temporaryFolder();
  const { code, out, err } = runCli(`train --execution xla ${SIZE} --gpus none ${flag}`.split(' '), { cwd });
  expect(err).toMatch(REFUSED);
  expect({ code, out, runs: readdirSync(join(cwd, 'runs')) }).toEqual({ code: 2, out: '', runs: [] });
});

it('by the first worker of a cluster, before there is a run', async () => {
  const cwd = await temporaryFolder();
  writeFileSync(join(cwd, 'token'), randomBytes(32).toString('base64url'), { mode: 0o600 });
  const flags = `coordinator --execution xla ${SIZE} --shards 2 --listen 127.0.0.1:0 --token-file token --join-timeout 60`;
  const coordinator = spawn(process.execPath, [BUILT_CLI, ...flags.split(' ')], { cwd, stdio: ['ignore', 'ignore', 'pipe'] });
  try {
    let err = '';
    const ended = once(coordinator, 'close');
    coordinator.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
    await expect.poll(() => /waiting for workers at (\S+)/.exec(err)?.[1], { timeout: 30_000 }).toBeDefined();
    const host = /waiting for workers at (\S+)/.exec(err)?.[1] ?? '';
    const worker = runCli(`worker --host ${host} --token-file token --workers 1`.split(' '), { cwd });
    expect(worker.err).toMatch(REFUSED);
    expect([worker.code, (await ended)[0]]).toEqual([2, 2]);
    expect(err).toMatch(REFUSED);
    expect(readdirSync(join(cwd, 'runs'))).toEqual([]);
  } finally {
    coordinator.kill('SIGKILL');
  }
});

it('auto leaves it to the graph', async () => {
  const cwd = await temporaryFolder();
  const { code, err } = runCli(`train --execution auto ${SIZE} --gpus none --workers 1`.split(' '), { cwd });
  expect(err).not.toContain('XLA');
  expect(code).toBe(0);
});
