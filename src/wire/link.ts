/**
 * Owns: one logged-in WebSocket as a stream of messages: frames, heartbeats, backpressure, and why it ended.
 * Does not: know what messages mean, log anyone in, or reconnect.
 *
 * Heartbeats are sent and heard on this thread while TensorFlow computes in others. Time is taken from a monotonic clock.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import type { RawData, WebSocket } from 'ws';
import { LIMITS } from '../common/limits.js';
import type { Message } from '../common/messages.js';
import {
  MessageReader,
  MessageWriter,
  piecesOf,
  type IncomingMessage,
  type PieceSource,
  type PlaceBytes,
} from '../common/message_stream.js';
import { errorMessage } from '../common/error_facts.js';

export interface LinkHandlers {
  /** Gives memory for a message's tensor bytes, or throws to end the link. */
  readonly place: PlaceBytes;
  /** Hears how far a message's tensor bytes have come. May throw to end the link. */
  readonly onPiece?: (message: Message, bytes: Uint8Array, filled: number) => void;
  /** May throw to end the link. */
  readonly onMessage: (incoming: IncomingMessage) => void;
  /** Called once. Nothing comes after it. */
  readonly onClosed: (reason: string) => void;
}

export interface LinkTimes {
  readonly heartbeatMs: number;
  readonly heartbeatTimeoutMs: number;
  readonly sendTimeoutMs: number;
  /** In place of every question's own deadline, for tests. */
  readonly questionMs?: number;
}

/** What both ends tell ws: no compression, every buffer capped. */
export const SOCKET_OPTIONS = {
  perMessageDeflate: false,
  // Head, header, its padding and one piece.
  maxPayload: 64 + LIMITS.maxHeaderBytes + 8 + LIMITS.maxPieceBytes,
  maxFragments: 2,
  maxBufferedChunks: 16 * 1024,
  skipUTF8Validation: true,
} as const;

const NOTHING = new Uint8Array(0);
const CLOSE_NORMAL = 1000;
const CLOSE_PROTOCOL = 1002;
const CLOSE_POLICY = 1008;

export class Link {
  readonly #socket: WebSocket;
  readonly #handlers: LinkHandlers;
  readonly #times: LinkTimes;
  readonly #writer = new MessageWriter(crc32);
  readonly #reader: MessageReader;
  readonly #timer: NodeJS.Timeout;
  #queue: Promise<void> = Promise.resolve();
  #lastHeardMs = performance.now();
  #lastBeatMs = performance.now();
  #sendingSinceMs: number | null = null;
  #closed = false;

  constructor(socket: WebSocket, handlers: LinkHandlers, times: LinkTimes = LIMITS) {
    this.#socket = socket;
    this.#handlers = handlers;
    this.#times = times;
    // As they were sent, head and piece apart: ws would copy them together first.
    socket.binaryType = 'fragments';
    this.#reader = new MessageReader(crc32, handlers.place, handlers.onPiece);
    socket.on('message', (data, isBinary) => this.#hear(data, isBinary));
    // ws answers pings by itself; whoever sends them by the thousand is not a worker.
    socket.on('ping', () => this.close('pings are not part of the protocol', CLOSE_POLICY));
    socket.on('close', (code, why) => this.#end(why.toString() || `connection closed (${code})`));
    socket.on('error', (error) => this.#end(error.message, true));
    this.#timer = setInterval(() => this.#beat(), times.heartbeatMs / 2);
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Sends after everything sent before; resolves when the system has taken it, or the link is closed. Never rejects. */
  send(message: Message, bytes?: Uint8Array | PieceSource): Promise<void> {
    const source = bytes instanceof Uint8Array ? piecesOf(bytes, crc32) : bytes;
    this.#queue = this.#queue.then(() => this.#write(message, source));
    return this.#queue;
  }

  /** Ends the link after what is queued was sent. */
  async finish(reason: string): Promise<void> {
    await this.#queue;
    this.close(reason, CLOSE_NORMAL);
  }

  /** Ends the link now. */
  close(reason: string, code = CLOSE_NORMAL): void {
    if (this.#closed) return;
    // A close frame holds at most 123 bytes of reason.
    this.#socket.close(code, Buffer.from(reason).subarray(0, 120));
    this.#end(reason, code !== CLOSE_NORMAL);
  }

  async #write(message: Message, source?: PieceSource): Promise<void> {
    let first = true;
    for (const { head, piece } of this.#writer.frames(message, source)) {
      // While the other side keeps up, nothing here would wait for the event loop, and everybody else would.
      if (!first) await nextTurn();
      first = false;
      if (this.#closed) return;
      this.#sendingSinceMs = performance.now();
      await new Promise<void>((resolve) => {
        const sent = (error?: Error | null): void => {
          if (error) this.#end(error.message, true);
          resolve();
        };
        if (piece.length === 0) return this.#socket.send(head, { binary: true, fin: true }, sent);
        this.#socket.send(head, { binary: true, fin: false });
        this.#socket.send(piece, { binary: true, fin: true }, sent);
      });
      this.#sendingSinceMs = null;
    }
  }

  #hear(data: RawData, isBinary: boolean): void {
    if (this.#closed) return;
    this.#lastHeardMs = performance.now();
    try {
      if (!isBinary) throw new Error('text, where frames are binary');
      const [head = NOTHING, piece] = data as Buffer[];
      const complete = this.#reader.push(head, piece);
      if (complete !== null && complete.message.type !== 'heartbeat') this.#handlers.onMessage(complete);
    } catch (error) {
      this.close(errorMessage(error), CLOSE_PROTOCOL);
    }
  }

  #beat(): void {
    const now = performance.now();
    const { heartbeatMs, heartbeatTimeoutMs, sendTimeoutMs } = this.#times;
    // If this process was stopped, the other side's words may be waiting unread: it is not the other side that was silent.
    if (now - this.#lastBeatMs > 2 * heartbeatMs) this.#lastHeardMs = now;
    this.#lastBeatMs = now;
    if (now - this.#lastHeardMs > heartbeatTimeoutMs) {
      return this.close(`silent for ${Math.round(heartbeatTimeoutMs / 1000)} s`, CLOSE_POLICY);
    }
    if (this.#sendingSinceMs !== null) {
      if (now - this.#sendingSinceMs > sendTimeoutMs)
        this.close(`reads nothing since ${Math.round(sendTimeoutMs / 1000)} s`, CLOSE_POLICY);
      // What is being sent says as much as a heartbeat.
      return;
    }
    void this.send({ type: 'heartbeat' });
  }

  #end(reason: string, terminate = false): void {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#timer);
    // A peer that broke the rules, or is gone, gets no time to say goodbye.
    if (terminate) setImmediate(() => this.#socket.terminate());
    this.#handlers.onClosed(reason);
  }
}
