/**
 * Owns: one frame on the wire: a fixed binary head, a msgpack header, a piece of raw little-endian tensor bytes.
 * Does not: know messages (messages.ts), put pieces together (message_stream.ts), or touch sockets.
 *
 *   0 magic "TFJP" · 4 protocol u16 · 6 kind u16 · 8 sequence u32 · 12 step u32 · 16 shard u32 · 20 header bytes u32 ·
 *   24 piece bytes u32 · 28 total bytes f64 · 36 offset f64 · 44 CRC-32 of the piece u32 · 48 zeros · 60 CRC-32 of all but the piece u32 ·
 *   64 header, zeros to a multiple of 8, piece
 *
 * The piece begins 8-byte aligned within the frame. It has a sum of its own, so that one that goes to many workers is summed once.
 */
import { ClusterError } from '../errors.js';
import { LIMITS } from '../limits.js';

export const PROTOCOL = 13;
const FRAME_HEAD_BYTES = 64;
const MAGIC = 0x54464a50;
const KINDS = { message: 1, piece: 2 } as const;

/** `message` opens one and carries its header; `piece` continues the tensor bytes of the message before it. */
type FrameKind = keyof typeof KINDS;

export interface Frame {
  readonly kind: FrameKind;
  /** Counts the frames of one direction of one connection, from 0. */
  readonly sequence: number;
  readonly step: number;
  readonly shard: number;
  /** msgpack; empty for a piece. */
  readonly header: Uint8Array;
  readonly piece: Uint8Array;
  readonly pieceChecksum: number;
  /** Tensor bytes of the whole message, and where this piece lies in them. */
  readonly totalBytes: number;
  readonly offset: number;
}

/** CRC-32 as in zlib; passed in, because this folder has no system libraries. */
export type Checksum = (bytes: Uint8Array, start?: number) => number;

const padded = (bytes: number): number => Math.ceil(bytes / 8) * 8;

/** Everything of a frame but its piece, which is sent as it lies in memory. */
export function encodeFrameHead(frame: Frame, checksum: Checksum): Uint8Array {
  const { header, piece, pieceChecksum } = frame;
  const bytes = new Uint8Array(FRAME_HEAD_BYTES + padded(header.length));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint16(4, PROTOCOL, true);
  view.setUint16(6, KINDS[frame.kind], true);
  view.setUint32(8, frame.sequence, true);
  view.setUint32(12, frame.step, true);
  view.setUint32(16, frame.shard, true);
  view.setUint32(20, header.length, true);
  view.setUint32(24, piece.length, true);
  view.setFloat64(28, frame.totalBytes, true);
  view.setFloat64(36, frame.offset, true);
  view.setUint32(44, pieceChecksum, true);
  bytes.set(header, FRAME_HEAD_BYTES);
  view.setUint32(60, headChecksum(bytes, checksum), true);
  return bytes;
}

/**
 * Reads one frame; `header` and `piece` are views of what it is given. A piece may come apart from what is before it, as it was sent: joining the
 * two would cost a copy. @throws ClusterError WIRE_INVALID for anything but a well-formed frame.
 */
export function decodeFrame(bytes: Uint8Array, checksum: Checksum, apart?: Uint8Array): Frame {
  if (bytes.length < FRAME_HEAD_BYTES) throw wireError(`a frame of ${bytes.length} bytes is shorter than its head`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0, true) !== MAGIC) throw wireError('not a frame: wrong first bytes');
  const protocol = view.getUint16(4, true);
  if (protocol !== PROTOCOL) throw wireError(`protocol ${protocol}, wanted ${PROTOCOL}`);
  const kind = view.getUint16(6, true);
  if (kind !== KINDS.message && kind !== KINDS.piece) throw wireError(`frame kind ${kind}`);
  const headerBytes = view.getUint32(20, true);
  const pieceBytes = view.getUint32(24, true);
  if (headerBytes > LIMITS.maxHeaderBytes) throw wireError(`a header of ${headerBytes} bytes, at most ${LIMITS.maxHeaderBytes}`);
  if (pieceBytes > LIMITS.maxPieceBytes) throw wireError(`a piece of ${pieceBytes} bytes, at most ${LIMITS.maxPieceBytes}`);
  const start = FRAME_HEAD_BYTES + padded(headerBytes);
  const got = bytes.length + (apart?.length ?? 0);
  if (got !== start + pieceBytes) throw wireError(`a frame of ${got} bytes declares ${start + pieceBytes}`);
  if (apart !== undefined && bytes.length !== start)
    throw wireError(`a frame parted at ${bytes.length}, its piece begins at ${start}`);
  const totalBytes = view.getFloat64(28, true);
  const offset = view.getFloat64(36, true);
  const whole = Number.isSafeInteger(totalBytes) && Number.isSafeInteger(offset) && totalBytes >= 0 && offset >= 0;
  if (!whole || offset + pieceBytes > totalBytes) throw wireError(`a piece at ${offset} of ${pieceBytes} bytes in ${totalBytes}`);
  if ((kind === KINDS.message) !== headerBytes > 0) throw wireError('a message has a header and a piece has none');
  const piece = apart ?? bytes.subarray(start);
  const pieceChecksum = checksum(piece);
  if (view.getUint32(60, true) !== headChecksum(bytes.subarray(0, start), checksum) || view.getUint32(44, true) !== pieceChecksum)
    throw wireError('checksum of a frame differs');
  return {
    kind: kind === KINDS.message ? 'message' : 'piece',
    sequence: view.getUint32(8, true),
    step: view.getUint32(12, true),
    shard: view.getUint32(16, true),
    header: bytes.subarray(FRAME_HEAD_BYTES, FRAME_HEAD_BYTES + headerBytes),
    piece,
    pieceChecksum,
    totalBytes,
    offset,
  };
}

/** Over head (without the sum itself), header and padding. */
function headChecksum(headAndHeader: Uint8Array, checksum: Checksum): number {
  const sum = checksum(headAndHeader.subarray(0, 60));
  // zlib answers 0, not the sum so far, for memory of no length at no address.
  return headAndHeader.length > FRAME_HEAD_BYTES ? checksum(headAndHeader.subarray(FRAME_HEAD_BYTES), sum) : sum;
}

export function wireError(message: string): ClusterError {
  return new ClusterError({
    code: 'WIRE_INVALID',
    message: `the other side sent what the protocol does not allow: ${message}`,
    next: 'Check that coordinator and worker are the same version of tfjs-parallel and that nothing between them changes traffic.',
  });
}
