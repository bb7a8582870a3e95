/**
 * Owns: messages with their tensor bytes as a sequence of frames, in both directions of one connection.
 * Does not: send, receive or allocate: where tensor bytes go is the caller's answer to a message's declared total.
 */
import { decodeFrame, encodeFrameHead, wireError, type Checksum } from './frame.js';
import { LIMITS } from '../limits.js';
import { decodeHeader, encodeHeader, type Message } from './messages.js';

const NOTHING = new Uint8Array(0);

/** One frame, ready to send: `head`, then `piece`, as one WebSocket message. */
export interface OutgoingFrame {
  readonly head: Uint8Array;
  readonly piece: Uint8Array;
}

/** Tensor bytes to be sent, a piece at a time: piece `index` begins at `index` × LIMITS.maxPieceBytes. */
export interface PieceSource {
  readonly byteLength: number;
  at(index: number): { readonly piece: Uint8Array; readonly checksum: number };
}

/** The pieces of bytes that lie in memory. */
export function piecesOf(bytes: Uint8Array, checksum: Checksum): PieceSource {
  return {
    byteLength: bytes.length,
    at: (index) => {
      const piece = pieceOf(bytes, index);
      return { piece, checksum: checksum(piece) };
    },
  };
}

/** A view of piece `index`. */
export function pieceOf(bytes: Uint8Array, index: number): Uint8Array {
  const start = index * LIMITS.maxPieceBytes;
  return bytes.subarray(start, start + LIMITS.maxPieceBytes);
}

/** Adds the next piece to the checksum of a whole message's tensor bytes: CRC-32 of its pieces' CRC-32s, little-endian. */
export function addPiece(sum: number, pieceChecksum: number, checksum: Checksum): number {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, pieceChecksum, true);
  return checksum(bytes, sum);
}

/** Cuts messages into frames and numbers them. Frames must be sent in the order in which they are drawn. */
export class MessageWriter {
  #sequence = 0;
  constructor(private readonly checksum: Checksum) {}

  *frames(message: Message, source: PieceSource = piecesOf(NOTHING, this.checksum)): Generator<OutgoingFrame> {
    const { step, shard } = placeOf(message);
    const totalBytes = source.byteLength;
    let offset = 0;
    for (let index = 0; index === 0 || offset < totalBytes; index++) {
      const { piece, checksum: pieceChecksum } = source.at(index);
      const header = index === 0 ? encodeHeader(message) : NOTHING;
      const kind = index === 0 ? 'message' : 'piece';
      const frame = { kind, sequence: this.#sequence++, step, shard, header, piece, pieceChecksum, totalBytes, offset } as const;
      yield { head: encodeFrameHead(frame, this.checksum), piece };
      offset += piece.length;
    }
  }
}

export interface IncomingMessage {
  readonly message: Message;
  /** What `place` gave, filled. */
  readonly bytes: Uint8Array;
  /** Of `bytes`, as `addPiece` makes it. */
  readonly checksum: number;
}

/**
 * Where a message's tensor bytes shall go: memory of exactly `totalBytes`. Called before anything is allocated for them; throws
 * where the total is not what the model says it must be.
 */
export type PlaceBytes = (message: Message, totalBytes: number) => Uint8Array;

/** Puts messages together from frames; heartbeats may come between the pieces of another message. */
export class MessageReader {
  #sequence = 0;
  #open: { message: Message; bytes: Uint8Array; filled: number; sum: number } | null = null;

  constructor(
    private readonly checksum: Checksum,
    private readonly place: PlaceBytes,
    /** Hears of each piece that has come, so that a large message's numbers can be looked at a piece at a time. */
    private readonly onPiece: (message: Message, bytes: Uint8Array, filled: number) => void = () => {},
  ) {}

  /** A message has begun and is not whole. */
  get midMessage(): boolean {
    return this.#open !== null;
  }

  /** `apart` is the frame's piece, where `data` ends before it. @returns the message that this frame completes, if any. @throws ClusterError WIRE_INVALID */
  push(data: Uint8Array, apart?: Uint8Array): IncomingMessage | null {
    const { kind, sequence, step, shard, header, piece, pieceChecksum, totalBytes, offset } = decodeFrame(
      data,
      this.checksum,
      apart,
    );
    if (sequence !== this.#sequence) throw wireError(`frame ${sequence}, wanted ${this.#sequence}`);
    this.#sequence += 1;
    if (kind === 'message') {
      const message = decodeHeader(header);
      const place = placeOf(message);
      if (place.step !== step || place.shard !== shard) throw wireError('a frame of another step or shard than its message');
      if (message.type === 'heartbeat' && totalBytes === 0) return { message, bytes: NOTHING, checksum: 0 };
      if (this.#open !== null) throw wireError(`message ${message.type} before the end of ${this.#open.message.type}`);
      if (offset !== 0) throw wireError('a message that does not begin at its first byte');
      const bytes = this.place(message, totalBytes);
      if (bytes.length !== totalBytes) throw wireError(`${message.type} with ${totalBytes} bytes, wanted ${bytes.length}`);
      this.#open = { message, bytes, filled: 0, sum: 0 };
    }
    const open = this.#open;
    if (open === null) throw wireError('a piece without a message');
    if (offset !== open.filled || totalBytes !== open.bytes.length) throw wireError('a piece out of order');
    if (piece.length === 0 && totalBytes > 0) throw wireError('an empty piece');
    open.bytes.set(piece, offset);
    open.filled += piece.length;
    open.sum = addPiece(open.sum, pieceChecksum, this.checksum);
    this.onPiece(open.message, open.bytes, open.filled);
    if (open.filled < open.bytes.length) return null;
    this.#open = null;
    return { message: open.message, bytes: open.bytes, checksum: open.sum };
  }
}

/** For messages without tensor bytes. */
export function noBytes(message: Message, totalBytes: number): Uint8Array {
  if (totalBytes !== 0) throw wireError(`${message.type} with ${totalBytes} bytes, wanted none`);
  return NOTHING;
}

function placeOf(message: Message): { step: number; shard: number } {
  if (message.type !== 'assign' && message.type !== 'result') return { step: 0, shard: 0 };
  return { step: message.id.step >>> 0, shard: message.id.shard };
}
