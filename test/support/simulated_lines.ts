/**
 * Owns: lines that carry so many bytes a second, alone or shared by several connections, and the two ends of a connection over them: the real judgment of who lives, with bytes
 * and a clock that are simulated.
 * Does not: know coordinators or workers (simulated_slow_links.ts).
 */
import { LIMITS } from '../../src/common/limits.js';
import { LinkLife, linkTimes, type AtBeat, type LinkBytes } from '../../src/transport/link_life.js';

export const TIMES = linkTimes(LIMITS.heartbeatTimeoutMs);
const HEARTBEAT_BYTES = 80;

/** What a planted bug changes. */
export interface LifeBug {
  /** What is told at a beat; `whole`: the bytes up to the last whole frame. */
  readonly bytes?: (bytes: LinkBytes, whole: number) => LinkBytes;
  readonly due?: (due: AtBeat) => AtBeat;
  /** What is heard of what the other side says it has read. */
  readonly told?: (read: number) => number | undefined;
}

interface Frame {
  readonly bytes: number;
  /** Called where it has arrived. */
  readonly arrive: () => void;
  /** A heartbeat says how many bytes its sender has read; tensor bytes come without. */
  readonly read?: number;
}

/** One direction: bytes handed over, taken by the system, arrived; all counted from the connection's begin. */
export class Way {
  offered = 0;
  taken = 0;
  arrived = 0;
  readonly frames: (Frame & { readonly end: number })[] = [];

  /** What the system takes beyond what has arrived: less than a piece, or whole messages. */
  constructor(private readonly systemBytes: number) {}

  offer(frame: Frame): void {
    this.offered += frame.bytes;
    this.frames.push({ ...frame, end: this.offered });
    this.#take();
  }

  carry(bytes: number): void {
    this.arrived = Math.min(this.taken, this.arrived + bytes);
    this.#take();
  }

  /** A system takes more only once a third of its buffer is free. */
  #take(): void {
    if (this.taken - this.arrived > (2 / 3) * this.systemBytes) return;
    this.taken = Math.min(this.offered, this.arrived + this.systemBytes);
  }
}

/** One side of a connection. */
export class End {
  readonly #life: LinkLife;
  readonly #outbox: Frame[] = [];
  #beatMs: number;
  #whole = 0;
  /** When a byte came last, and a whole frame. */
  byteMs: number;
  frameMs: number;
  #seen = 0;

  constructor(
    readonly out: Way,
    readonly into: Way,
    private readonly bug: LifeBug,
    nowMs: number,
  ) {
    this.#life = new LinkLife(TIMES, { nowMs, read: 0 });
    this.#beatMs = nowMs + TIMES.heartbeatMs / 2;
    this.byteMs = nowMs;
    this.frameMs = nowMs;
  }

  /** In pieces, as the wire has them. */
  send(bytes: number, arrive: () => void): void {
    for (let left = bytes; left > 0; left -= LIMITS.maxPieceBytes)
      this.#outbox.push({
        bytes: Math.min(left, LIMITS.maxPieceBytes),
        arrive: left <= LIMITS.maxPieceBytes ? arrive : () => {},
      });
  }

  /** Something is on its way, to it or from it, or was a little while ago. */
  moving(nowMs: number): boolean {
    return this.#life.movedLately({ read: this.into.arrived }, nowMs);
  }

  /** Bytes of a frame that is not whole. */
  get partBytes(): number {
    return this.into.arrived - this.#whole;
  }

  /** What has come and gone since the last turn; why the connection ends, null for going on. */
  turn(nowMs: number): string | null {
    if (this.into.arrived > this.#seen) [this.#seen, this.byteMs] = [this.into.arrived, nowMs];
    while (this.into.frames.length > 0 && this.into.frames[0].end <= this.into.arrived) {
      const [{ end, arrive, read }] = this.into.frames.splice(0, 1);
      [this.#whole, this.frameMs] = [end, nowMs];
      this.#life.heard({ read: this.into.arrived }, nowMs);
      const told = read !== undefined && this.bug.told ? this.bug.told(read) : read;
      this.#life.toldRead(told, { written: this.out.offered }, nowMs);
      arrive();
    }
    this.#hand(nowMs);
    if (nowMs < this.#beatMs) return null;
    this.#beatMs = nowMs + TIMES.heartbeatMs / 2;
    const bytes = { read: this.into.arrived, unsent: this.out.offered - this.out.taken };
    const due = this.#life.beat(this.bug.bytes?.(bytes, this.#whole) ?? bytes, nowMs);
    const told = this.bug.due?.(due) ?? due;
    if (told.kind === 'speak') this.#outbox.push({ bytes: HEARTBEAT_BYTES, arrive: () => {}, read: bytes.read });
    this.#hand(nowMs);
    return told.kind === 'end' ? told.reason : null;
  }

  /** A frame goes when the system has taken the one before. */
  #hand(nowMs: number): void {
    while (this.out.offered === this.out.taken) {
      this.#life.sendingEnded(nowMs, { written: this.out.offered });
      const frame = this.#outbox.shift();
      if (frame === undefined) return;
      this.#life.sendingBegan(nowMs);
      this.out.offer(frame);
      if (frame.read === undefined) this.#life.handedOver({ unsent: this.out.offered - this.out.taken });
    }
  }
}

/** Carries its connections' bytes, each direction for itself, in equal parts. */
export class Line {
  readonly ways: { readonly up: Set<Way>; readonly down: Set<Way> } = { up: new Set(), down: new Set() };
  /** Nothing passes until then. */
  deadUntilMs = -Infinity;

  constructor(
    readonly bytesPerS: number,
    readonly systemBytes: number,
  ) {}

  carry(ms: number, nowMs: number): void {
    if (nowMs < this.deadUntilMs) return;
    for (const ways of [this.ways.up, this.ways.down]) {
      let busy = 0;
      for (const { taken, arrived } of ways) if (taken > arrived) busy += 1;
      for (const way of ways) if (way.taken > way.arrived) way.carry((this.bytesPerS * ms) / 1000 / busy);
    }
  }
}
