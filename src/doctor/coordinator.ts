/** Owns: the way to the coordinator of `--host`, step by step, as functions; nothing here is a worker. Does not: judge (checks/way.ts). */
import { lookup } from 'node:dns/promises';
import { connect, isIP } from 'node:net';
import type { Endpoint } from '../common/endpoint.js';
import { LIMITS } from '../common/limits.js';
import { packageVersion } from '../system/package_info.js';
import { connectToCoordinator } from '../transport/client.js';
import { readClientTls, type ClientEncryption } from '../transport/client_tls.js';
import { measureWay, type Way } from '../transport/probe.js';
import { secretOf } from '../transport/secrets.js';
import { findToken, type TokenSource } from '../transport/token.js';

export interface Coordinator {
  readonly endpoint: Endpoint;
  readonly encryption: ClientEncryption['kind'];
  /** Ours. */
  readonly software: string;
  /** Addresses of the name. Rejects where there is none. */
  lookUp(): Promise<readonly string[]>;
  /** Milliseconds until a connection is made. Rejects where none is. */
  connect(): Promise<number>;
  /** @throws ClusterError, UsageError: what logging in and measuring throw */
  measure(): Promise<Way>;
}

export interface CoordinatorRequest {
  readonly endpoint: Endpoint;
  readonly token: TokenSource;
  readonly encryption: ClientEncryption;
}

export function realCoordinator({ endpoint, token, encryption }: CoordinatorRequest): Coordinator {
  const { host, port } = endpoint;
  return {
    endpoint,
    encryption: encryption.kind,
    software: packageVersion(),
    lookUp: async () => (isIP(host) !== 0 ? [host] : (await lookup(host, { all: true })).map(({ address }) => address)),
    connect: () =>
      new Promise((resolve, reject) => {
        const began = performance.now();
        const socket = connect({ host, port, timeout: LIMITS.loginTimeoutMs });
        const end = (error: Error | null): void => {
          socket.destroy();
          if (error === null) resolve(performance.now() - began);
          else reject(error);
        };
        socket.once('connect', () => end(null));
        socket.once('timeout', () => end(new Error(`no answer within ${LIMITS.loginTimeoutMs / 1000} s`)));
        socket.once('error', end);
      }),
    measure: async () => {
      const found = await findToken({ source: token, create: false, environment: process.env, stdin: process.stdin });
      const tls = await readClientTls(encryption);
      return measureWay(
        await connectToCoordinator({ coordinator: endpoint, secret: secretOf(found.token), tls, purpose: 'probe' }),
      );
    },
  };
}
