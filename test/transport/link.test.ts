import { crc32 } from 'node:zlib';
import { expect, it, onTestFinished } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import type { Message } from '../../src/common/protocol/messages.js';
import { MessageWriter, piecesOf } from '../../src/common/protocol/message_stream.js';
import { slowLine } from '../support/slow_line.js';
import { Link, SOCKET_OPTIONS } from '../../src/transport/link.js';
import type { LinkTimes } from '../../src/transport/link_life.js';

const TIMES: LinkTimes = { heartbeatMs: 50, heartbeatTimeoutMs: 600_000, sendTimeoutMs: 600_000 };
const IMPATIENT: LinkTimes = { ...TIMES, sendTimeoutMs: 300 };

/** A link of ours, and the other end as a bare socket. */
async function linkAndPeer(onMessage: (message: Message) => void = () => {}, times = TIMES, bytesPerS: number | null = null) {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', ...SOCKET_OPTIONS });
  onTestFinished(() => void server.close());
  const accepted = new Promise<WebSocket>((resolve) => server.once('connection', resolve));
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  const by = bytesPerS === null ? port : await slowLine({ port, bytesPerS });
  const peer = new WebSocket(`ws://127.0.0.1:${by}`, SOCKET_OPTIONS);
  onTestFinished(() => peer.terminate());
  await new Promise((resolve) => peer.once('open', resolve));
  const socket = await accepted;
  let tell: (reason: string) => void = () => {};
  const ended = new Promise<string>((resolve) => (tell = resolve));
  const link = new Link(
    socket,
    { place: (_, total) => new Uint8Array(total), onMessage: ({ message }) => onMessage(message), onClosed: tell },
    times,
  );
  return { link, peer, socket, ended };
}

it('gives up on a peer that never reads, with at most one piece waiting', async () => {
  const { link, peer, socket, ended } = await linkAndPeer(undefined, IMPATIENT);
  peer.pause();
  const bytes = new Uint8Array(64 * 2 ** 20);
  void link.send({ type: 'parameters', version: 0 }, bytes);
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(socket.bufferedAmount).toBeLessThan(16 * 2 ** 20);
  expect(await ended).toBe('reads nothing since 0 s');
});

it('sends messages in order, large and small, and resolves when they are out', async () => {
  const { link, peer } = await linkAndPeer();
  const got: Message[] = [];
  const other = new Link(
    peer,
    { place: (_, total) => new Uint8Array(total), onMessage: ({ message }) => got.push(message), onClosed: () => {} },
    TIMES,
  );
  void link.send({ type: 'parameters', version: 1 }, new Uint8Array(20 * 2 ** 20));
  await link.send({ type: 'leaving' });
  await expect.poll(() => got.map(({ type }) => type)).toEqual(['parameters', 'leaving']);
  other.close('done');
});

it.each([
  ['where its piece begins: it is heard', [64 + 16], 'heard'],
  ['within its head', [63], 'shorter than its head'],
  ['within its piece', [64 + 16 + 1], 'parted at 81'],
  ['into three', [64, 64 + 16], 'what came breaks the rules of a WebSocket'],
])('takes a frame that comes parted %s', async (_, cuts, wanted) => {
  let hear: (reason: string) => void = () => {};
  const heard = new Promise<string>((resolve) => (hear = resolve));
  const { peer, ended } = await linkAndPeer(() => hear('heard'));
  const [{ head, piece }] = new MessageWriter(crc32).frames({ type: 'leaving' }, piecesOf(new Uint8Array(8), crc32));
  // `leaving` packs into 14 bytes, padded to 16.
  expect(head.length).toBe(64 + 16);
  const frame = Buffer.concat([head, piece]);
  const edges = [0, ...cuts, frame.length];
  edges.slice(1).forEach((end, i) => peer.send(frame.subarray(edges[i], end), { binary: true, fin: end === frame.length }));
  expect(await Promise.race([heard, ended])).toContain(wanted);
});

/** A peer with a link of its own, and what it hears. */
function heardBy(peer: WebSocket, times: LinkTimes) {
  const heard: Message[] = [];
  let tell: (reason: string) => void = () => {};
  const ended = new Promise<string>((resolve) => (tell = resolve));
  const handlers = {
    place: (_: Message, total: number) => new Uint8Array(total),
    onMessage: ({ message }: { message: Message }) => void heard.push(message),
    onClosed: tell,
  };
  const link = new Link(peer, handlers, times);
  onTestFinished(() => link.close('done'));
  return { heard, link, ended };
}

it('counts bytes as life in both directions: 3 MiB at 500 kB/s, where 0.7 s of silence or of not reading ends a link', async () => {
  const times = { heartbeatMs: 140, heartbeatTimeoutMs: 700, sendTimeoutMs: 700 };
  const { link, peer, ended } = await linkAndPeer(() => {}, times, 500_000);
  const other = heardBy(peer, times);
  // A piece of 1 MiB takes 2.1 s: nothing whole comes for that long, and each side sends all the time.
  const bytes = new Uint8Array(3 * 2 ** 20);
  const sent = [link.send({ type: 'parameters', version: 1 }, bytes), other.link.send({ type: 'parameters', version: 1 }, bytes)];
  const first = await Promise.race([ended, other.ended, Promise.all(sent).then(() => 'sent')]);
  expect(first).toBe('sent');
  await expect.poll(() => other.heard.length, { timeout: 60_000 }).toBe(1);
}, 120_000);

it('ends a peer that only trickles: 200 bytes a second, in the middle of a message', async () => {
  const times = { heartbeatMs: 100, heartbeatTimeoutMs: 60_000, sendTimeoutMs: 60_000, trickleMs: 1_000 };
  const { link, peer, ended } = await linkAndPeer(() => {}, times, 200);
  expect(link.moving).toBe(false);
  peer.send(Buffer.alloc(100_000), { binary: true });
  // Of the first piece of a message too: no shard's time is counted meanwhile.
  await expect.poll(() => link.moving).toBe(true);
  expect(await ended).toMatch(/^sends only \d+ bytes in \d+ s, in the middle of a message$/);
});
