/**
 * Owns: the dashboard's door: the listening socket, who may come in, the page and the three things behind it. Who has no token sees the page without
 * anything of a run, and no more.
 * Does not: know what is shown (live_story.ts) or keep who looks (viewers.ts).
 *
 * The token stands in the link after `#`, which browsers send to nobody; the page sends it as a header, which no other page can make a browser send. So
 * there is no cookie that a foreign page could use, and a name that was made to point here (DNS rebinding) is refused by its Host.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerOptions, type ServerResponse } from 'node:http';
import { isIP, type Socket } from 'node:net';
import { hostname } from 'node:os';
import type { Duplex } from 'node:stream';
import type { Endpoint } from '../../common/endpoint.js';
import { LIMITS } from '../../common/limits.js';
import { Strangers } from '../../system/strangers.js';

/** What a viewer may ask for. */
export type Wish = 'save' | 'end';

export interface DoorRequest {
  readonly listen: Endpoint;
  readonly token: string;
  /** HTML with its script and style inside. */
  readonly page: string;
  /** Writes the events into the response, or returns false where no more may look. */
  readonly onViewer: (response: ServerResponse) => boolean;
  readonly onWish: (wish: Wish) => void;
}

export interface OpenDoor {
  /** The port in use, also where 0 was asked for. */
  readonly port: number;
  close(): Promise<void>;
}

const OPTIONS: ServerOptions = {
  maxHeaderSize: LIMITS.maxHttpHeadBytes,
  headersTimeout: LIMITS.loginTimeoutMs,
  requestTimeout: LIMITS.loginTimeoutMs,
  connectionsCheckingInterval: 1000,
  keepAlive: false,
};

const ROUTES: Readonly<Record<string, { readonly method: 'GET' | 'POST'; readonly wish?: Wish }>> = {
  '/events': { method: 'GET' },
  '/save': { method: 'POST', wish: 'save' },
  '/end': { method: 'POST', wish: 'end' },
};

/** Rejects with the system's error where it cannot listen. */
export async function openDoor(request: DoorRequest): Promise<OpenDoor> {
  const { listen } = request;
  const strangers = new Strangers();
  const server = createServer(OPTIONS);
  const headers = headersFor(request.page);
  const isToken = tokenCheck(request.token);
  const answer = (incoming: IncomingMessage, response: ServerResponse): void => {
    const refuse = (status: number): void => void response.writeHead(status).end();
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    const { method, url = '', socket } = incoming;
    if (!isHostOfOurs(incoming.headers.host, listen.host)) return refuse(403);
    if (hasBody(incoming)) return refuse(413);
    if (url === '/') return method === 'GET' ? send(response, request.page) : refuse(405);
    const route = Object.hasOwn(ROUTES, url) ? ROUTES[url] : undefined;
    if (route === undefined) return refuse(404);
    if (method !== route.method) return refuse(405);
    if (isForeign(incoming)) return refuse(403);
    if (!isToken(incoming.headers.authorization)) return refuse(401);
    if (route.wish !== undefined) {
      request.onWish(route.wish);
      return refuse(204);
    }
    strangers.welcome(socket);
    if (!request.onViewer(response)) refuse(503);
  };
  server.on('connection', (socket: Socket) => strangers.admit(socket));
  server.on('request', answer);
  server.on('checkContinue', answer);
  server.on('clientError', (_, socket: Duplex) => socket.destroy());
  server.on('upgrade', (_, socket: Duplex) => socket.destroy());
  server.on('connect', (_, socket: Duplex) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: listen.host, port: listen.port }, () => resolve());
  });
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : listen.port,
    close: () =>
      new Promise((resolve) => {
        strangers.close();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function send(response: ServerResponse, page: string): void {
  response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(page);
}

/** The page may run its own script and look its own way, ask this door, and nothing else. */
function headersFor(page: string): Readonly<Record<string, string>> {
  const hashes = (tag: string): string =>
    [...page.matchAll(new RegExp(`<${tag}>([^]*?)</${tag}>`, 'g'))]
      .map(([, text]) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`)
      .join(' ');
  return {
    connection: 'close',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cross-origin-resource-policy': 'same-origin',
    'content-security-policy':
      `default-src 'none'; script-src ${hashes('script')}; style-src ${hashes('style')}; connect-src 'self'; img-src data:; ` +
      `base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  };
}

/** In time that does not depend on what was sent. */
function tokenCheck(token: string): (authorization: string | undefined) => boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  const wanted = digest(`Bearer ${token}`);
  return (authorization = '') => timingSafeEqual(wanted, digest(authorization));
}

/** An address, this machine's name, or what was asked for; whatever the port, which a tunnel may have changed. No other name can be meant. */
function isHostOfOurs(host: string | undefined, listen: string): boolean {
  const name = /^(?:\[([^\]]+)\]|([^:]+))(?::\d{1,5})?$/.exec(host ?? '');
  const meant = (name?.[1] ?? name?.[2] ?? '').toLowerCase();
  return isIP(meant) !== 0 || ['localhost', hostname().toLowerCase(), listen.toLowerCase()].includes(meant);
}

/** Sent by a page of another origin. */
function isForeign({ headers }: IncomingMessage): boolean {
  const { origin, host } = headers;
  const site = headers['sec-fetch-site'];
  return (
    (origin !== undefined && origin !== `http://${host}`) || (site !== undefined && site !== 'same-origin' && site !== 'none')
  );
}

/** Nothing here takes one. */
function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) !== 0;
}
