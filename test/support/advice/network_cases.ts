/** Advice on clusters: the door, workers that have something else or compute otherwise; runs over loopback. */
import { PROTOCOL } from '../../../src/common/protocol/frame.js';
import { channelOf } from '../../../src/transport/between.js';
import { execFileSync } from 'node:child_process';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { ClusterError } from '../../../src/common/errors.js';
import { requireAllowedLayers } from '../../../src/models/allowed_layers.js';
import { impossibleResult } from '../../../src/coordinator/cluster/session_errors.js';
import { initialSha256 } from '../../../src/transport/identity.js';
import { connectToCoordinator } from '../../../src/transport/client.js';
import { keepInTouch } from '../../../src/worker/host/keep_in_touch.js';
import { CountingClusterRun } from '../counting_cluster_run.js';
import { loopbackCluster, modelOf, NUMERICS, SECRET } from '../loopback_cluster.js';
import { program, refusal, type Asked } from '../program_under_test.js';
import {
  coordinatorWith,
  dataFile,
  flags,
  folder,
  modelFile,
  once,
  ONE_REPLICA,
  ownLayerFile,
  plain,
  SIX,
  tokenFile,
  type Case,
  type Cases,
} from './cases.js';
import { commandIn, withFlags } from './sources.js';
import { stablePort } from '../stable_port.js';

const LISTEN = 'src/common/listen_error.ts';
const real = { real: true } as const;

/** A run whose model and data are modules, which a worker must have too. */
const shared = once(async () => {
  const [port, token] = [await stablePort(), tokenFile('token')];
  const [model, data] = [ownLayerFile('shared_model.mjs'), dataFile('shared_data.mjs', SIX, [1])];
  const settings = ['--batch', '6', '--shards', '1', '--epochs', '1', '--loss', 'mse', '--model', model, '--data', data];
  const door = ['--listen', `127.0.0.1:${port}`, '--token-file', token];
  const run = program(
    ['coordinator', ...settings, ...door, '--run-dir', folder, '--name', 'shared', '--set', 'save_above=null'],
    real,
  );
  run.catch(() => undefined);
  const host = ['--host', `127.0.0.1:${port}`];
  const worker = (
    over: { host?: string[]; token?: string[]; model?: string[]; data?: string[]; wait?: string } = {},
  ): string[] => [
    ...['worker', ...ONE_REPLICA, ...(over.host ?? host), ...(over.token ?? ['--token-file', token])],
    ...[...(over.model ?? ['--model', model]), ...(over.data ?? ['--data', data]), '--wait', over.wait ?? '30'],
  ];
  return { run, worker, port, door };
});
type Over = Parameters<Awaited<ReturnType<typeof shared>>['worker']>[0];

/** Workers that lack something come before the one that ends the run. */
const refusals: (() => Promise<unknown>)[] = [];

/** The worker that has all that it was told to have: with it the run comes to its end. */
const joined = once(async (): Promise<Asked> => {
  const { worker, run } = await shared();
  for (const refused of refusals) await refused();
  await program(worker(), real);
  return run;
});

/** A worker of that run that lacks something, and the one that has the flags of the advice. */
function refusedWorker(file: string, begins: string, over: Over, wanted: readonly RegExp[]): Case {
  const provoke = once(async () => {
    const { worker } = await shared();
    return refusal(() => program(worker(over), real));
  });
  if (Object.keys(over ?? {}).length > 0) refusals.push(provoke);
  return {
    says: [{ file, begins }],
    provoke,
    follow: async (next) => {
      const { worker, door } = await shared();
      for (const one of wanted) expect([...worker(), ...door]).toContain(commandIn(next, one));
      expect((await joined()).events.some(({ type }) => type === 'end')).toBe(true);
    },
  };
}

/** A coordinator for which nobody comes: it has got as far as it can. */
const alone = (...more: string[]): string[] => [
  ...[
    'coordinator',
    '--batch',
    '6',
    '--shards',
    '1',
    '--epochs',
    '1',
    '--loss',
    'mse',
    '--join-timeout',
    '1',
    '--run-dir',
    folder,
  ],
  ...['--model', modelFile('alone.mjs', 1), '--data', dataFile('alone_data.mjs', SIX, [1])],
  ...more,
];
const listens = async (args: readonly string[]): Promise<void> =>
  expect(await refusal(() => program(args, real))).toMatchObject({ code: 'JOIN_TIMEOUT' });

/** Found by one `verify`, whoever advises it. */
const verified = once(async () => {
  const [model, data] = [modelFile('verified.mjs', 1), dataFile('verified_data.mjs', SIX, [1])];
  return program([
    'verify',
    '--gpus',
    'none',
    '--workers',
    '2',
    '--threads-per-worker',
    '1',
    '--batch',
    '6',
    '--model',
    model,
    '--data',
    data,
    '--loss',
    'mse',
  ]);
});
const followByVerify = async (next: string): Promise<void> => {
  expect(commandIn(next, /(?<=`tfjs-parallel )verify/)).toBe('verify');
  expect((await verified()).code).toBe(0);
};

const altered = modelOf(5);
altered.initial[2] += 2 ** -20;
const ALTERED = { model: altered, initialSha256: initialSha256(altered) };
const LIE = { golden: ['f'.repeat(64)] };
const OTHER_THREADS = { numerics: { ...NUMERICS, intraOpThreads: 2 } };
const unit = (values: Float32Array) => [
  {
    ...{ id: { kind: 'train', step: 0, shard: 0, attempt: 0 } as const, rows: Int32Array.of(0, 1), firstExample: 0 },
    ...{ regularizationWeight: 0, parameters: { version: 0, values } },
  },
];

/** Two workers agree, and one that shows something else is refused, until the coordinator takes it as it is. */
function relaxed(begins: string, prepared: typeof LIE | typeof OTHER_THREADS): Case {
  const cluster = async (numericsCheck: 'strict' | 'relaxed', name: string) => {
    const made = await loopbackCluster({ cluster: { numericsCheck } });
    for (const honest of ['a', 'b']) await (await made.join({ name: honest })).admitted;
    return made.join({ name, prepared });
  };
  return {
    says: [{ file: 'src/coordinator/cluster/admission.ts', begins }],
    provoke: async () => {
      const { session } = await cluster('strict', 'other');
      return refusal(() => session.ended);
    },
    follow: async (next) => {
      const { coordinator } = await program([
        'coordinator',
        '--shards',
        '1',
        ...commandIn(next, /--numerics relaxed/).split(' '),
      ]);
      const { admitted } = await cluster(coordinator!.numericsCheck, 'taken');
      expect(await admitted).toBe('taken');
    },
  };
}

function broken(file: string, begins: string, provoke: Case['provoke']): Case {
  return { says: [{ file, begins }], provoke, follow: followByVerify };
}

/** Answers everything with this. */
async function otherServer(text: string): Promise<{ server: Server; port: number }> {
  const server = createServer((_, response) => void response.end(text));
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return { server, port: (server.address() as AddressInfo).port };
}

export const NETWORK_CASES: Cases = {
  'nobody comes': {
    says: [{ file: 'src/api/cluster_crew.ts', begins: 'Start workers with' }],
    provoke: () => refusal(() => program(alone('--listen', '127.0.0.1:0', '--token-file', tokenFile('alone')), real)),
    follow: async (next) => {
      expect(commandIn(next, /worker --host/)).toBe('worker --host');
      await joined();
      const { coordinator } = await program(withFlags(alone(), `${commandIn(next, /--join-timeout/)} 600`));
      expect(coordinator?.joinTimeoutMs).toBe(600_000);
    },
  },
  'a port that is taken': {
    says: [{ file: LISTEN, begins: 'End the other process' }],
    provoke: async () => {
      const { server, port } = await otherServer('');
      taken = { server, args: alone('--token-file', tokenFile('taken'), '--listen', `127.0.0.1:${port}`) };
      return refusal(() => program(taken!.args, real));
    },
    follow: async (next) => {
      await listens(withFlags(taken!.args, `${commandIn(next, /--listen/)} 127.0.0.1:0`));
      await new Promise((done) => taken!.server.close(done));
      await listens(taken!.args);
    },
  },
  'an address of another machine': {
    ...flags(
      LISTEN,
      'Give --listen an address',
      alone('--listen', '192.0.2.7:0', '--insecure-plaintext', '--token-file', tokenFile('there')),
      [],
      true,
    ),
    follow: (next) => listens(alone('--token-file', tokenFile('here'), commandIn(next, /--listen/), '127.0.0.1:0')),
  },
  'a page for another machine': {
    ...flags(LISTEN, 'Give --dashboard an address', plain('--dashboard', '192.0.2.7:0'), [], true),
    follow: (next) => program(plain(commandIn(next, /--dashboard/), '127.0.0.1:0'), real),
  },
  'a worker with other data': refusedWorker(
    'src/coordinator/cluster/admission.ts',
    'Give the worker the same files',
    { data: ['--data', dataFile('other_data.mjs', [1, 2, 3, 4, 5, 6], [1])] },
    [/--data(?=\.)/],
  ),
  'a worker without the run’s module': refusedWorker('src/api/work.ts', 'Start this worker with --model', { model: [] }, [
    /--model/,
  ]),
  'a worker without the run’s data': refusedWorker('src/api/work.ts', 'Start this worker with --data', { data: [] }, [
    /--data(?= FILE)/,
  ]),
  'a worker with another token': refusedWorker(
    'src/transport/client.ts',
    'Copy the coordinator',
    { token: ['--token-file', tokenFile('wrong', 'B'.repeat(43))] },
    [/--token-file/],
  ),
  'a name that no machine has': refusedWorker(
    'src/transport/client.ts',
    'Check the name in --host',
    { host: ['--host', 'no-such-host.invalid:1'], wait: '0' },
    [/--host/],
  ),
  'an address where nobody answers': refusedWorker(
    'src/transport/client.ts',
    'Check that it runs',
    { host: ['--host', '127.0.0.1:1'], wait: '0' },
    [/--listen/],
  ),
  'an address where something else answers': {
    ...refusedWorker('src/transport/between.ts', 'Check the address and the port in --host', {}, [/--host/]),
    provoke: async () => {
      const [{ worker }, { server, port }] = [await shared(), await otherServer('hello')];
      const error = await refusal(() => program(worker({ host: ['--host', `127.0.0.1:${port}`] }), real));
      server.close();
      return error;
    },
  },
  'an address where somebody pretends': {
    ...refusedWorker('src/transport/client.ts', 'Nothing was sent', {}, [/--host/]),
    provoke: async () => {
      const nonce = 'n'.repeat(43);
      const answered = JSON.stringify({ nonce, channel: channelOf('', nonce), protocol: PROTOCOL });
      const { server, port } = await otherServer(answered);
      server.on('upgrade', (request, socket) => {
        const accept = execFileSync(process.execPath, [
          '-e',
          `process.stdout.write(require('crypto').createHash('sha1').update(${JSON.stringify(request.headers['sec-websocket-key'])} + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest('base64'))`,
        ]);
        socket.write(
          `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${String(accept)}\r\n\r\n`,
        );
      });
      const login = connectToCoordinator({ coordinator: { host: '127.0.0.1', port }, secret: SECRET, tls: { kind: 'none' } });
      const error = await refusal(() => login);
      server.closeAllConnections();
      server.close();
      return error;
    },
  },
  'a coordinator that went away': {
    says: [{ file: 'src/worker/host/keep_in_touch.ts', begins: 'Start the coordinator again' }],
    provoke: () => {
      const stop = { reason: null, asked: new AbortController().signal, hurry: new AbortController().signal };
      const lost = () => Promise.resolve({ kind: 'broken', reason: 'closed', admitted: true } as const);
      return refusal(() =>
        keepInTouch({ coordinator: { host: 'there', port: 1 }, waitMs: -1, stop, say: () => undefined }, lost),
      );
    },
    follow: async (next) => {
      await joined();
      const { worker, door } = await shared();
      const coordinator = program(
        ['coordinator', commandIn(next, /--resume/), join(folder, 'shared'), '--epochs', '2', ...door],
        real,
      );
      coordinator.catch(() => undefined);
      await program(worker(), real);
      expect((await coordinator).events.find(({ type }) => type === 'end')).toMatchObject({ epochs: 2 });
    },
  },
  'a worker that built another model': {
    ...refusedWorker('src/coordinator/cluster/admission.ts', 'Start it with the same --model', {}, [/--model/]),
    provoke: async () => {
      const cluster = await loopbackCluster();
      for (const name of ['a', 'b']) await (await cluster.join({ name })).admitted;
      const { session } = await cluster.join({ prepared: { layoutSha256: 'e'.repeat(64) } });
      return refusal(() => session.ended);
    },
  },
  'layers of one’s own from a coordinator': {
    ...refusedWorker('src/models/allowed_layers.ts', 'A model with layers of its own', {}, [/--model/]),
    provoke: () =>
      refusal(() =>
        requireAllowedLayers(
          JSON.stringify({ class_name: 'Sequential', config: { name: 's', layers: [{ class_name: 'Square', config: {} }] } }),
        ),
      ),
  },
  'a worker of other arithmetic': relaxed('For this worker', OTHER_THREADS),
  'a worker of other bits': relaxed('Its hardware or libraries', LIE),
  'two workers that disagree': broken('src/coordinator/cluster/admissions.ts', '… Test each alone', async () => {
    const cluster = await loopbackCluster({ cluster: { disputeMs: 100 } });
    await (
      await cluster.join({ name: 'liar', prepared: LIE })
    ).admitted;
    const { model } = await cluster.cluster.first;
    void cluster.join({ name: 'honest' }).then(({ session }) => session.ended.catch(() => undefined));
    await expect.poll(() => cluster.lines.some((line) => line.startsWith('honest and liar differ'))).toBe(true);
    let error: unknown;
    const tried = () => cluster.fleet.computeRound(unit(model.initial)).catch((thrown: unknown) => (error = thrown));
    await expect.poll(tried).toMatchObject({ code: 'WORKERS_DISAGREE' });
    return error as ClusterError;
  }),
  'a worker that two others outvote': broken('src/coordinator/cluster/admissions.ts', 'Its memory, device', async () => {
    const cluster = await loopbackCluster({ fleet: { minWorkers: 2 }, cluster: { minWorkers: 2 } });
    const liar = await cluster.join({ name: 'liar', prepared: ALTERED });
    await liar.admitted;
    for (const name of ['b', 'c']) await cluster.join({ name });
    return refusal(() => liar.session.ended);
  }),
  'a worker that an audit condemns': broken('src/coordinator/cluster/cluster.ts', 'Its memory, device', async () => {
    const cluster = await loopbackCluster();
    for (const name of ['a', 'b']) await (await cluster.join({ name })).admitted;
    const process = '0'.repeat(43);
    const { session } = await cluster.join({ name: 'liar', host: { process } });
    await expect.poll(() => cluster.fleet.replicas.length).toBe(3);
    cluster.cluster.condemn(process, 'step 1');
    return refusal(() => session.ended);
  }),
  'a result that cannot be': broken('src/coordinator/cluster/session_errors.ts', 'Its memory, device', () =>
    Promise.resolve(impossibleResult('acc is 9')),
  ),
  'a first worker that was wrong': {
    says: [{ file: 'src/coordinator/cluster/admissions.ts', begins: 'Start a new run without' }],
    provoke: async () => {
      const cluster = await loopbackCluster();
      await (
        await cluster.join({ name: 'liar', prepared: ALTERED })
      ).admitted;
      const { model } = await cluster.cluster.first;
      await new CountingClusterRun(cluster.fleet, model.initial, 2).step();
      for (const name of ['b', 'c']) void cluster.join({ name }).then(({ session }) => session.ended.catch(() => undefined));
      await expect.poll(() => cluster.lines.some((line) => line.startsWith('worker liar is put out'))).toBe(true);
      return refusal(() => cluster.fleet.computeRound(unit(model.initial)));
    },
    follow: async (next) => {
      const { coordinator } = await program(coordinatorWith(...commandIn(next, /--min-workers 2/).split(' ')));
      const { minWorkers } = coordinator!;
      const cluster = await loopbackCluster({ fleet: { minWorkers }, cluster: { minWorkers } });
      for (const name of ['b', 'c']) expect(await (await cluster.join({ name })).admitted).toBe(name);
    },
  },
};

let taken: { server: Server; args: string[] } | null = null;
