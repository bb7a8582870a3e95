/**
 * Owns: what went wrong on a connection, in words for people. The words of Node, OpenSSL and ws ("write EPIPE", "readyState 2 (CLOSING)") stay here.
 * Does not: decide what follows from it.
 */
import { errorCode, errorMessage } from '../common/error_facts.js';

/** By code of the system, of the resolver, of Node. */
const WORDS: Readonly<Record<string, string>> = {
  EACCES: 'this machine does not allow the connection (a firewall, or a sandbox)',
  EADDRNOTAVAIL: 'this machine has no address, or no port left, for it',
  EAI_AGAIN: 'the name server does not answer',
  ECONNABORTED: 'the connection was given up',
  ECONNREFUSED: 'nobody listens there',
  ECONNRESET: 'the connection was reset',
  EHOSTDOWN: 'that machine is down',
  EHOSTUNREACH: 'no way leads to that machine',
  EMFILE: 'this process has no file descriptor left (`ulimit -n`)',
  EMSGSIZE: 'a packet was too large for the network',
  ENETDOWN: 'the network is down',
  ENETRESET: 'the connection was reset',
  ENETUNREACH: 'no way leads to that network',
  ENFILE: 'this machine has no file descriptor left',
  ENOBUFS: 'this machine has no network buffers left',
  ENOTCONN: 'the connection was closed',
  ENOTFOUND: 'no address is known for the name',
  EPERM: 'this machine does not allow the connection (a firewall, or a sandbox)',
  EPIPE: 'the connection was closed by the other side',
  EPROTO: 'the other side does not speak TLS as we do',
  ERR_SOCKET_CLOSED: 'the connection was closed',
  ERR_STREAM_DESTROYED: 'the connection was closed',
  ERR_STREAM_PREMATURE_CLOSE: 'the connection was closed',
  ERR_STREAM_WRITE_AFTER_END: 'the connection was closed',
  ESHUTDOWN: 'the connection was closed',
  ETIMEDOUT: 'no answer from that address',
};

/** Of WebSocket's close codes those that a peer or ws gives without a reason. */
const CLOSED: Readonly<Record<number, string>> = {
  1000: 'the connection was closed',
  1001: 'the other side went away',
  1005: 'the connection was closed',
  1006: 'the connection was closed without a goodbye',
  1009: 'a message was larger than is allowed',
};

/** An error of a socket, of TLS, of HTTP or of ws. */
export function plainly(error: unknown): string {
  const code = errorCode(error);
  if (WORDS[code] !== undefined) return WORDS[code];
  if (code.startsWith('HPE_')) return 'what came is not HTTP';
  if (code.startsWith('WS_ERR_')) return 'what came breaks the rules of a WebSocket';
  if (code.startsWith('ERR_SSL') || code.startsWith('ERR_TLS')) return 'TLS failed';
  if (/readyState/.test(errorMessage(error))) return 'the connection was closed';
  // ws says so where an answer to the upgrade is none.
  if (code === '') return 'what answers is no WebSocket';
  return /^E[A-Z0-9]+$/.test(code) ? `the connection broke (${code})` : 'the connection broke';
}

/** Why a WebSocket was closed; `words` are the other side's own. */
export function plainClose(code: number, words: string): string {
  return words !== '' ? words : (CLOSED[code] ?? `the connection was closed (${code})`);
}
