import { crc32 } from 'node:zlib';
import { Packr } from 'msgpackr';
import { describe, expect, it } from 'vitest';
import { ClusterError } from '../../src/common/errors.js';
import { decodeFrame, encodeFrameHead } from '../../src/common/protocol/frame.js';
import { scanHeader } from '../../src/common/protocol/header_scan.js';
import { LIMITS } from '../../src/common/limits.js';
import { decodeHeader, encodeHeader, type Message, type MessageOf } from '../../src/common/protocol/messages.js';
import { addPiece, MessageReader, MessageWriter, noBytes, piecesOf } from '../../src/common/protocol/message_stream.js';
import { fuzzFrame } from '../../scripts/chaos/fuzz_frame.mjs';
import { Chance } from '../support/simulated_world.js';

const RESULT: MessageOf<'result'> = {
  type: 'result',
  id: { kind: 'train', step: 7, shard: 3, attempt: 1 },
  version: 6,
  replica: 0,
  coordinatorEpoch: 2,
  parametersChecksum: 3,
  examples: 67,
  lossSum: 0.1,
  sums: [60],
  nonFinite: null,
  computeMs: 12.5,
};
const bytesOf = (count: number): Uint8Array => Uint8Array.from({ length: count }, (_, i) => (i * 31) & 255);

function wireOf(message: Message, bytes?: Uint8Array): Uint8Array[] {
  return [...new MessageWriter(crc32).frames(message, bytes && piecesOf(bytes, crc32))].map(({ head, piece }) =>
    Buffer.concat([head, piece]),
  );
}
const reader = (): MessageReader => new MessageReader(crc32, (_, total) => new Uint8Array(total));

describe('frames', () => {
  it('has its piece 8-byte aligned: a header of 5 bytes and a piece of 3 make 64 + 8 + 3', () => {
    const frame = {
      kind: 'message',
      sequence: 4,
      step: 5,
      shard: 6,
      header: bytesOf(5),
      piece: bytesOf(3),
      pieceChecksum: crc32(bytesOf(3)),
      totalBytes: 3,
      offset: 0,
    } as const;
    const wire = Buffer.concat([encodeFrameHead(frame, crc32), frame.piece]);
    expect(wire.length).toBe(75);
    const read = decodeFrame(wire, crc32);
    expect({ ...read, header: [...read.header], piece: [...read.piece] }).toEqual({
      ...frame,
      header: [...frame.header],
      piece: [...frame.piece],
    });
  });

  it('may come in two parts, parted where its piece begins and nowhere else', () => {
    const [wire] = wireOf(RESULT, bytesOf(13));
    const whole = decodeFrame(wire, crc32);
    const start = wire.length - 13;
    for (let at = 0; at <= wire.length; at++) {
      const parts = [wire.subarray(0, at), wire.subarray(at)];
      const read = (): unknown => decodeFrame(parts[0], crc32, parts[1]);
      if (at === start) expect(read()).toEqual(whole);
      else expect(read, `parted at ${at}`).toThrow(ClusterError);
    }
    const flipped = Uint8Array.from(wire.subarray(start));
    flipped[12] ^= 1;
    expect(() => decodeFrame(wire.subarray(0, start), crc32, flipped)).toThrow('checksum of a frame differs');
  });

  it('refuses every single-bit flip and every truncation of a frame', () => {
    const [wire] = wireOf(RESULT, bytesOf(13));
    for (let bit = 0; bit < wire.length * 8; bit++) {
      const flipped = Uint8Array.from(wire);
      flipped[bit >> 3] ^= 1 << (bit & 7);
      expect(() => decodeFrame(flipped, crc32), `bit ${bit}`).toThrow(ClusterError);
    }
    for (let length = 0; length < wire.length; length++)
      expect(() => decodeFrame(wire.subarray(0, length), crc32)).toThrow(ClusterError);
  });
});

describe('headers', () => {
  const packer = new Packr({ useRecords: false });

  it.each([
    ['bin', Buffer.concat([packer.pack({ a: Buffer.alloc(4) })])],
    ['an extension', packer.pack({ when: new Date(0) })],
    ['a byte after its end', Buffer.concat([packer.pack({ a: 1 }), Buffer.of(0)])],
    ['no bytes', Buffer.alloc(0)],
    ['an early end', packer.pack({ a: 'four' }).subarray(0, 5)],
    ['a count beyond its bytes', Buffer.of(0xdd, 0xff, 0xff, 0xff, 0xff)],
    ['a key that is a number', Buffer.of(0x81, 0x01, 0x01)],
    ['depth 40', Buffer.concat([Buffer.alloc(40, 0x91), Buffer.of(0xc0)])],
    ['5000 items', packer.pack(Array.from({ length: 5000 }, () => 1))],
  ])('refuses %s before decoding', (_, bytes) => {
    expect(() => scanHeader(bytes)).toThrow(ClusterError);
  });

  it('carries doubles to the last bit, NaN and infinity included', () => {
    for (const lossSum of [0.1, NaN, Infinity, 2 ** -1074, -1e308]) {
      expect((decodeHeader(encodeHeader({ ...RESULT, lossSum })) as typeof RESULT).lossSum).toBe(lossSum);
    }
  });

  it.each([
    ['an unknown tag', { type: 'launch' }],
    ['a tag of Object', { type: 'constructor' }],
    ['a field too many', { type: 'leaving', path: '/etc/passwd' }],
    ['a field too few', { type: 'lost', replica: 0 }],
    ['a fraction for a count', { ...RESULT, step: 1.5 }],
    ['no map', 5],
  ])('refuses %s', (_, value) => {
    expect(() => decodeHeader(packer.pack(value))).toThrow(ClusterError);
  });
});

describe('message streams', () => {
  it.each([0, 1, 13, LIMITS.maxPieceBytes, LIMITS.maxPieceBytes + 1])('carry %i bytes', (count) => {
    const bytes = bytesOf(count);
    const frames = wireOf(RESULT, bytes);
    expect(frames.length).toBe(count > LIMITS.maxPieceBytes ? 2 : 1);
    const to = reader();
    const got = frames.map((frame) => to.push(frame)).at(-1);
    expect(got?.message).toEqual(RESULT);
    expect(Buffer.compare(got?.bytes ?? Buffer.alloc(0), bytes)).toBe(0);
    const sums = Array.from({ length: frames.length }, (_, i) => piecesOf(bytes, crc32).at(i).checksum);
    expect(got?.checksum).toBe(sums.reduce((sum, piece) => addPiece(sum, piece, crc32), 0));
  });

  it('lets a heartbeat pass between the pieces of a message, and nothing else', () => {
    const writer = new MessageWriter(crc32);
    const pieces = writer.frames(RESULT, piecesOf(bytesOf(LIMITS.maxPieceBytes + 1), crc32));
    const next = (from: Generator<{ head: Uint8Array; piece: Uint8Array }>): Uint8Array => {
      const { head, piece } = from.next().value as { head: Uint8Array; piece: Uint8Array };
      return Buffer.concat([head, piece]);
    };
    const to = reader();
    expect(to.push(next(pieces))).toBeNull();
    expect(to.push(next(writer.frames({ type: 'heartbeat' })))?.message.type).toBe('heartbeat');
    expect(() => to.push(next(writer.frames({ type: 'leaving' })))).toThrow('before the end of result');
  });

  it('asks where bytes shall go before it allocates them, and refuses a total that is not allowed', () => {
    const [frame] = wireOf({ type: 'leaving' }, bytesOf(8));
    expect(() => new MessageReader(crc32, noBytes).push(frame)).toThrow('leaving with 8 bytes, wanted none');
  });

  it('refuses a frame that is sent twice', () => {
    const [frame] = wireOf({ type: 'leaving' });
    const to = reader();
    to.push(frame);
    expect(() => to.push(frame)).toThrow('frame 0, wanted 1');
  });

  it('survives 100,000 fuzzed frames: each is refused with an expected error or is a message', () => {
    const chance = new Chance(5);
    const seeds = [RESULT, { type: 'leaving' } as const, { type: 'finish', reason: 'done' } as const].map(
      (m) => wireOf(m, bytesOf(24))[0],
    );
    let refused = 0;
    for (let i = 0; i < 100_000; i++) {
      const cut = fuzzFrame(chance.of(seeds), () => chance.next());
      try {
        new MessageReader(crc32, (_, total) => new Uint8Array(Math.min(total, 64))).push(cut);
      } catch (error) {
        if (!(error instanceof ClusterError)) throw error;
        refused += 1;
      }
    }
    expect(refused).toBeGreaterThan(90_000);
  });
});
