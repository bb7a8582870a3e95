/**
 * Owns: how many bytes a WebSocket's connection has brought, how many were handed over, and how many of these the system has not taken yet.
 * Does not: judge that (link.ts does).
 *
 * Node counts a write when it is handed over, not when the system takes it, so the queue is asked of the socket's handle, as Node's own socket timeout
 * does. Under TLS the handle below counts: a record of 16 KiB is heard of only when it is whole.
 */
import type { Socket } from 'node:net';
import type { WebSocket } from './web_socket.js';

interface Counts {
  readonly bytesRead?: number;
  readonly bytesWritten?: number;
  readonly writeQueueSize?: number;
}
type Handle = Counts & { readonly _parent?: Counts };

/** `written`: handed over so far, what waits with it. Null where this version of Node or ws does not tell. */
export function bytesOf(socket: WebSocket): {
  readonly read: number | null;
  readonly unsent: number | null;
  readonly written: number | null;
} {
  const wire = (socket as WebSocket & { _socket?: Socket })._socket;
  const handle = (wire as (Socket & { _handle?: Handle | null }) | undefined)?._handle;
  const counts: Counts | undefined = handle?._parent ?? handle ?? undefined;
  return {
    read: counts?.bytesRead ?? wire?.bytesRead ?? null,
    unsent: counts?.writeQueueSize ?? null,
    written: counts?.bytesWritten ?? wire?.bytesWritten ?? null,
  };
}
