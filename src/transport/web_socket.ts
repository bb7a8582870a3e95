/** Owns: the one import of `ws`. What travels over another transport replaces this folder, and nobody outside of it knows a WebSocket. */
export { WebSocket, WebSocketServer, type RawData } from 'ws';
import type { WebSocket } from 'ws';

/** A logged-in connection: made by client.ts or server.ts, spoken over by link.ts, opaque to all others. */
export type Connection = WebSocket;
