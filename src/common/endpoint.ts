/**
 * Owns: `host:port` as people write it, and which hosts are this machine alone.
 * Does not: open sockets or look names up.
 */
import { UsageError } from './errors.js';

export interface Endpoint {
  /** A name or an address, IPv6 without its brackets. */
  host: string;
  port: number;
}

/** Free by IANA's list, and the port other trainers use for the same purpose. */
export const DEFAULT_ENDPOINT: Endpoint = { host: '127.0.0.1', port: 29_500 };

/** `10.0.0.5:29500`, `host-b`, `[::1]:29500`, `:29500` (then `defaults.host`). Port 0 is any free one, which only who listens may want. @throws UsageError ENDPOINT_INVALID */
export function parseEndpoint(
  text: string,
  { flag, defaults, leastPort = 0 }: { flag: string; defaults: Endpoint; leastPort?: number },
): Endpoint {
  const match = /^(?:\[([0-9a-fA-F:.%\w]+)\]|([A-Za-z0-9._-]*))(?::(\d{1,5}))?$/.exec(text.trim());
  const port = match?.[3] === undefined ? defaults.port : Number(match[3]);
  if (match === null || text.trim() === '' || port > 65_535 || port < leastPort) {
    throw new UsageError({
      code: 'ENDPOINT_INVALID',
      message: `${flag} wants host:port, found "${text}"`,
      next: `for example ${flag} 10.0.0.5:${defaults.port}, or ${flag} [::1]:${defaults.port} for IPv6`,
    });
  }
  const host = match[1] ?? match[2];
  return { host: host === '' ? defaults.host : host, port };
}

/** Reached from this machine only. A name that is not `localhost` may be anywhere. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

export function formatEndpoint({ host, port }: Endpoint): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
