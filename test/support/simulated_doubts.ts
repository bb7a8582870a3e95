/**
 * Owns: what the rim knows of a step that is doubted in the simulated cluster, whose first answers were finite and their sum was not; and what must hold of it.
 * Does not: drive the cluster (simulated_cluster.ts does).
 */
import type { Answer } from '../../src/coordinator/planes/exact/fleet/membership_answers.js';
import type { MembershipCommand } from '../../src/coordinator/planes/exact/fleet/membership_draft.js';
import { mayDoubt } from '../../src/coordinator/planes/exact/fleet/membership_questions.js';
import type { MembershipState } from '../../src/coordinator/planes/exact/fleet/membership_state.js';
import type { Kept, Must } from './simulated_invariants.js';

interface FirstAnswer {
  readonly gradient: number;
  readonly process: string;
}

export class SimulatedDoubts {
  /** The step under way is computed once more. */
  isOpen = false;
  /** Steps that were doubted and committed; runs that ended because nobody could tell. */
  settled = 0;
  diverged = 0;
  /** By shard, what was taken before any doubt. */
  readonly #firsts = new Map<number, FirstAnswer>();
  /** Shards that one machine alone has computed once more. */
  readonly #alone = new Set<number>();

  taken(shard: number, first: FirstAnswer): void {
    if (!this.isOpen) this.#firsts.set(shard, first);
  }

  /** As the rim tells the core. */
  judged(answer: Answer, gradient: number): Answer {
    const first = this.isOpen ? this.#firsts.get(answer.id.shard) : undefined;
    return first === undefined ? answer : { ...answer, likeFirst: first.gradient === gradient };
  }

  /** An answer that was held is the shard's. */
  verdict({
    shard,
    held,
    commands,
    after,
    must,
  }: {
    shard: number;
    /** By process, what was answered to this shard and is held, the one that is taken first. */
    held: readonly FirstAnswer[];
    commands: readonly MembershipCommand[];
    after: MembershipState;
    must: Must;
  }): void {
    if (!this.isOpen) return;
    const [{ gradient, process }] = held;
    const others = [...after.members.values()].filter((member) => !member.draining && member.process !== process);
    const first = this.#firsts.get(shard);
    if (held.filter((other) => other.gradient === gradient).length < 2) {
      must(others.length === 0, 'one machine alone decides only where no other is here');
      this.#alone.add(shard);
      return;
    }
    const isPutOut = commands.some((command) => command.type === 'condemn' && command.process === first?.process);
    must(first === undefined || first.gradient === gradient || isPutOut, 'who first answered otherwise is put out');
  }

  /** All shards are here. True where their sum is finite. */
  isFinite(kept: ReadonlyMap<number, Kept>, must: Must): boolean {
    const absurd = [...kept].filter(([, { huge }]) => huge);
    if (absurd.length === 0) {
      if (this.isOpen) this.settled += 1;
      return true;
    }
    must(!this.isOpen || absurd.every(([shard]) => this.#alone.has(shard)), 'what two machines agree on is no lie');
    return false;
  }

  /** Whether a step that is not finite is computed once more; where it is not, the run has diverged. */
  begins(state: MembershipState, must: Must): boolean {
    const voters = new Set([...state.members.values()].flatMap(({ process, draining }) => (draining ? [] : process)));
    for (const { process } of this.#firsts.values()) voters.add(process);
    must(this.isOpen || mayDoubt(state) === voters.size > 1, 'a step is doubted where computing it once more can tell');
    const again = !this.isOpen && mayDoubt(state);
    if (!again) this.diverged += 1;
    this.isOpen = again;
    return again;
  }

  /** Another step, or another start of the coordinator. */
  forget(): void {
    this.isOpen = false;
    this.#firsts.clear();
    this.#alone.clear();
  }
}
