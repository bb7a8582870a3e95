/**
 * Owns: one logged-in WebSocket as a stream of messages: frames, heartbeats, backpressure, and why it ended.
 * Does not: know what messages mean, log anyone in, reconnect, or judge whether the other side lives (link_life.ts).
 *
 * Heartbeats are sent and heard on this thread while TensorFlow computes in others. Time is taken from a monotonic clock.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import type { RawData, WebSocket } from './web_socket.js';
import { LIMITS } from '../common/limits.js';
import type { Message } from '../common/protocol/messages.js';
import {
  MessageReader,
  MessageWriter,
  piecesOf,
  type IncomingMessage,
  type PieceSource,
  type PlaceBytes,
} from '../common/protocol/message_stream.js';
import { LinkLife, type LinkTimes } from './link_life.js';
import { plainClose, plainly } from './plain_words.js';
import { bytesOf } from './progress.js';
import { errorMessage } from '../common/error_facts.js';
import { ExpectedError } from '../common/errors.js';

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
  readonly #life: LinkLife;
  readonly #writer = new MessageWriter(crc32);
  readonly #reader: MessageReader;
  #timer: NodeJS.Timeout;
  #queue: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(socket: WebSocket, handlers: LinkHandlers, times: LinkTimes = LIMITS) {
    this.#socket = socket;
    this.#handlers = handlers;
    // As they were sent, head and piece apart: ws would copy them together first.
    socket.binaryType = 'fragments';
    this.#reader = new MessageReader(crc32, handlers.place, handlers.onPiece);
    socket.on('message', (data, isBinary) => this.#hear(data, isBinary));
    // ws answers pings by itself; whoever sends them by the thousand is not a worker.
    socket.on('ping', () => this.close('pings are not part of the protocol', CLOSE_POLICY));
    socket.on('close', (code, why) => this.#end(plainClose(code, why.toString())));
    socket.on('error', (error) => this.#end(plainly(error), true));
    this.#life = new LinkLife(times, { nowMs: performance.now(), read: bytesOf(socket).read });
    this.#timer = setInterval(() => this.#beat(), times.heartbeatMs / 2);
  }

  /** Goes by other times from now on. */
  adopt(times: LinkTimes): void {
    if (this.#closed) return;
    clearInterval(this.#timer);
    this.#life.adopt(times, performance.now());
    this.#timer = setInterval(() => this.#beat(), times.heartbeatMs / 2);
  }

  /** Tensor bytes are on their way, in either direction, or were a little while ago; a link on which none move ends by itself. */
  get moving(): boolean {
    if (this.#closed) return false;
    return this.#reader.midMessage || this.#life.movedLately(bytesOf(this.#socket), performance.now());
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
      this.#life.sendingBegan(performance.now());
      await new Promise<void>((resolve) => {
        const sent = (error?: Error | null): void => {
          // Where the other side has said that it closes, and why, that comes next.
          if (error && this.#socket.readyState !== this.#socket.CLOSING) this.#end(plainly(error), true);
          resolve();
        };
        if (piece.length === 0) return this.#socket.send(head, { binary: true, fin: true }, sent);
        this.#socket.send(head, { binary: true, fin: false });
        this.#socket.send(piece, { binary: true, fin: true }, sent);
        this.#life.handedOver(bytesOf(this.#socket));
      });
      this.#life.sendingEnded(performance.now(), bytesOf(this.#socket));
    }
  }

  #hear(data: RawData, isBinary: boolean): void {
    if (this.#closed) return;
    this.#life.heard(bytesOf(this.#socket), performance.now());
    try {
      if (!isBinary) throw new Error('text, where frames are binary');
      const [head = NOTHING, piece] = data as Buffer[];
      const complete = this.#reader.push(head, piece);
      if (complete === null) return;
      const { message } = complete;
      if (message.type === 'heartbeat') this.#life.toldRead(message.read, bytesOf(this.#socket), performance.now());
      else this.#handlers.onMessage(complete);
    } catch (error) {
      const message = errorMessage(error);
      const isOurs = error instanceof ExpectedError || message.startsWith('internal: ');
      this.close(isOurs ? message : 'what came cannot be read', CLOSE_PROTOCOL);
    }
  }

  #beat(): void {
    const bytes = bytesOf(this.#socket);
    const due = this.#life.beat(bytes, performance.now());
    if (due.kind === 'speak') void this.send({ type: 'heartbeat', ...(bytes.read !== null && { read: bytes.read }) });
    else if (due.kind === 'end') this.close(due.reason, CLOSE_POLICY);
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
