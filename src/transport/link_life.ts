/**
 * Owns: whether the other side of a link lives, and when to speak: from the bytes that came and went, told at each beat.
 * Does not: know sockets or clocks (link.ts tells both), or end anything.
 *
 * Alive is who sends bytes: on a slow line a single frame may take longer than any silence that is allowed.
 */
import { LIMITS } from '../common/limits.js';

export interface LinkTimes {
  readonly heartbeatMs: number;
  readonly heartbeatTimeoutMs: number;
  readonly sendTimeoutMs: number;
  /** In place of LIMITS.trickleWindowMs, for tests. */
  readonly trickleMs?: number;
  /** In place of LIMITS.shardDeadlineFloorMs, for tests. */
  readonly latelyMs?: number;
  /** In place of every question's own deadline, for tests. */
  readonly questionMs?: number;
}

/** The times that follow from how long a silence may last: five beats, and thrice as long for a reader that takes nothing. */
export function linkTimes(silenceMs: number): LinkTimes {
  const sendTimeoutMs = Math.max(LIMITS.sendTimeoutMs, 3 * silenceMs);
  return { heartbeatMs: silenceMs / 5, heartbeatTimeoutMs: silenceMs, sendTimeoutMs };
}

/** Of the connection so far: bytes that came, bytes handed over, and those of them that the system has not taken. Null where it does not tell. */
export interface LinkBytes {
  readonly read: number | null;
  readonly unsent: number | null;
  readonly written?: number | null;
}

/** `speak`: nothing is on its way to the other side. */
export type AtBeat = { readonly kind: 'end'; readonly reason: string } | { readonly kind: 'speak' } | { readonly kind: 'wait' };

/** The piece that is being sent. */
interface Sending {
  readonly sinceMs: number;
  /** When the system last took bytes of it. */
  readonly progressMs: number;
  /** Bytes that the system had not taken then. */
  readonly unsent: number | null;
  readonly taken: number;
  /** What the other side had read when it began, as it says; and whether tensor bytes are in it. */
  readonly readBefore: number;
  readonly isPiece: boolean;
}

/** What the system has taken whole, and the other side has not read to its end. */
interface Carried {
  /** Of all bytes handed over. */
  readonly end: number;
  readonly sinceMs: number;
  readonly readBefore: number;
}

/** Of a frame that is not whole: more than a heartbeat has. */
const HEARTBEAT_BYTES = 1024;
const WAIT: AtBeat = { kind: 'wait' };
const SPEAK: AtBeat = { kind: 'speak' };
const end = (reason: string): AtBeat => ({ kind: 'end', reason });

export class LinkLife {
  #times: LinkTimes;
  #lastHeardMs: number;
  #lastBeatMs: number;
  /** Bytes that had come at the last beat. */
  #readBytes = 0;
  /** When the last whole frame came, and how many bytes had come then. */
  #frame: { readonly atMs: number; readonly bytes: number };
  #sending: Sending | null = null;
  /** How long the system took for the pieces of late, and until when it may still carry them: what it took it has not delivered. */
  #busyMs = 0;
  #carriesUntilMs = -Infinity;
  /** Bytes that the other side says it has read, and when it last said more. Null where it does not. */
  #told: { readonly bytes: number; readonly atMs: number } | null = null;
  #carried: Carried | null = null;
  /** The last beat at which tensor bytes were on their way. */
  #movedMs = -Infinity;

  constructor(times: LinkTimes, { nowMs, read }: { nowMs: number; read: number | null }) {
    this.#times = times;
    this.#lastHeardMs = nowMs;
    this.#lastBeatMs = nowMs;
    this.#frame = { atMs: nowMs, bytes: read ?? 0 };
  }

  /** Bytes are on their way, in either direction, of the first piece of a message too; after what was sent for as long as sending it took. */
  moving({ read }: Pick<LinkBytes, 'read'>, nowMs: number): boolean {
    return this.#sending !== null || (read ?? 0) > this.#frame.bytes || nowMs <= this.#carriesUntilMs || this.#isCarried(nowMs);
  }

  /** Or were, a little while ago: a shard that is computed after minutes on its way has not used up its time. */
  movedLately(bytes: Pick<LinkBytes, 'read'>, nowMs: number): boolean {
    return this.moving(bytes, nowMs) || nowMs - this.#movedMs <= (this.#times.latelyMs ?? LIMITS.shardDeadlineFloorMs);
  }

  /** The other side says how many bytes it has read of all that was written to it. What it cannot have read does not count. */
  toldRead(read: number | undefined, { written = null }: Pick<LinkBytes, 'written'>, nowMs: number): void {
    if (read === undefined || written === null) return;
    const bytes = Math.min(read, written);
    if (this.#told === null || bytes > this.#told.bytes) this.#told = { bytes, atMs: nowMs };
    if (this.#carried !== null && bytes >= this.#carried.end) this.#carried = null;
  }

  /** A system's buffer may hold a message whole, for minutes on a slow line: it is on its way as long as the other side reads on. */
  #isCarried(nowMs: number): boolean {
    const [told, carried] = [this.#told, this.#carried];
    if (told === null || carried === null || nowMs - told.atMs > this.#times.heartbeatTimeoutMs) return false;
    const ms = nowMs - carried.sinceMs;
    return told.bytes > carried.readBefore
      ? trickle(ms, told.bytes - carried.readBefore, this.#times) === null
      : ms <= this.#times.heartbeatTimeoutMs;
  }

  /** Goes by other times from now on. */
  adopt(times: LinkTimes, nowMs: number): void {
    this.#times = times;
    this.#lastBeatMs = nowMs;
  }

  /** A whole frame came. */
  heard({ read }: Pick<LinkBytes, 'read'>, nowMs: number): void {
    this.#lastHeardMs = nowMs;
    this.#frame = { atMs: nowMs, bytes: read ?? 0 };
  }

  sendingBegan(nowMs: number): void {
    if (nowMs > this.#carriesUntilMs) this.#busyMs = 0;
    const readBefore = this.#told?.bytes ?? 0;
    this.#sending = { sinceMs: nowMs, progressMs: nowMs, unsent: null, taken: 0, readBefore, isPiece: false };
  }

  /** All of the piece is handed over, and so much of it waits. */
  handedOver({ unsent }: Pick<LinkBytes, 'unsent'>): void {
    if (this.#sending !== null) this.#sending = { ...this.#sending, unsent, isPiece: true };
  }

  sendingEnded(nowMs: number, { written = null }: Pick<LinkBytes, 'written'> = {}): void {
    if (this.#sending === null) return;
    if (this.#sending.isPiece && written !== null) {
      const { sinceMs, readBefore } = this.#carried ?? { sinceMs: nowMs, readBefore: this.#told?.bytes ?? 0 };
      this.#carried = { end: written, sinceMs, readBefore };
    }
    this.#busyMs += nowMs - this.#sending.sinceMs;
    this.#carriesUntilMs = nowMs + this.#busyMs;
    this.#sending = null;
  }

  /** Every half heartbeat, as far as this process runs. */
  beat({ read, unsent }: LinkBytes, nowMs: number): AtBeat {
    const { heartbeatMs, heartbeatTimeoutMs } = this.#times;
    // If this process was stopped, the other side's words may be waiting unread: it is not the other side that was silent.
    if (nowMs - this.#lastBeatMs > 2 * heartbeatMs) {
      this.heard({ read }, nowMs);
      if (this.#sending !== null) this.#sending = { ...this.#sending, sinceMs: nowMs, progressMs: nowMs, taken: 0 };
    }
    this.#lastBeatMs = nowMs;
    const isArriving = (read ?? 0) - this.#frame.bytes > HEARTBEAT_BYTES;
    if (isArriving || this.#sending?.isPiece === true || this.#isCarried(nowMs)) this.#movedMs = nowMs;
    if (read !== null && read !== this.#readBytes) this.#lastHeardMs = nowMs;
    this.#readBytes = read ?? 0;
    if (nowMs - this.#lastHeardMs > heartbeatTimeoutMs) return end(`silent for ${Math.round(heartbeatTimeoutMs / 1000)} s`);
    const trickled = trickle(nowMs - this.#frame.atMs, this.#readBytes - this.#frame.bytes, this.#times);
    if (trickled !== null) return end(`sends only ${trickled}, in the middle of a message`);
    // What is being sent says as much as a heartbeat.
    return this.#sending === null ? SPEAK : this.#watchReader(this.#sending, unsent, nowMs);
  }

  /** How the other side takes the piece that is being sent. */
  #watchReader(before: Sending, unsent: number | null, nowMs: number): AtBeat {
    const { sendTimeoutMs } = this.#times;
    const readOn = this.#told !== null && this.#told.atMs > before.progressMs;
    const moved = unsent !== before.unsent || readOn;
    const taken = before.taken + Math.max(0, (before.unsent ?? 0) - (unsent ?? 0));
    const sending = { ...before, unsent, taken, progressMs: moved ? nowMs : before.progressMs };
    this.#sending = sending;
    if (nowMs - sending.progressMs > sendTimeoutMs) return end(`reads nothing since ${Math.round(sendTimeoutMs / 1000)} s`);
    const readOf = (this.#told?.bytes ?? 0) - before.readBefore;
    const trickled = unsent === null ? null : trickle(nowMs - sending.sinceMs, Math.max(taken, readOf), this.#times);
    return trickled === null ? WAIT : end(`reads only ${trickled}`);
  }
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
