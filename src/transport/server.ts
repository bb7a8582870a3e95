/**
 * Owns: the coordinator's door: the listening socket, the one HTTP resource, the login. Who has no token gets no WebSocket.
 * Does not: speak the protocol behind the door (session.ts does).
 *
 * Who proved the token to measure the way gets a probe, which admits nobody. Everything but `GET /challenge` and a proven upgrade is answered with 403, 404 or 426 and has no effect. Browsers are refused by
 * their Origin, and by a Host that no page can send.
 */
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type WebSocket } from './web_socket.js';
import type { Endpoint } from '../common/endpoint.js';
import { LIMITS } from '../common/limits.js';
import { listenError } from '../common/listen_error.js';
import { isNonce, LOGIN, type LoginRole } from '../common/protocol/login.js';
import { SOCKET_OPTIONS } from './link.js';
import { exporterOf, newNonce, proofOf, pskIdentity, PSK_TLS, sameProof, type Secret } from './secrets.js';
import { channelOf, SEES } from './between.js';
import { plainly } from './plain_words.js';
import { Challenges } from './challenge.js';
import { listenBefore, PROXY_HEADER_SEEN, refuseInPlaintext, startsWithProxyHeader } from './proxy_header.js';
import { answerProbe } from './probe.js';
import { PROTOCOL } from '../common/protocol/frame.js';
import { Strangers } from '../system/strangers.js';

/** PEM text, read by the caller. */
export type ServerTls = { kind: 'none' } | { kind: 'psk' } | { kind: 'certificate'; certificate: string; key: string };

/** A token that one worker has: what it is called, and its id. */
export interface OwnToken {
  readonly name: string;
  readonly id: string;
}

export interface ServerRequest {
  readonly listen: Endpoint;
  /** Of the token that all may share. */
  readonly secret: Secret;
  /** The secret and the name of a worker that has a token of its own; null for an id that is not known, or no longer. */
  readonly workers?: (id: string) => { readonly secret: Secret; readonly name: string } | null;
  readonly tls: ServerTls;
  /** A worker that proved a token; `from` is its address, `own` its own token, null under the shared one. */
  readonly onWorker: (socket: WebSocket, from: string, own: OwnToken | null) => void;
  /** A refused login, at most one line a second. */
  readonly onRefused: (from: string, why: string) => void;
}

export interface RunningServer {
  /** The port in use, also where 0 was asked for. */
  readonly port: number;
  close(): Promise<void>;
}

const HTTP_OPTIONS: ServerOptions = {
  maxHeaderSize: LIMITS.maxHttpHeadBytes,
  headersTimeout: LIMITS.loginTimeoutMs,
  requestTimeout: LIMITS.loginTimeoutMs,
  connectionsCheckingInterval: 1000,
  keepAlive: false,
};

/** @throws ClusterError PORT_IN_USE, LISTEN_FAILED */
export async function startServer(request: ServerRequest): Promise<RunningServer> {
  const { listen, secret, tls } = request;
  const challenges = new Challenges();
  const sockets = new WebSocketServer({ noServer: true, ...SOCKET_OPTIONS });
  const proofs = new WeakMap<IncomingMessage, string>();
  sockets.on('headers', (headers, incoming) => headers.push(`${LOGIN.proofHeader}: ${proofs.get(incoming) ?? ''}`));
  const keyring: Keyring = (id) => (id === secret.id ? { secret, name: null } : (request.workers?.(id) ?? null));
  const server = createServer(tls, keyring);
  const strangers = new Strangers();
  const refused = sparingly(request.onRefused);
  const open = { worker: 0, probe: 0 };

  const onStranger = (socket: Socket): void => strangers.admit(socket);
  const onProxyHeader = (socket: Socket): void => refused(addressOf(socket), PROXY_HEADER_SEEN);
  server.on(tls.kind === 'none' ? 'connection' : 'secureConnection', onStranger);
  const door = tls.kind === 'none' ? server : listenBefore(server, { onConnection: onStranger, onProxyHeader });
  server.on('request', (incoming, response) => answer(incoming, response, challenges));
  server.on('checkContinue', (incoming, response) => answer(incoming, response, challenges));
  server.on('clientError', ({ rawPacket }: Error & { rawPacket?: Buffer }, socket: Duplex) => {
    if (!startsWithProxyHeader(rawPacket)) return socket.destroy();
    onProxyHeader(socket as Socket);
    refuseInPlaintext(socket);
  });
  server.on('tlsClientError', (_, socket: Duplex) => {
    // Without an address it was gone before it said anything: not worth a line.
    if ((socket as Socket).remoteAddress !== undefined)
      refused(
        addressOf(socket as Socket),
        `TLS handshake failed (${tls.kind === 'psk' ? 'another token' : 'no --tls-ca'}, or no TLS)`,
      );
    socket.destroy();
  });

  server.on('upgrade', (incoming: IncomingMessage, socket: Socket, head: Buffer) => {
    socket.on('error', () => socket.destroy());
    const verdict = judge(incoming, secret, keyring, challenges);
    const from = addressOf(socket);
    if (typeof verdict === 'string') {
      refused(from, verdict);
      return deny(socket, verdict === 'token refused' ? '401 Unauthorized' : '403 Forbidden');
    }
    const { purpose } = verdict;
    if (open[purpose] >= MOST_OPEN[purpose]) return deny(socket, '503 Service Unavailable');
    challenges.use(verdict.coordinatorNonce);
    proofs.set(incoming, proofOf(verdict.secret, 'coordinator', verdict));
    sockets.handleUpgrade(incoming, socket, head, (webSocket) => {
      const lower = (socket as Socket & { _parent?: Socket })._parent;
      for (const known of [socket, lower]) if (known) strangers.welcome(known);
      socket.setNoDelay(true);
      open[purpose] += 1;
      webSocket.on('close', () => (open[purpose] -= 1));
      if (purpose === 'probe') answerProbe(webSocket);
      else request.onWorker(webSocket, from, verdict.own);
    });
  });

  await new Promise<void>((resolve, reject) => {
    door.once('error', (error) => reject(listenError(error, { listen, flag: '--listen', why: plainly(error) })));
    door.listen({ host: listen.host, port: listen.port }, () => resolve());
  });
  const address = door.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : listen.port,
    close: () =>
      new Promise((resolve) => {
        strangers.close();
        for (const webSocket of sockets.clients) webSocket.terminate();
        door.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function addressOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress}:${remotePort}`;
}
const MOST_OPEN = { worker: LIMITS.maxSessions, probe: LIMITS.maxProbes } as const;

/** By a token's id; the name is null for the shared one. */
type Keyring = (id: string) => { readonly secret: Secret; readonly name: string | null } | null;

function createServer(tls: ServerTls, keyring: Keyring): Server {
  if (tls.kind === 'none') return createHttpServer(HTTP_OPTIONS);
  const handshakeTimeout = LIMITS.loginTimeoutMs;
  if (tls.kind === 'certificate') {
    return createHttpsServer({ ...HTTP_OPTIONS, cert: tls.certificate, key: tls.key, minVersion: 'TLSv1.3', handshakeTimeout });
  }
  const prefix = pskIdentity({ id: '' });
  const pskCallback = (_: unknown, identity: string): Buffer | null =>
    identity.startsWith(prefix) ? (keyring(identity.slice(prefix.length))?.secret.tls ?? null) : null;
  return createHttpsServer({ ...HTTP_OPTIONS, ...PSK_TLS, pskCallback, handshakeTimeout });
}

function answer(incoming: IncomingMessage, response: ServerResponse, challenges: Challenges): void {
  const { method, url, headers } = incoming;
  response.setHeader('connection', 'close');
  response.setHeader('cache-control', 'no-store');
  response.setHeader('x-content-type-options', 'nosniff');
  // No browser, and yet another name: something between has put it there.
  if (headers.origin === undefined && headers.host !== LOGIN.host) response.setHeader(LOGIN.seesHeader, SEES.host);
  if (headers.origin !== undefined || headers.host !== LOGIN.host) return end(response, 403);
  if (method !== 'GET' || url !== LOGIN.challengePath) return end(response, purposeOf(url) === null ? 404 : 426);
  response.setHeader('content-type', 'application/json');
  const nonce = challenges.issue();
  // The protocol, so that who speaks another is told that, and not that its token is wrong.
  end(response, 200, JSON.stringify({ nonce, channel: channelOf(exporterOf(incoming.socket), nonce), protocol: PROTOCOL }));
}

function end(response: ServerResponse, status: number, body = ''): void {
  response.writeHead(status).end(body);
}

function purposeOf(url: string | undefined): Exclude<LoginRole, 'coordinator'> | null {
  if (url === LOGIN.sessionPath) return 'worker';
  return url === LOGIN.probePath ? 'probe' : null;
}

interface Proven {
  readonly purpose: 'worker' | 'probe';
  readonly coordinatorNonce: string;
  readonly workerNonce: string;
  readonly exporter: string;
  readonly secret: Secret;
  readonly own: OwnToken | null;
}

/** The facts of a right login, or why it is none. The proof is compared even where the challenge is stale, so that time tells nothing. */
function judge(incoming: IncomingMessage, shared: Secret, keyring: Keyring, challenges: Challenges): Proven | string {
  const { headers, method, url, socket } = incoming;
  if (headers.origin !== undefined) return 'it is a browser';
  const purpose = purposeOf(url);
  if (headers.host !== LOGIN.host || method !== 'GET' || purpose === null) return 'it is no worker';
  const sent = headers[LOGIN.nonceHeader];
  const workerNonce = headers[LOGIN.workerNonceHeader];
  const known = isNonce(sent) && isNonce(workerNonce);
  const facts = {
    coordinatorNonce: known ? sent : newNonce(),
    workerNonce: known ? workerNonce : newNonce(),
    exporter: exporterOf(socket),
  };
  const id = headers[LOGIN.tokenHeader];
  // Without an id it can be the shared one only; one that is not known is compared with it too, so that time tells nothing.
  const key = typeof id === 'string' ? keyring(id) : { secret: shared, name: null };
  const { secret, name } = key ?? { secret: shared, name: null };
  const proven = sameProof(proofOf(secret, purpose, facts), headers[LOGIN.proofHeader]);
  if (!proven || key === null || !challenges.isOpen(facts.coordinatorNonce)) return 'token refused';
  return { ...facts, purpose, secret, own: name === null ? null : { name, id: secret.id } };
}

function deny(socket: Socket, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`, () => socket.destroy());
}

/** A stranger who tries a thousand times a second must not fill the log. */
function sparingly(tell: (from: string, why: string) => void): (from: string, why: string) => void {
  let lastMs = -Infinity;
  let kept = 0;
  return (from, why) => {
    const now = performance.now();
    if (now - lastMs < 1000) return void (kept += 1);
    tell(from, kept === 0 ? why : `${why} (and ${kept} more logins since the last line)`);
    lastMs = now;
    kept = 0;
  };
}
