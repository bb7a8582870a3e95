/**
 * Owns: measuring the way to a coordinator: what it finds, that nobody is admitted by it, and what it may cost at most.
 */
import { EventEmitter } from 'node:events';
import { createServer } from 'node:http';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { LIMITS } from '../../src/common/limits.js';
import { PROTOCOL } from '../../src/common/protocol/frame.js';
import { packageVersion } from '../../src/system/package_info.js';
import { channelOf } from '../../src/transport/between.js';
import { connectToCoordinator } from '../../src/transport/client.js';
import { answerProbe, measureWay } from '../../src/transport/probe.js';
import { proofOf, secretOf } from '../../src/transport/secrets.js';
import type { WebSocket } from '../../src/transport/web_socket.js';
import { loopbackCluster, SECRET } from '../support/loopback_cluster.js';

const PLAIN = { kind: 'none' } as const;
const FACTS = { coordinatorNonce: 'a'.repeat(40), workerNonce: 'b'.repeat(40), exporter: '' };

async function probe(port: number, { secret = SECRET, tls = PLAIN as { kind: 'none' } | { kind: 'psk' } } = {}) {
  const socket = await connectToCoordinator({ coordinator: { host: '127.0.0.1', port }, secret, tls, purpose: 'probe' });
  onTestFinished(() => socket.terminate());
  return socket;
}

describe('a probe', () => {
  it.each([PLAIN, { kind: 'psk' } as const])(
    'finds version, times and rates of the way ($kind), and is no worker',
    async (tls) => {
      const { port, lines } = await loopbackCluster({ tls });
      const way = await measureWay(await probe(port, { tls }));
      expect(way.software).toBe(packageVersion());
      expect(way.leastMs).toBeGreaterThan(0);
      expect(way.medianMs).toBeGreaterThanOrEqual(way.leastMs);
      // One machine, one clock: the difference is how long either side was kept from running.
      expect(Math.abs(way.clockAheadMs)).toBeLessThanOrEqual(way.leastMs + 2);
      // A line of 64 KiB a second would be none.
      expect(Math.min(way.upBytesPerS, way.downBytesPerS)).toBeGreaterThan(2 ** 16);
      expect(lines).toEqual([]);
    },
  );

  it('is refused with another token, and told so once', async () => {
    const { port, lines } = await loopbackCluster();
    await expect(probe(port, { secret: secretOf('B'.repeat(43)) })).rejects.toMatchObject({ code: 'TOKEN_REFUSED' });
    expect(lines).toEqual(['login refused: token refused']);
  });

  it('proves another thing than a worker does: no login serves for both', () => {
    expect(proofOf(SECRET, 'probe', FACTS)).not.toBe(proofOf(SECRET, 'worker', FACTS));
  });

  it('leaves room for workers: a fifth at once is sent away, and a worker is not', async () => {
    const { port, join } = await loopbackCluster();
    const sockets = await Promise.all(Array.from({ length: LIMITS.maxProbes }, () => probe(port)));
    await expect(probe(port)).rejects.toThrow('it has as many who look at the way as it takes');
    await (
      await join({ name: 'w' })
    ).admitted;
    sockets[0].close();
    await expect
      .poll(() =>
        probe(port).then(
          () => 'in',
          () => 'out',
        ),
      )
      .toBe('in');
  });
});

/** A socket that keeps what it is sent: the other side reads nothing. */
function deaf() {
  const sent: number[] = [];
  const ends: string[] = [];
  const socket = Object.assign(new EventEmitter(), {
    send: (bytes: Buffer | string) => void sent.push(bytes.length),
    close: (_: number, why: string) => void ends.push(why),
    terminate: () => void ends.push('terminated'),
  });
  answerProbe(socket as unknown as WebSocket);
  const ask = (length: number, answer: number): void => {
    const bytes = Buffer.alloc(length);
    bytes.writeUInt32LE(answer);
    socket.emit('message', bytes, true);
  };
  return { socket, sent, ends, ask };
}

describe('what a probe may cost a coordinator', () => {
  it('memory: answers that are not read', () => {
    const { sent, ends, ask } = deaf();
    for (let i = 0; i < 100 && ends.length === 0; i++) ask(8, 2 ** 16);
    expect(sent.reduce((sum, bytes) => sum + bytes, 0)).toBeLessThanOrEqual(LIMITS.probeHeldBytes);
    expect(ends).toEqual(['more than a probe may']);
  });

  it('bytes: each message costs a kilobyte at least, so that 20 MiB are at most 20,000', () => {
    const { socket, ends } = deaf();
    Object.assign(socket, { send: (_: Buffer, done: () => void) => done() });
    let messages = 0;
    while (ends.length === 0) {
      messages += 1;
      socket.emit('message', Buffer.from([8, 0, 0, 0, 0, 0, 0, 0]), true);
    }
    expect(messages).toBe(Math.floor(LIMITS.probeBytes / (1024 + 16)) + 1);
  });

  it.each([0, 7, 2 ** 16 + 1, 2 ** 32 - 1])('no answer of %i bytes', (length) => {
    const { sent, ends, ask } = deaf();
    ask(8, length);
    expect([sent, ends]).toEqual([[], ['more than a probe may']]);
  });

  it('time, and no pings', () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const idle = deaf();
    vi.advanceTimersByTime(LIMITS.probeLifeMs - 1);
    expect(idle.ends).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(idle.ends).toEqual(['terminated']);
    const pinging = deaf();
    pinging.socket.emit('ping');
    expect(pinging.ends).toEqual(['terminated']);
  });
});

it('who speaks another protocol is told that, and not that its token is wrong', async () => {
  const server = createServer((_, response) => {
    const nonce = 'n'.repeat(40);
    response.end(JSON.stringify({ nonce, channel: channelOf('', nonce), protocol: PROTOCOL + 1 }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  await expect(probe((server.address() as { port: number }).port)).rejects.toMatchObject({
    code: 'VERSION_DIFFERS',
    message: expect.stringContaining(`speaks protocol ${PROTOCOL + 1}, this tfjs-parallel protocol ${PROTOCOL}`) as string,
  });
});

it('a way that ends in the middle is told with its reason', async () => {
  const { port } = await loopbackCluster();
  const socket = await probe(port);
  const measuring = measureWay(socket);
  setImmediate(() => socket.terminate());
  await expect(measuring).rejects.toMatchObject({ code: 'PROBE_ENDED' });
});
