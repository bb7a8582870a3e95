/**
 * Owns: what befalls the workers of the simulated cluster: each fault strikes a process chosen by chance.
 * Does not: decide when (simulated_cluster.ts does, which has the coordinator's own restart too).
 */
import { sameShardId } from '../../src/common/replica.js';
import type { MembershipEvent } from '../../src/coordinator/planes/exact/fleet/membership.js';
import type { Attempt } from '../../src/coordinator/planes/exact/fleet/membership_state.js';
import type { Process } from './simulated_worker.js';
import type { Chance, VirtualClock } from './simulated_world.js';

/** An answer on its way, with what the simulation knows of it. */
export interface Arriving {
  readonly gradient: number;
  readonly honest: Attempt;
  readonly process: Process;
  readonly finite: boolean;
  readonly huge: boolean;
}

/** What a fault can do to the cluster. */
export interface Stage {
  readonly chance: Chance;
  readonly clock: VirtualClock;
  readonly processes: Set<Process>;
  epoch(): number;
  start(): void;
  connect(process: Process): void;
  breakLink(process: Process): void;
  send(event: MembershipEvent, arriving?: Arriving): void;
  killed(): void;
  drainAsked(member: number): void;
  /** What the coordinator has it compute. */
  computing(member: number): Attempt | null;
  must(condition: boolean, statement: string): void;
}

const SILENCE_MS = 10_000;

export function createFaults(
  stage: Stage,
): Record<'kill' | 'join' | 'stop' | 'stick' | 'drain' | 'repeat' | 'ghost' | 'reset', () => void> {
  const { chance, clock, processes } = stage;
  return {
    kill() {
      const process = chance.of([...processes]);
      if (process === undefined) return;
      stage.killed();
      process.alive = false;
      processes.delete(process);
      if (process.member !== null) stage.send({ type: 'lost', member: process.member, reason: 'socket closed' });
    },
    join: () => stage.start(),
    stop() {
      const process = chance.of([...processes]);
      if (process === undefined) return;
      process.stopped = true;
      const { member } = process;
      clock.after(SILENCE_MS, () => {
        if (process.stopped && process.member === member && member !== null) {
          process.member = null;
          stage.send({ type: 'lost', member, reason: 'silent for 10 s' });
        }
      });
      clock.after(chance.below(20_000), () => {
        process.stopped = false;
        stage.connect(process);
      });
    },
    reset() {
      const process = chance.of([...processes]);
      if (process?.member != null) stage.breakLink(process);
    },
    stick() {
      const process = chance.of([...processes]);
      if (process?.member != null) process.stuck = true;
    },
    drain() {
      const process = chance.of([...processes]);
      if (process?.member == null) return;
      stage.drainAsked(process.member);
      stage.send({ type: 'drain_asked', member: process.member });
    },
    repeat() {
      const process = chance.of([...processes]);
      const last = process?.lastAnswer;
      if (!process || !last || process.faulty || process.member === null) return;
      const changed = chance.happens(0.5)
        ? last.answer
        : { ...last.answer, id: { ...last.answer.id, step: last.answer.id.step + chance.below(2), attempt: chance.below(3) } };
      const now = stage.computing(process.member);
      // A guess that hits what it computes would be taken, and its worker given a second shard: no honest core says it.
      if (now !== null && sameShardId(now.id, changed.id) && now.version === changed.version) return;
      stage.send(
        { type: 'answered', member: process.member, answer: changed },
        { gradient: last.gradient, honest: last.answer, process, finite: true, huge: last.huge },
      );
    },
    ghost() {
      const process = chance.of([...processes]);
      if (process?.member == null) return;
      const commands = process.worker.greetedBy(stage.epoch() - 1);
      stage.must(
        commands.every(({ type }) => type !== 'prepare'),
        'nobody computes for an older start of the coordinator',
      );
    },
  };
}
