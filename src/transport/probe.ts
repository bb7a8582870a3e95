/**
 * Owns: measuring the way between a machine and its coordinator, both ends, after a login of its own: who logs in so is no worker and hears nothing of the run.
 * Does not: log in (client.ts, server.ts).
 *
 * Text asks who answers. A binary message begins with the length that its answer shall have, uint32; the answer begins with the time there, float64,
 * ms since 1970. What one probe may cost is bounded: bytes both ways, bytes that wait here to be sent, and time.
 */
import { randomBytes } from 'node:crypto';
import type { RawData, WebSocket } from './web_socket.js';
import { ClusterError } from '../common/errors.js';
import { LIMITS } from '../common/limits.js';
import { oneLine } from '../common/one_line.js';
import { patience } from '../system/patience.js';
import { packageVersion } from '../system/package_info.js';

/** A message costs at least this, so that small ones are bounded too. */
const LEAST_COST_BYTES = 1024;
const LEAST_BYTES = 8;
const CHUNK_BYTES = 64 * 2 ** 10;
const CLOSE_POLICY = 1008;

/** The coordinator's end. */
export function answerProbe(socket: WebSocket): void {
  let leftBytes = LIMITS.probeBytes;
  let heldBytes = 0;
  // Not zeros, which something on the way might compress.
  const noise = randomBytes(CHUNK_BYTES);
  const timer = setTimeout(() => socket.terminate(), LIMITS.probeLifeMs);
  socket.on('close', () => clearTimeout(timer));
  socket.on('error', () => socket.terminate());
  socket.on('ping', () => socket.terminate());
  socket.on('message', (data, isBinary) => {
    const bytes = data as Buffer;
    const wanted = isBinary && bytes.length >= LEAST_BYTES ? bytes.readUInt32LE(0) : LEAST_BYTES;
    leftBytes -= LEAST_COST_BYTES + bytes.length + wanted;
    heldBytes += wanted;
    if (leftBytes < 0 || heldBytes > LIMITS.probeHeldBytes || wanted < LEAST_BYTES || wanted > CHUNK_BYTES) {
      socket.close(CLOSE_POLICY, 'more than a probe may');
      return void setImmediate(() => socket.terminate());
    }
    const done = (): void => void (heldBytes -= wanted);
    if (!isBinary) return socket.send(JSON.stringify({ software: packageVersion() }), done);
    // Of its own each: others may still wait to be sent.
    const answer = wanted === LEAST_BYTES ? Buffer.alloc(LEAST_BYTES) : Buffer.from(noise.subarray(0, wanted));
    answer.writeDoubleLE(Date.now());
    socket.send(answer, done);
  });
}

export interface Way {
  /** The coordinator's version of tfjs-parallel. */
  readonly software: string;
  /** There and back, ms: the least, and the middle one, of 20. */
  readonly leastMs: number;
  readonly medianMs: number;
  /** Bytes a second to the coordinator and from it, one connection. */
  readonly upBytesPerS: number;
  readonly downBytesPerS: number;
  /** How far its clock is ahead of ours, ms; right to half of `leastMs`. */
  readonly clockAheadMs: number;
}

const ROUND_TRIPS = 20;
const CHUNKS = 120;
const MOVE_MS = 1_000;
const ANSWER_MS = 5_000;

/** The other end: takes about two seconds on a slow way, and less on a fast one. @throws ClusterError PROBE_ENDED */
export async function measureWay(socket: WebSocket): Promise<Way> {
  const asker = new Asker(socket);
  try {
    const about = JSON.parse((await asker.ask('about')).toString('utf8')) as { software?: unknown };
    const trips: { ms: number; aheadMs: number }[] = [];
    for (let trip = 0; trip < ROUND_TRIPS; trip++) {
      const [sentAt, sentMs] = [Date.now(), performance.now()];
      const answer = await asker.ask(request(LEAST_BYTES, LEAST_BYTES));
      const ms = performance.now() - sentMs;
      trips.push({ ms, aheadMs: answer.readDoubleLE(0) - (sentAt + ms / 2) });
    }
    trips.sort((a, b) => a.ms - b.ms);
    const upBytesPerS = await pace(() => asker.ask(request(CHUNK_BYTES, LEAST_BYTES)));
    const downBytesPerS = await pace(() => asker.ask(request(LEAST_BYTES, CHUNK_BYTES)));
    return {
      software: oneLine(String(about.software)).slice(0, 100),
      leastMs: trips[0].ms,
      medianMs: trips[ROUND_TRIPS / 2].ms,
      upBytesPerS,
      downBytesPerS,
      clockAheadMs: trips[0].aheadMs,
    };
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof RangeError) throw ended('its answer is none that a probe gives');
    throw error;
  } finally {
    socket.close();
  }
}

function request(length: number, answer: number): Buffer {
  const bytes = length === CHUNK_BYTES ? randomBytes(CHUNK_BYTES) : Buffer.alloc(length);
  bytes.writeUInt32LE(answer);
  return bytes;
}

/**
 * Bytes a second at which chunks move. One more is under way for each answer, as TCP itself begins, so that neither a slow line is flooded nor a long one
 * left idle; the rate is that of the second half, when it is filled.
 */
async function pace(move: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  const answeredMs: number[] = [];
  let asked = 0;
  const goOn = async (): Promise<void> => {
    if (asked >= CHUNKS || performance.now() - began > MOVE_MS) return;
    asked += 1;
    await move();
    answeredMs.push(performance.now());
    await Promise.all(answeredMs.length < MOST_UNDER_WAY ? [goOn(), goOn()] : [goOn()]);
  };
  await goOn();
  const from = answeredMs.length < 4 ? -1 : Math.floor(answeredMs.length / 2);
  const seconds = ((answeredMs.at(-1) ?? began) - (from < 0 ? began : answeredMs[from])) / 1000;
  return (CHUNK_BYTES * (answeredMs.length - 1 - from)) / Math.max(seconds, 1e-6);
}

/** What waits at the coordinator stays below its bound. */
const MOST_UNDER_WAY = LIMITS.probeHeldBytes / CHUNK_BYTES - 1;

/** Questions in order, and their answers. */
class Asker {
  readonly #waiting: { resolve(answer: Buffer): void; reject(error: Error): void }[] = [];
  #end: ClusterError | null = null;

  constructor(private readonly socket: WebSocket) {
    socket.on('message', (data: RawData) => this.#waiting.shift()?.resolve(data as Buffer));
    socket.on('error', ({ message }) => this.#finish(message));
    socket.on('close', (code, why) => this.#finish(why.toString() || `the connection was closed (${code})`));
  }

  ask(question: string | Buffer): Promise<Buffer> {
    if (this.#end !== null) return Promise.reject(this.#end);
    const { end } = patience(ANSWER_MS, () => {
      this.#finish(`no answer within ${ANSWER_MS / 1000} s`);
      this.socket.terminate();
    });
    const answered = new Promise<Buffer>((resolve, reject) => this.#waiting.push({ resolve, reject }));
    this.socket.send(question);
    return answered.finally(end);
  }

  #finish(why: string): void {
    this.#end ??= ended(oneLine(why));
    for (const { reject } of this.#waiting.splice(0)) reject(this.#end);
  }
}

function ended(why: string): ClusterError {
  return new ClusterError({
    code: 'PROBE_ENDED',
    message: `the coordinator took our token, and the way to it could not be measured: ${why}`,
    next: 'Try again; if it stays so, something on the way (a proxy, a firewall, a full network) ends or delays connections.',
  });
}
