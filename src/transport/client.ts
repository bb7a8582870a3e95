/**
 * Owns: the worker's way to the coordinator: connection, TLS, login both ways.
 * Does not: retry (src/api/work.ts does) or speak the protocol behind the login (session.ts does).
 */
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { WebSocket } from './web_socket.js';
import { formatEndpoint, isLoopback, type Endpoint } from '../common/endpoint.js';
import { ClusterError } from '../common/errors.js';
import { LIMITS } from '../common/limits.js';
import { PROTOCOL } from '../common/protocol/frame.js';
import { patience } from '../system/patience.js';
import { isNonce, LOGIN } from '../common/protocol/login.js';
import { SOCKET_OPTIONS } from './link.js';
import { channelOf, notACoordinator, otherAnswer, proxyProtocol, tlsEndsBetween, upgradeDropped } from './between.js';
import { plainly } from './plain_words.js';
import { exporterOf, newNonce, proofOf, pskIdentity, PSK_TLS, sameProof, type Secret } from './secrets.js';

export type ClientTls = { kind: 'none' } | { kind: 'psk' } | { kind: 'trusted_certificate'; authority: string };

export interface ConnectRequest {
  readonly coordinator: Endpoint;
  readonly secret: Secret;
  readonly tls: ClientTls;
  /** Default: to work. */
  readonly purpose?: 'worker' | 'probe';
  /** Gives up at once: the user wants to stop. */
  readonly signal?: AbortSignal;
  /** Each of the login's questions is answered within this, ms; for tests. */
  readonly timeoutMs?: number;
}

/**
 * A WebSocket to a coordinator that has proven the token to us, as we have to it.
 * @throws ClusterError TOKEN_REFUSED, COORDINATOR_UNPROVEN, CERTIFICATE_UNTRUSTED, VERSION_DIFFERS, and what between.ts has (do not try again),
 * HOST_UNKNOWN, NOT_A_COORDINATOR, WEB_SERVER_ANSWERS (only who was here before tries again), COORDINATOR_UNREACHABLE (do).
 */
export async function connectToCoordinator(request: ConnectRequest): Promise<WebSocket> {
  const { coordinator, secret, tls, purpose = 'worker' } = request;
  const at = formatEndpoint(coordinator);
  const coordinatorNonce = await askChallenge(await openSocket(request), request);
  // The proof is bound to its connection: the socket must exist before the upgrade is asked for.
  const socket = await openSocket(request);
  const facts = { coordinatorNonce, workerNonce: newNonce(), exporter: exporterOf(socket) };
  return new Promise((resolve, reject) => {
    let failure: ClusterError | null = null;
    const unmasked = tls.kind !== 'none' || isLoopback(coordinator.host);
    const webSocket = new WebSocket(`ws://${LOGIN.host}${purpose === 'probe' ? LOGIN.probePath : LOGIN.sessionPath}`, {
      ...SOCKET_OPTIONS,
      createConnection: () => socket,
      headers: {
        host: LOGIN.host,
        [LOGIN.nonceHeader]: facts.coordinatorNonce,
        [LOGIN.workerNonceHeader]: facts.workerNonce,
        [LOGIN.tokenHeader]: secret.id,
        [LOGIN.proofHeader]: proofOf(secret, purpose, facts),
      },
      // Masking protects old proxies from scripts; there is neither here, and a zero key costs nothing (docs: a deviation from RFC 6455).
      ...(unmasked && { generateMask: () => undefined }),
    });
    const patience = within(request, (why) => {
      failure ??= unreachable(at, why);
      webSocket.terminate();
    });
    webSocket.once('upgrade', (response) => {
      if (sameProof(proofOf(secret, 'coordinator', facts), response.headers[LOGIN.proofHeader])) return;
      failure = new ClusterError({
        code: 'COORDINATOR_UNPROVEN',
        message: `whoever answers at ${at} does not have the token`,
        next: 'Nothing was sent to it. Check --host.',
      });
      webSocket.terminate();
    });
    webSocket.once('unexpected-response', (_, response) => {
      failure = refusedUpgrade(response, request);
      webSocket.terminate();
    });
    webSocket.once('error', (error) => {
      patience.end();
      reject(failure ?? unreachable(at, plainly(error)));
    });
    webSocket.once('open', () => {
      patience.end();
      if (failure !== null) return reject(failure);
      socket.setNoDelay(true);
      resolve(webSocket);
    });
  });
}

function refusedUpgrade(
  { statusCode = 0, headers }: IncomingMessage,
  { coordinator, tls, purpose }: ConnectRequest,
): ClusterError {
  const at = formatEndpoint(coordinator);
  if (statusCode === 401) return tokenRefused(at);
  if (statusCode === 426) return upgradeDropped(at);
  if (statusCode === 503 && headers.server === undefined)
    return unreachable(at, `it has as many ${purpose === 'probe' ? 'who look at the way' : 'workers'} as it takes`);
  return otherAnswer(at, { status: statusCode, headers, isEncrypted: tls.kind !== 'none' });
}

/**
 * Calls `giveUp` when the answer's time is up or the user wants to stop, unless ended before. A timer of our own: what `http` and `ws` offer sets
 * no timer on a socket that exists already.
 */
function within({ signal, timeoutMs = LIMITS.loginTimeoutMs }: ConnectRequest, giveUp: (why: string) => void): { end(): void } {
  const stop = (): void => giveUp('this worker was asked to stop');
  const { end } = patience(timeoutMs, () => giveUp(`no answer within ${timeoutMs / 1000} s`));
  signal?.addEventListener('abort', stop, { once: true });
  if (signal?.aborted) setImmediate(stop);
  return {
    end: () => {
      end();
      signal?.removeEventListener('abort', stop);
    },
  };
}

function openSocket(request: ConnectRequest): Promise<Socket> {
  const { coordinator, secret, tls } = request;
  const { host, port } = coordinator;
  const socket =
    tls.kind === 'none'
      ? connectTcp({ host, port })
      : tls.kind === 'psk'
        ? connectTls({
            host,
            port,
            ...PSK_TLS,
            pskCallback: () => ({ psk: secret.tls, identity: pskIdentity(secret) }),
            // No certificate is involved; who does not have the key cannot finish the handshake.
            checkServerIdentity: () => undefined,
          })
        : connectTls({ host, port, ca: tls.authority, minVersion: 'TLSv1.3', ...(isIP(host) === 0 && { servername: host }) });
  return new Promise((resolve, reject) => {
    const at = formatEndpoint(coordinator);
    const fail = (why: string, code = ''): void => {
      patience.end();
      socket.destroy();
      if (code === 'ENOTFOUND') return reject(unknownHost(at, host));
      if (NOT_MEANT.test(code)) return reject(proxyProtocol(at));
      // With keys from the token, another token shows as a handshake that nobody can decipher.
      if (tls.kind === 'psk' && WRONG_KEY.test(code)) return reject(tokenRefused(at));
      reject(tls.kind === 'trusted_certificate' && UNTRUSTED.test(code) ? untrusted(at, code) : unreachable(at, why));
    };
    let isOpen = false;
    const patience = within(request, (why) =>
      fail(isOpen && tls.kind === 'trusted_certificate' ? `${why}; ${NO_CERTIFICATE}` : why),
    );
    socket.once('error', (error: NodeJS.ErrnoException) => {
      const inHandshake = tls.kind !== 'none' && error.code === 'ECONNRESET';
      const why = error.code?.startsWith('ERR_SSL')
        ? `TLS handshake failed (${error.code}); ${OTHER_KEYS[tls.kind]}`
        : plainly(error);
      fail(inHandshake ? hungUp(tls, coordinator) : why, error.code);
    });
    socket.once('close', () => fail('the connection was closed'));
    socket.once('connect', () => (isOpen = true));
    socket.once(tls.kind === 'none' ? 'connect' : 'secureConnect', () => {
      patience.end();
      socket.removeAllListeners('error').removeAllListeners('close');
      socket.on('error', () => socket.destroy());
      resolve(socket);
    });
  });
}

/** First byte of what a TLS server answers to a plain request. */
const TLS_ALERT = 0x15;
/** Keys from the token do not meet a certificate. */
const OTHER_KEYS = {
  none: '',
  psk: 'if it has a certificate, pass that with --tls-ca',
  trusted_certificate:
    'if it has no certificate, leave out --tls-ca; what ends TLS in front of it, and knows no TLS 1.3, fails so too',
} as const;
const NO_CERTIFICATE = 'the connection opened and no certificate came, as where a path swallows large packets';
/** A coordinator says so to what is no TLS but the PROXY protocol's header (server.ts); no other server has cause to. */
const NOT_MEANT = /^ERR_SSL.*UNEXPECTED_MESSAGE/;
const WRONG_KEY = /^ERR_SSL.*(BAD_RECORD_MAC|DECRYPT|PSK)/;
/** Node's codes for a certificate that does not hold, from OpenSSL's X509_verify_cert. */
const UNTRUSTED = /^(CERT_|ERR_TLS_CERT_|DEPTH_ZERO_SELF_SIGNED|SELF_SIGNED|UNABLE_TO_(GET|VERIFY|DECRYPT|DECODE)|INVALID_CA)/;

function askChallenge(socket: Socket, request: ConnectRequest): Promise<string> {
  const { coordinator, tls } = request;
  const at = formatEndpoint(coordinator);
  const exporter = exporterOf(socket);
  return new Promise((resolve, reject) => {
    const options = { method: 'GET', path: LOGIN.challengePath, headers: { host: LOGIN.host }, createConnection: () => socket };
    const patience = within(request, (why) => {
      reject(unreachable(at, why));
      asking.destroy();
    });
    const asking = httpRequest(options, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        body += chunk;
        if (body.length <= MAX_CHALLENGE) return;
        const { statusCode: status = 0, headers } = response;
        reject(otherAnswer(at, { status, headers, isEncrypted: tls.kind !== 'none' }));
        asking.destroy();
      });
      response.on('error', fail);
      response.on('end', () => {
        patience.end();
        const { statusCode: status = 0, headers } = response;
        const challenge = status === 200 ? parseChallenge(body) : null;
        if (challenge === null) return reject(otherAnswer(at, { status, headers, isEncrypted: tls.kind !== 'none' }));
        const { nonce, channel, protocol } = challenge;
        if (channel !== channelOf(exporter, nonce)) return reject(tlsEndsBetween(at));
        if (protocol === PROTOCOL) resolve(nonce);
        else reject(otherProtocol(at, protocol));
      });
    });
    const fail = (error: NodeJS.ErrnoException & { rawPacket?: Buffer }): void => {
      patience.end();
      const { code, rawPacket } = error;
      const tlsAlert = rawPacket?.[0] === TLS_ALERT;
      if (code?.startsWith('HPE_') && !tlsAlert) return reject(notACoordinator(at, 'its answer is not HTTP'));
      if (code !== 'ECONNRESET' && !tlsAlert) return reject(unreachable(at, plainly(error)));
      reject(unreachable(at, tls.kind === 'none' ? hungUp(tls, coordinator) : HUNG_UP_INSIDE));
    };
    asking.on('error', fail);
    asking.end();
  });
}

/** Characters of the answer to /challenge: our own has some 120. */
const MAX_CHALLENGE = 1024;
const HUNG_UP_INSIDE =
  'it hung up after the TLS handshake; if something between ends TLS (nginx, HAProxy, stunnel), it must pass TCP through as it is';

/** What a coordinator does that uses TLS where we do not, or the other way round. */
function hungUp({ kind }: ClientTls, { host }: Endpoint): string {
  if (kind !== 'none') return 'it hung up in the TLS handshake; does it use none (--insecure-plaintext)?';
  if (!isLoopback(host)) return 'it hung up without an answer; does it use TLS (no --insecure-plaintext)?';
  return (
    'it hung up without an answer; does it use TLS? One that listens to the network does: ' +
    `reach it by its own address then, not as ${host}; one with a certificate needs --tls-ca`
  );
}

function parseChallenge(body: string): { nonce: string; channel: string; protocol: number } | null {
  try {
    const { nonce, channel, protocol } = JSON.parse(body) as { nonce?: unknown; channel?: unknown; protocol?: unknown };
    return isNonce(nonce) && typeof channel === 'string' && typeof protocol === 'number' ? { nonce, channel, protocol } : null;
  } catch {
    return null;
  }
}

function otherProtocol(at: string, protocol: number): ClusterError {
  return new ClusterError({
    code: 'VERSION_DIFFERS',
    message: `the coordinator at ${at} speaks protocol ${protocol}, this tfjs-parallel protocol ${PROTOCOL}`,
    next: 'Install the same version of tfjs-parallel on both machines; `tfjs-parallel --version` tells it.',
  });
}

function tokenRefused(at: string): ClusterError {
  return new ClusterError({
    code: 'TOKEN_REFUSED',
    message: `the coordinator at ${at} refused our token`,
    next: "Copy the coordinator's token file to this machine (mode 600) and pass it with --token-file.",
  });
}

function untrusted(at: string, why: string): ClusterError {
  return new ClusterError({
    code: 'CERTIFICATE_UNTRUSTED',
    message: `the certificate of the coordinator at ${at} is not trusted: ${why}`,
    next: "Pass the coordinator's certificate, or that of who signed it, with --tls-ca, and a --host that is named in it.",
  });
}

function unknownHost(at: string, host: string): ClusterError {
  return new ClusterError({
    code: 'HOST_UNKNOWN',
    message: `cannot reach a coordinator at ${at}: no address is known for the name ${host}`,
    next: 'Check the name in --host, or give the address itself.',
  });
}

function unreachable(at: string, why: string): ClusterError {
  return new ClusterError({
    code: 'COORDINATOR_UNREACHABLE',
    message: `cannot reach a coordinator at ${at}: ${why}`,
    next: 'Check that it runs, that its --listen is an address this machine can reach, and that both sides use TLS or both do not.',
  });
}
