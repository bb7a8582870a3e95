/**
 * Owns: which replica each member of the books is; and closing those that leave them.
 * Does not: decide who leaves (membership_leaving.ts does).
 */
import type { Replica } from '../../../../common/replica.js';

interface Seat {
  readonly replica: Replica;
  /** Resolve once the replica is closed. */
  readonly whenClosed: (() => void)[];
}

export class Seats {
  readonly #byMember = new Map<number, Seat>();

  /** Of the replicas here, in order of joining. */
  get names(): string[] {
    return [...this.#byMember.values()].map(({ replica }) => replica.name);
  }

  /** Members whose replica is being sent something, or answers, at this moment. */
  get moving(): number[] {
    return [...this.#byMember].filter(([, { replica }]) => replica.moving).map(([member]) => member);
  }

  memberOf(replica: Replica): number | null {
    for (const [member, seat] of this.#byMember) if (seat.replica === replica) return member;
    return null;
  }

  replicaOf(member: number): Replica | undefined {
    return this.#byMember.get(member)?.replica;
  }

  take(member: number, replica: Replica): void {
    this.#byMember.set(member, { replica, whenClosed: [] });
  }

  /** Resolves when the replica is closed; at once where it has gone. */
  whenClosed(member: number): Promise<void> {
    const seat = this.#byMember.get(member);
    return new Promise((resolve) => (seat === undefined ? resolve() : seat.whenClosed.push(resolve)));
  }

  /** How a replica that is gone fails to close interests nobody; its loss was told. */
  close(member: number): void {
    const seat = this.#byMember.get(member);
    if (seat === undefined) return;
    this.#byMember.delete(member);
    const closed = (): void => seat.whenClosed.forEach((tell) => tell());
    seat.replica.close().then(closed, closed);
  }

  async closeAll(): Promise<void> {
    const seats = [...this.#byMember.values()];
    this.#byMember.clear();
    await Promise.allSettled(seats.map(({ replica }) => replica.close()));
    for (const { whenClosed } of seats) whenClosed.forEach((tell) => tell());
  }
}
