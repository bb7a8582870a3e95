/**
 * Owns: noticing the PROXY protocol (HAProxy's `send-proxy`, nginx's `proxy_protocol on`) before what a worker says, in TLS before TLS sees it, and
 * answering so that a worker can name it.
 * Does not: speak it: whoever reaches the port could claim any address.
 */
import { createServer as createTcpServer, type Server, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { LOGIN } from '../common/protocol/login.js';
import { SEES } from './between.js';

/** Of version 1, which is text, and of version 2 (haproxy.org, proxy-protocol.txt, section 2). */
const SIGNATURES = [Buffer.from('PROXY '), Buffer.from('\r\n\r\n\0\r\nQUIT\n')];

export const PROXY_HEADER_SEEN =
  'a proxy puts the PROXY protocol before what workers say: take send-proxy out of its configuration';

export function startsWithProxyHeader(bytes: Uint8Array | undefined): boolean {
  return bytes !== undefined && SIGNATURES.some((sign) => sign.equals(bytes.subarray(0, sign.length)));
}

/** To who speaks HTTP behind that header. */
export function refuseInPlaintext(socket: Duplex): void {
  const lines = [
    'HTTP/1.1 400 Bad Request',
    `${LOGIN.seesHeader}: ${SEES.proxyProtocol}`,
    'Connection: close',
    'Content-Length: 0',
  ];
  socket.end(`${lines.join('\r\n')}\r\n\r\n`, () => socket.destroy());
}

/** TLS 1.2, alert, fatal, unexpected_message: RFC 5246 7.2.2. */
const UNEXPECTED_MESSAGE = Buffer.of(0x15, 3, 3, 0, 2, 2, 10);

/** A server whose connections go to the TLS server `behind` once their first bytes have come and are not that header. */
export function listenBefore(
  behind: Server,
  { onConnection, onProxyHeader }: { onConnection: (socket: Socket) => void; onProxyHeader: (socket: Socket) => void },
): Server {
  return createTcpServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    onConnection(socket);
    socket.once('readable', () => {
      const first = socket.read() as Buffer | null;
      if (first === null) return socket.destroy();
      if (!startsWithProxyHeader(first)) {
        socket.unshift(first);
        return behind.emit('connection', socket);
      }
      onProxyHeader(socket);
      socket.end(UNEXPECTED_MESSAGE, () => socket.destroy());
    });
  });
}
