/**
 * Owns: one logged-in WebSocket as a stream of messages: frames, heartbeats, backpressure, and why it ended.
 * Does not: know what messages mean, log anyone in, or reconnect.
 *
 * Heartbeats are sent and heard on this thread while TensorFlow computes in others. Time is taken from a monotonic clock. Alive is who sends bytes:
 * on a slow line a single frame may take longer than any silence that is allowed.
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

export interface LinkTimes {
  readonly heartbeatMs: number;
  readonly heartbeatTimeoutMs: number;
  readonly sendTimeoutMs: number;
  /** In place of LIMITS.trickleWindowMs, for tests. */
  readonly trickleMs?: number;
  /** In place of every question's own deadline, for tests. */
  readonly questionMs?: number;
}

/** The times that follow from how long a silence may last: five beats, and thrice as long for a reader that takes nothing. */
export function linkTimes(silenceMs: number): LinkTimes {
  const sendTimeoutMs = Math.max(LIMITS.sendTimeoutMs, 3 * silenceMs);
  return { heartbeatMs: silenceMs / 5, heartbeatTimeoutMs: silenceMs, sendTimeoutMs };
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

/** The piece that is being sent. */
interface Sending {
  readonly sinceMs: number;
  /** When the system last took bytes of it. */
  progressMs: number;
  /** Bytes that the system had not taken then. */
  unsent: number | null;
  taken: number;
}

/**
 * What moved of a frame, for people, where it is less than the floor asks for; null where it is enough, or too early to say. Where nothing moved the
 * silence tells.
 */
function trickle(ms: number, bytes: number, { heartbeatTimeoutMs, trickleMs }: LinkTimes): string | null {
  const windowMs = trickleMs ?? Math.max(LIMITS.trickleWindowMs, 3 * heartbeatTimeoutMs);
  if (ms < windowMs || bytes === 0 || bytes >= (LIMITS.trickleBytesPerS * ms) / 1000) return null;
  return `${bytes} bytes in ${Math.round(ms / 1000)} s`;
}

const NOTHING = new Uint8Array(0);
const CLOSE_NORMAL = 1000;
const CLOSE_PROTOCOL = 1002;
const CLOSE_POLICY = 1008;

export class Link {
  readonly #socket: WebSocket;
  readonly #handlers: LinkHandlers;
  #times: LinkTimes;
  readonly #writer = new MessageWriter(crc32);
  readonly #reader: MessageReader;
  #timer: NodeJS.Timeout;
  #queue: Promise<void> = Promise.resolve();
  #lastHeardMs = performance.now();
  #lastBeatMs = performance.now();
  /** Bytes that had come at the last beat. */
  #readBytes = 0;
  /** When the last whole frame came, and how many bytes had come then. */
  #frame: { readonly atMs: number; readonly bytes: number };
  #sending: Sending | null = null;
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
    socket.on('close', (code, why) => this.#end(plainClose(code, why.toString())));
    socket.on('error', (error) => this.#end(plainly(error), true));
    this.#frame = { atMs: this.#lastHeardMs, bytes: bytesOf(socket).read ?? 0 };
    this.#timer = setInterval(() => this.#beat(), times.heartbeatMs / 2);
  }

  /** Goes by other times from now on. */
  adopt(times: LinkTimes): void {
    if (this.#closed) return;
    clearInterval(this.#timer);
    this.#times = times;
    this.#lastBeatMs = performance.now();
    this.#timer = setInterval(() => this.#beat(), times.heartbeatMs / 2);
  }

  /** Tensor bytes are on their way, in either direction; a link on which none move ends by itself. */
  get moving(): boolean {
    return !this.#closed && (this.#sending !== null || this.#reader.midMessage);
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
      const began = performance.now();
      this.#sending = { sinceMs: began, progressMs: began, unsent: null, taken: 0 };
      await new Promise<void>((resolve) => {
        const sent = (error?: Error | null): void => {
          if (error) this.#end(plainly(error), true);
          resolve();
        };
        if (piece.length === 0) return this.#socket.send(head, { binary: true, fin: true }, sent);
        this.#socket.send(head, { binary: true, fin: false });
        this.#socket.send(piece, { binary: true, fin: true }, sent);
        if (this.#sending !== null) this.#sending.unsent = bytesOf(this.#socket).unsent;
      });
      this.#sending = null;
    }
  }

  #hear(data: RawData, isBinary: boolean): void {
    if (this.#closed) return;
    this.#lastHeardMs = performance.now();
    this.#frame = { atMs: this.#lastHeardMs, bytes: bytesOf(this.#socket).read ?? 0 };
    try {
      if (!isBinary) throw new Error('text, where frames are binary');
      const [head = NOTHING, piece] = data as Buffer[];
      const complete = this.#reader.push(head, piece);
      if (complete !== null && complete.message.type !== 'heartbeat') this.#handlers.onMessage(complete);
    } catch (error) {
      const message = errorMessage(error);
      const isOurs = error instanceof ExpectedError || message.startsWith('internal: ');
      this.close(isOurs ? message : 'what came cannot be read', CLOSE_PROTOCOL);
    }
  }

  #beat(): void {
    const now = performance.now();
    const { heartbeatMs, heartbeatTimeoutMs } = this.#times;
    const { read, unsent } = bytesOf(this.#socket);
    // If this process was stopped, the other side's words may be waiting unread: it is not the other side that was silent.
    if (now - this.#lastBeatMs > 2 * heartbeatMs) {
      this.#lastHeardMs = now;
      this.#frame = { atMs: now, bytes: read ?? 0 };
      if (this.#sending !== null) this.#sending = { ...this.#sending, sinceMs: now, progressMs: now, taken: 0 };
    }
    this.#lastBeatMs = now;
    // Whoever sends bytes is alive, also in the middle of a frame that takes a minute on a slow line.
    if (read !== null && read !== this.#readBytes) this.#lastHeardMs = now;
    this.#readBytes = read ?? 0;
    if (now - this.#lastHeardMs > heartbeatTimeoutMs) {
      return this.close(`silent for ${Math.round(heartbeatTimeoutMs / 1000)} s`, CLOSE_POLICY);
    }
    const trickled = trickle(now - this.#frame.atMs, this.#readBytes - this.#frame.bytes, this.#times);
    if (trickled !== null) return this.close(`sends only ${trickled}, in the middle of a message`, CLOSE_POLICY);
    if (this.#sending === null) return void this.send({ type: 'heartbeat' });
    // What is being sent says as much as a heartbeat.
    this.#watchReader(this.#sending, unsent, now);
  }

  /** How the other side takes the piece that is being sent. */
  #watchReader(sending: Sending, unsent: number | null, now: number): void {
    const { sendTimeoutMs } = this.#times;
    if (unsent !== sending.unsent) {
      sending.progressMs = now;
      sending.taken += Math.max(0, (sending.unsent ?? 0) - (unsent ?? 0));
      sending.unsent = unsent;
    }
    if (now - sending.progressMs > sendTimeoutMs)
      return this.close(`reads nothing since ${Math.round(sendTimeoutMs / 1000)} s`, CLOSE_POLICY);
    const trickled = unsent === null ? null : trickle(now - sending.sinceMs, sending.taken, this.#times);
    if (trickled !== null) this.close(`reads only ${trickled}`, CLOSE_POLICY);
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
