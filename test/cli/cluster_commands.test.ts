import type { Command } from 'commander';
import { expect, test } from 'vitest';
import type { CommandContext } from '../../src/cli/context.js';
import { coordinatorCommand, type CoordinatorRequest } from '../../src/cli/commands/coordinator.js';
import { createProgram } from '../../src/cli/program.js';
import { workerCommand, type WorkerRequest } from '../../src/cli/commands/worker.js';
import { formatEndpoint, isLoopback, parseEndpoint } from '../../src/common/endpoint.js';
import { EXIT, ExpectedError, type ExitCode } from '../../src/common/errors.js';
import type { StopReason } from '../../src/common/stop_request.js';
import type { WorkEnd } from '../../src/worker/host/keep_in_touch.js';
import { captureStream } from '../support/capture_stream.js';
import { sampleEnd } from '../support/run_events_sample.js';

interface RunOptions {
  environment?: Record<string, string>;
  reason?: StopReason | null;
  warn?: CommandContext['warn'];
}

async function run(
  makeCommand: (context: CommandContext) => Command,
  args: readonly string[],
  { environment = {}, reason = null, warn = () => undefined }: RunOptions = {},
) {
  let code: ExitCode | null = null;
  const never = new AbortController().signal;
  const context: CommandContext = {
    environment,
    stdout: captureStream() as unknown as NodeJS.WriteStream,
    stderr: captureStream() as unknown as NodeJS.WriteStream,
    warn,
    watchStop: async () => ({
      request: { reason, asked: never, hurry: never },
      begin: () => undefined,
      exitCode: () => EXIT.ok,
      close: () => undefined,
    }),
    finish: (exitCode) => (code = exitCode),
  };
  await createProgram(context, [makeCommand(context)]).parseAsync(args, { from: 'user' });
  return code as ExitCode | null;
}

async function coordinator(args: string, environment: Record<string, string> = {}) {
  let request: CoordinatorRequest | null = null;
  const make = (context: CommandContext) =>
    coordinatorCommand(context, async () => async (asked) => ((request = asked), sampleEnd({ best: null })));
  await run(make, ['coordinator', ...args.split(' ').filter((arg) => arg !== '')], { environment });
  return request as CoordinatorRequest | null;
}

async function worker(args: string, { end = 'done', ...options }: RunOptions & { end?: WorkEnd } = {}) {
  let request: WorkerRequest | null = null;
  const make = (context: CommandContext) => workerCommand(context, async () => async (asked) => ((request = asked), end));
  const code = await run(make, ['worker', ...args.split(' ')], options);
  return { request: request as WorkerRequest | null, code };
}

async function refusal(act: () => Promise<unknown>): Promise<string> {
  try {
    await act();
  } catch (error) {
    if (error instanceof ExpectedError) return `${error.code}: ${error.message}\n${error.next}`;
    throw error;
  }
  return 'no error';
}

test('a coordinator listens on this machine alone, without encryption, unless told', async () => {
  expect(await coordinator('--shards 4')).toMatchObject({
    ...{ listen: { host: '127.0.0.1', port: 29500 }, encryption: { kind: 'none' }, token: { kind: 'default' } },
    ...{ minWorkers: 1, joinTimeoutMs: null, resume: null, config: { shards: 4, batch: 200 } },
  });
});

test('off this machine keys come from the token, or from certificates; plaintext only when asked for by name', async () => {
  const encryption = async (args: string) => (await coordinator(`--shards 4 --listen 0.0.0.0 ${args}`))?.encryption;
  expect(await encryption('')).toEqual({ kind: 'psk' });
  expect(await encryption('--tls-cert c.pem --tls-key k.pem')).toEqual({
    kind: 'certificate',
    certificate: 'c.pem',
    key: 'k.pem',
  });
  expect(await encryption('--insecure-plaintext')).toEqual({ kind: 'none' });
});

test('the token comes from a file, standard input or the environment, in this order, never from an argument', async () => {
  const environment = { TFJS_PARALLEL_TOKEN: 'secret' };
  const token = async (args: string) => (await coordinator(`--shards 4 ${args}`, environment))?.token;
  expect(await token('--token-file t')).toEqual({ kind: 'file', path: 't' });
  expect(await token('--token-file -')).toEqual({ kind: 'stdin' });
  expect(await token('')).toEqual({ kind: 'environment' });
});

test('a coordinator takes a run’s flags, but for devices', async () => {
  const request = await coordinator(
    '--shards 8 --epochs 3 --lr 0.5 --min-workers 2 --join-timeout 60 --listen [::]:1234 --precision bf16',
  );
  expect(request).toMatchObject({
    ...{
      config: { shards: 8, epochs: 3, precision: 'bf16', optimizer: { learningRate: 0.5 } },
      minWorkers: 2,
      joinTimeoutMs: 60_000,
    },
    ...{ listen: { host: '::', port: 1234 }, encryption: { kind: 'psk' } },
  });
  await expect(coordinator('--shards 8 --gpus 0')).rejects.toMatchObject({ code: 'commander.unknownOption' });
});

test('a worker is told where to connect and what to lend', async () => {
  const { request, code } = await worker('--host 10.0.0.5 --gpus 0-1 --data-dir d --worker-name b --tls-ca ca.pem');
  expect(request).toMatchObject({
    ...{ coordinator: { host: '10.0.0.5', port: 29500 }, devices: { kind: 'gpus', indices: [0, 1] }, dataDir: 'd', name: 'b' },
    ...{ encryption: { kind: 'trusted_certificate', authority: 'ca.pem' }, model: null, data: null, threadsPerWorker: null },
  });
  expect(code).toBe(0);
  expect((await worker('--host 127.0.0.1 --workers 2')).request).toMatchObject({
    ...{ encryption: { kind: 'none' }, devices: { kind: 'cpu', replicas: 2 } },
  });
  expect((await worker('--host h')).request?.encryption).toEqual({ kind: 'psk' });
});

test('a worker is told of the data that it is given, not of those of a run that says nothing', async () => {
  const warnings: string[] = [];
  const warn = (text: string): void => void warnings.push(text);
  await worker('--host h --data idx --data-dir d', { warn });
  expect(warnings).toEqual([]);
  await worker('--host h --data ./data.mjs --data-dir d', { warn });
  expect(warnings).toEqual(['data_dir (flag --data-dir) has no effect: data is ./data.mjs, which reads no folder']);
  expect(await refusal(() => worker('--host h --data idx'))).not.toMatch(/mnist/i);
});

test('what the coordinator decides is no setting of a worker by --set; a file may hold all', async () => {
  expect(await refusal(() => worker('--host h --set precision=bf16'))).toBe(
    'SET_INVALID: --set precision: the coordinator decides it for all workers\nLeave it out here, and give it to the coordinator.',
  );
  expect(await refusal(() => worker('--host h --set optimizer.momentum=0.5'))).toMatch(
    /^SET_INVALID: .* the coordinator decides/,
  );
  expect(await refusal(() => worker('--host h --set data=idx'))).toBe(
    'SET_INVALID: --set data does nothing on a worker\nGive this worker its data by the flag of that name.',
  );
  expect(await refusal(() => worker('--host h --set precison=bf16'))).toMatch(/^CONFIG_UNKNOWN_KEY/);
  const { request } = await worker('--host h --config config/mnist.yaml --set threads_per_worker=3');
  expect(request?.threadsPerWorker).toBe(3);
});

test('a worker’s exit code: 0 after a run that ended, 75 after one that goes on when it is started again', async () => {
  expect((await worker('--host h', { end: 'done' })).code).toBe(0);
  expect((await worker('--host h', { end: 'stopped' })).code).toBe(75);
  expect((await worker('--host h', { end: 'left', reason: 'stopped' })).code).toBe(75);
  expect((await worker('--host h', { end: 'left', reason: 'interrupted' })).code).toBe(130);
});

test('mistakes are refused with what to do', async () => {
  expect(await refusal(() => coordinator(''))).toMatchInlineSnapshot(`
    "SHARDS_MISSING: a cluster needs the number of shards: workers come and go, and the result depends on it
    give --shards N, as many as the replicas you expect, or set shards in the configuration"
  `);
  expect(await refusal(() => coordinator('--shards 4 --tls-cert c'))).toMatchInlineSnapshot(`
    "TLS_INCOMPLETE: --tls-cert is given without --tls-key
    give both, or neither: then encryption keys come from the token"
  `);
  expect(await refusal(() => coordinator('--shards 4 --tls-key k'))).toMatchInlineSnapshot(`
    "TLS_INCOMPLETE: --tls-key is given without --tls-cert
    give both, or neither: then encryption keys come from the token"
  `);
  expect(await refusal(() => coordinator('--shards 4 --tls-cert c --tls-key k --insecure-plaintext'))).toMatchInlineSnapshot(`
    "TLS_AND_PLAINTEXT: --tls-cert asks for encryption and --insecure-plaintext for none
    leave one of them out"
  `);
  expect(await refusal(() => worker('--host h --tls-ca c --insecure-plaintext'))).toMatchInlineSnapshot(`
    "TLS_AND_PLAINTEXT: --tls-ca asks for encryption and --insecure-plaintext for none
    leave one of them out"
  `);
  expect(await refusal(() => coordinator('--shards 4 --min-workers 0'))).toMatchInlineSnapshot(`
    "VALUE_INVALID: --min-workers must be a whole number of at least 1, found "0"
    for example --min-workers 2"
  `);
  expect(await refusal(() => coordinator('--shards 4 --listen host:port'))).toMatchInlineSnapshot(`
    "ENDPOINT_INVALID: --listen wants host:port, found "host:port"
    for example --listen 10.0.0.5:29500, or --listen [::1]:29500 for IPv6"
  `);
  expect(await refusal(() => worker('--host http://h:1'))).toMatchInlineSnapshot(`
    "ENDPOINT_INVALID: --host wants host:port, found "http://h:1"
    for example --host 10.0.0.5:29500, or --host [::1]:29500 for IPv6"
  `);
  expect(await refusal(() => worker('--gpus none'))).toMatchInlineSnapshot(`
    "FLAG_MISSING: required option '--host <host:port>' not specified
    say where the coordinator listens, for example --host 10.0.0.5:29500; on its own machine --host 127.0.0.1"
  `);
  // Not that --host is missing, which is true and no help.
  await expect(worker('--hots h')).rejects.toMatchObject({ code: 'commander.unknownOption' });
  for (const name of [' ', 'n'.repeat(101)]) {
    await expect(
      run((c) => workerCommand(c, async () => async () => 'done'), ['worker', '--host', 'h', '--worker-name', name]),
    ).rejects.toMatchObject({
      code: 'VALUE_INVALID',
    });
  }
  expect(await refusal(() => worker('--host h:0'))).toMatch(/^ENDPOINT_INVALID: --host wants host:port, found "h:0"/);
});

test('an endpoint is a host, a port, or both', () => {
  const parse = (text: string) => parseEndpoint(text, { flag: '--host', defaults: { host: 'here', port: 7 } });
  const endpoints = ['h:1', 'h', ':1', '[::1]:1', '[fe80::1%eth0]', '10.0.0.5:65535'].map((text) => formatEndpoint(parse(text)));
  expect(endpoints).toEqual(['h:1', 'h:7', 'here:1', '[::1]:1', '[fe80::1%eth0]:7', '10.0.0.5:65535']);
  for (const wrong of ['', '::1', 'h:65536', 'h:-1', 'a b', 'h:1:2', 'ws://h']) expect(() => parse(wrong)).toThrow(ExpectedError);
});

test('loopback is this machine alone', () => {
  expect(['127.0.0.1', '127.9.9.9', '::1', 'localhost'].map(isLoopback)).toEqual([true, true, true, true]);
  expect(['0.0.0.0', '::', '10.0.0.5', '127.0.0.1.example.org', 'localhost.example.org', ''].map(isLoopback)).toEqual(
    Array(6).fill(false),
  );
});
