/**
 * Owns: that what the system has taken whole, and the other side has not read, counts as on its way: by what the other side says it has read.
 */
import { describe, expect, it, onTestFinished } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { LIMITS } from '../../src/common/limits.js';
import { Link, SOCKET_OPTIONS } from '../../src/transport/link.js';
import { LinkLife, linkTimes } from '../../src/transport/link_life.js';
import { slowLine } from '../support/slow_line.js';

const TIMES = linkTimes(10_000);
const KILO = 1000;

/** A message of 3 MB that the system takes at once; the other side reads `perS` bytes a second and says so each second. */
function carried({ perS, until = Infinity }: { perS: (second: number) => number; until?: number }) {
  const life = new LinkLife(TIMES, { nowMs: 0, read: 0 });
  const written = 3_000 * KILO;
  life.sendingBegan(0);
  life.handedOver({ unsent: 0 });
  life.sendingEnded(0, { written });
  const moving: boolean[] = [];
  let read = 0;
  for (let second = 1; second <= Math.min(until, 200); second++) {
    read += perS(second);
    // Its own heartbeats come too: it lives.
    life.heard({ read: 100 * second }, second * KILO);
    life.toldRead(read, { written: written + 100 * second }, second * KILO);
    moving.push(life.moving({ read: 100 * second }, second * KILO));
  }
  return moving;
}

describe('a message that lies wholly in the system’s buffer', () => {
  it('is on its way until the other side has read its end: 3 MB at 50 kB/s for 60 s', () => {
    const moving = carried({ perS: () => 50 * KILO, until: 70 });
    expect(moving).toEqual(Array.from({ length: 70 }, (_, at) => at + 1 < 60));
  });

  it('is not any more once the other side has read nothing for as long as a silence may last', () => {
    const moving = carried({ perS: (second) => (second <= 20 ? 50 * KILO : 0), until: 40 });
    expect(moving).toEqual(Array.from({ length: 40 }, (_, at) => at + 1 <= 30));
  });

  it('is not where only heartbeats are counted, as of two sides that count differently', () => {
    const moving = carried({ perS: () => 50, until: 100 });
    expect(moving.indexOf(false)).toBe(LIMITS.trickleWindowMs / KILO - 1);
    expect(moving.lastIndexOf(true)).toBe(LIMITS.trickleWindowMs / KILO - 2);
  });

  it('is not where the other side says nothing, or has read what was never written', () => {
    const life = new LinkLife(TIMES, { nowMs: 0, read: 0 });
    life.sendingBegan(0);
    life.handedOver({ unsent: 0 });
    life.sendingEnded(0, { written: 1000 });
    life.toldRead(undefined, { written: 1000 }, 1);
    expect(life.moving({ read: 0 }, 1)).toBe(false);
    life.toldRead(2 ** 50, { written: 1000 }, 2);
    expect(life.moving({ read: 0 }, 2)).toBe(false);
  });
});

it('what was on its way for a minute has left its shard all of its time: it counts for 30 s more, and no longer', () => {
  const life = new LinkLife(TIMES, { nowMs: 0, read: 0 });
  const lately: boolean[] = [];
  for (let second = 1; second <= 120; second++) {
    const nowMs = second * KILO;
    // 60 kB of one frame in a minute, and a heartbeat each second after.
    const read = second <= 60 ? second * KILO + 1000 : 61 * KILO + 100 * (second - 60);
    if (second >= 60) life.heard({ read }, nowMs);
    life.beat({ read, unsent: 0 }, nowMs);
    lately.push(life.movedLately({ read }, nowMs));
  }
  expect(LIMITS.shardDeadlineFloorMs).toBe(30 * KILO);
  expect(lately).toEqual(Array.from({ length: 120 }, (_, at) => at + 1 <= 59 + 30));
});

it('a reader lives that reads what was sent before, while the system takes nothing more for longer than a stalled one may', () => {
  const life = new LinkLife(TIMES, { nowMs: 0, read: 0 });
  life.sendingBegan(0);
  life.handedOver({ unsent: 2 ** 20 });
  const beats: string[] = [];
  // A system takes more only once a third of its buffer is free: at 20 kB/s that are 67 s.
  for (let second = 1; second <= 100; second++) {
    const nowMs = second * KILO;
    life.heard({ read: 100 * second }, nowMs);
    if (second <= 60) life.toldRead(20 * KILO * second, { written: 4_000 * KILO }, nowMs);
    const due = life.beat({ read: 100 * second, unsent: 2 ** 20 }, nowMs);
    beats.push(due.kind === 'end' ? due.reason : due.kind);
    if (due.kind === 'end') break;
  }
  // It stopped after 60 s, and may stall for 30.
  expect(beats).toEqual([...(Array(90).fill('wait') as string[]), 'reads nothing since 30 s']);
});

it('over a line that takes all at once and carries 100 kB/s: a message of 600 kB is on its way until it is there', async () => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', ...SOCKET_OPTIONS });
  onTestFinished(() => void server.close());
  const accepted = new Promise<WebSocket>((resolve) => server.once('connection', resolve));
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  const by = await slowLine({ port, bytesPerS: 100_000, takesAll: true });
  const near = new WebSocket(`ws://127.0.0.1:${by}`, SOCKET_OPTIONS);
  await new Promise((resolve) => near.once('open', resolve));
  const times = { heartbeatMs: 100, heartbeatTimeoutMs: 60_000, sendTimeoutMs: 60_000, latelyMs: 500 };
  let there: () => void = () => {};
  const arrived = new Promise<void>((resolve) => (there = resolve));
  const handlers = { place: (_: unknown, total: number) => new Uint8Array(total), onMessage: () => there(), onClosed: () => {} };
  const link = new Link(near, handlers, times);
  const far = new Link(await accepted, handlers, times);
  onTestFinished(() => [link, far].forEach((each) => each.close('done')));
  const beganMs = performance.now();
  await link.send({ type: 'parameters', version: 1 }, new Uint8Array(600_000));
  // For as long as sending took, which is next to nothing, it would be on its way without what the other side says.
  const elseUntilMs = 2 * performance.now() - beganMs;
  let seen = 0;
  let isThere = false;
  void arrived.then(() => (isThere = true));
  while (!isThere) {
    if (link.moving && performance.now() > elseUntilMs) seen += 1;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  expect(seen).toBeGreaterThan(0);
  await expect.poll(() => link.moving).toBe(false);
});
