/** Advice on what opens the door of a cluster: tokens and certificates. */
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { readTls } from '../../../src/api/cluster_door.js';
import { ClusterError } from '../../../src/common/errors.js';
import { findToken } from '../../../src/transport/token.js';
import { addWorkerToken, revokeWorkerToken, WorkerTokens, workerTokenFolder } from '../../../src/transport/worker_tokens.js';
import { loopbackCluster, TOKEN } from '../loopback_cluster.js';
import { program, refusal } from '../program_under_test.js';
import { coordinatorWith, filled, flags, folder, once, ONE_REPLICA, tokenFile, type Case, type Cases } from './cases.js';
import { commandIn } from './sources.js';

const real = { real: true } as const;

function certificate(name: string): { certificate: string; key: string } {
  const [cert, key] = [join(folder, `${name}.pem`), join(folder, `${name}.key`)];
  const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const args = ['req', '-x509', '-nodes', '-days', '2', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'];
  const { status, stderr } = spawnSync('openssl', [...args, '-keyout', key, '-out', cert, ...subject], { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  return { certificate: cert, key };
}
const ours = once(() => Promise.resolve(certificate('ours')));
const BAD = join(folder, 'bad.pem');

function tlsFile(begins: string, make: () => void): Case {
  const tls = async (cert: string, key: string) => {
    const { coordinator } = await program(['coordinator', '--shards', '1', '--tls-cert', cert, '--tls-key', key]);
    return readTls(coordinator!.encryption);
  };
  return {
    says: [{ file: 'src/api/cluster_door.ts', begins }],
    provoke: () => {
      make();
      return refusal(() => tls(BAD, BAD));
    },
    follow: async (next) => {
      commandIn(next, /--tls-cert.*--tls-key/);
      const { certificate: cert, key } = await ours();
      expect((await tls(cert, key)).kind).toBe('certificate');
    },
  };
}

const TOKENS = 'src/transport/token.ts';
const tokenOf = async (args: string[], { create = false, stdin = '' } = {}): Promise<string> => {
  const asked = await program(args);
  const source = (asked.coordinator ?? asked.worker)!.token;
  return (await findToken({ source, create, environment: {}, stdin: [Buffer.from(stdin)] as never })).token;
};
const fromEnvironment = async (next: string): Promise<void> => {
  const name = commandIn(next, /TFJS_PARALLEL_TOKEN/);
  const { worker } = await program(['worker', '--host', '127.0.0.1'], { environment: { [name]: TOKEN } });
  const found = await findToken({ source: worker!.token, create: false, environment: { [name]: TOKEN }, stdin: [] as never });
  expect(found.token).toBe(TOKEN);
};
export const DOOR_CASES: Cases = {
  'a token that was taken back': {
    says: [{ file: 'src/coordinator/cluster/cluster.ts', begins: 'Ask for a new one' }],
    provoke: async () => {
      const { file, tokens, session, cluster } = await ownWorker('rack-2', true);
      revokeWorkerToken(workerTokenFolder({ kind: 'file', path: file }, {}), 'rack-2');
      await expect
        .poll(() => {
          cluster.cluster.putOutRevoked((id) => tokens.find(id) !== null);
          return cluster.fleet.replicas.length;
        })
        .toBe(0);
      return refusal(() => session.ended);
    },
    follow: async (next) => {
      const { file } = own!;
      const command = commandIn(next, /token add NAME --replace/)
        .replace('NAME', 'rack-2')
        .split(' ');
      await program([...command, '--token-file', file]);
      expect(await (await ownWorker('rack-2', false)).admitted).toBe('own');
    },
  },
  'files that are not there for TLS': tlsFile('Give --tls-cert and', () => undefined),
  'files that are no certificate': tlsFile('Give --tls-cert the certificate', () => writeFileSync(BAD, 'x')),
  'a file that is no authority': {
    ...flags(
      'src/transport/client_tls.ts',
      'Give --tls-ca a PEM',
      [
        'worker',
        ...ONE_REPLICA,
        '--host',
        '127.0.0.1:1',
        '--wait',
        '0',
        '--token-file',
        tokenFile('ca'),
        '--tls-ca',
        join(folder, 'none.pem'),
      ],
      [],
      true,
    ),
    follow: async (next) => {
      const args = ['worker', ...ONE_REPLICA, '--host', '127.0.0.1:1', '--wait', '0', '--token-file', tokenFile('ca')];
      // The file is taken: nobody answers there.
      const error = await refusal(async () => program([...args, commandIn(next, /--tls-ca/), (await ours()).certificate], real));
      expect(error.code).toBe('COORDINATOR_UNREACHABLE');
    },
  },
  'a certificate that is not trusted': {
    says: [{ file: 'src/transport/client.ts', begins: 'Pass the coordinator' }],
    provoke: async () => {
      const cluster = await encrypted();
      const authority = readFileSync(certificate('another').certificate, 'utf8');
      return refusal(() => cluster.join({ tls: { kind: 'trusted_certificate', authority } }));
    },
    follow: async (next) => {
      const path = (await ours()).certificate;
      const { worker } = await program(['worker', '--host', '127.0.0.1', commandIn(next, /--tls-ca/), path]);
      expect(worker?.encryption).toEqual({ kind: 'trusted_certificate', authority: path });
      const tls = { kind: 'trusted_certificate', authority: readFileSync(path, 'utf8') } as const;
      expect(await (await (await encrypted()).join({ tls })).admitted).toBe('w');
    },
  },
  'a token that others may read': {
    says: [{ file: TOKENS, begins: 'Run chmod 600' }],
    provoke: () => {
      exposed = tokenFile('exposed', TOKEN, 0o644);
      return refusal(() => tokenOf(coordinatorWith('--token-file', exposed)));
    },
    follow: async (next) => {
      const [flag, dash] = commandIn(next, /--token-file -(?= <)/).split(' ');
      expect(await tokenOf(coordinatorWith(flag, dash), { stdin: readFileSync(exposed, 'utf8') })).toBe(TOKEN);
      await fromEnvironment(next);
      const [command, ...args] = commandIn(next, /chmod 600 [^\s;]+/).split(' ');
      execFileSync(command, args);
      expect(await tokenOf(coordinatorWith('--token-file', exposed))).toBe(TOKEN);
    },
  },
  'a worker without a token': {
    says: [{ file: TOKENS, begins: 'Copy the coordinator' }],
    provoke: () => refusal(() => tokenOf(['worker', '--host', '127.0.0.1', '--token-file', join(folder, 'no-token')])),
    follow: async (next) => {
      expect(await tokenOf(['worker', '--host', '127.0.0.1', ...filled(next, /--token-file/, tokenFile('copied'))])).toBe(TOKEN);
      await fromEnvironment(next);
    },
  },
  'a folder as the token': {
    says: [{ file: TOKENS, begins: 'Give a file' }],
    provoke: () => refusal(() => tokenOf(coordinatorWith('--token-file', folder))),
    follow: async (next) => {
      expect(await tokenOf(coordinatorWith(...filled(next, /--token-file/, tokenFile('given'))))).toBe(TOKEN);
      await fromEnvironment(next);
    },
  },
  'a name of a token that is none': {
    ...flags('src/transport/worker_tokens.ts', 'For example', ['token', 'add', '../x'], []),
    follow: (next) => program([...commandIn(next, /token add [\w-]+/).split(' '), '--token-file', join(folder, 'token')]),
  },
  'a token that is there': {
    says: [{ file: 'src/transport/worker_tokens.ts', begins: 'Copy that file' }],
    provoke: async () => {
      const add = ['token', 'add', 'twice', '--token-file', join(folder, 'token')];
      await program(add);
      return refusal(() => program(add));
    },
    follow: (next) => program(['token', 'add', 'twice', '--token-file', join(folder, 'token'), commandIn(next, /--replace/)]),
  },
  'nobody has a token': {
    ...flags('src/transport/worker_tokens.ts', 'Nobody has', ['token', 'revoke', 'a', '--token-file', join(folder, 'other')], []),
    follow: (next) =>
      program([
        ...commandIn(next, /token add NAME/)
          .replace('NAME', 'a')
          .split(' '),
        '--token-file',
        join(folder, 'other'),
      ]),
  },
};

let exposed = '';

async function encrypted(): ReturnType<typeof loopbackCluster> {
  const { certificate: cert, key } = await ours();
  return loopbackCluster({
    tls: { kind: 'certificate', certificate: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') },
  });
}

let own: { file: string } | null = null;

/** A cluster and a worker that has come with its own token; made anew, or as it lies there. */
async function ownWorker(name: string, make: boolean) {
  own ??= { file: tokenFile('token') };
  const { file } = own;
  const there = workerTokenFolder({ kind: 'file', path: file }, {});
  const path = make ? addWorkerToken(there, name, { replace: false }) : join(there, name);
  const tokens = new WorkerTokens(there);
  const cluster = await loopbackCluster({ workers: (id) => tokens.find(id) });
  const token = readFileSync(path, 'utf8').trim();
  let found = null;
  while (found === null) found = await cluster.join({ name: 'own', token }).catch((error: unknown) => tolerated(error));
  const { session, admitted } = found;
  await admitted;
  session.ended.catch(() => undefined);
  return { file, tokens, cluster, session, admitted };
}

/** The folder is looked at when somebody comes with a token that is not known. */
function tolerated(error: unknown): null {
  if (error instanceof ClusterError) return null;
  throw error;
}
