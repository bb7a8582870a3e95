/**
 * Owns: the end of a step whose shards several replicas computed, each of which keeps all weights: every one of them adds all gradients, which lie on the
 * devices of those that computed them, and moves its own weights on. Does not: commit it (exact_plane.ts), or compute (the replicas).
 */
import { deviceMemory } from '../../../common/device_gradient.js';
import { errorMessage } from '../../../common/error_facts.js';
import { LIMITS } from '../../../common/limits.js';
import type { Replica, ResidentReplica, ShardResult } from '../../../common/replica.js';
import type { GatheredStep, ResidentOutcome } from '../../../common/resident.js';
import { within } from '../../../system/within.js';

/** Who is there; Fleet knows. */
export interface Members {
  /** Names. */
  readonly replicas: readonly string[];
  lose(replica: Replica, reason: string, cause?: 'said'): void;
}

interface Group {
  readonly replicas: readonly ResidentReplica[];
  readonly fleet: Members;
}

/**
 * Who cannot end it is lost; `finite: false` where nothing came of it, and the step is to be computed again from the version that it began from. Resolves
 * when nobody reads another's memory any more.
 */
export async function endTogether(
  group: Group,
  work: Omit<GatheredStep, 'gradients'>,
  results: readonly ShardResult[],
): Promise<ResidentOutcome> {
  if (!results.every(({ lossSum }) => Number.isFinite(lossSum))) return { finite: false };
  const gradients = results.map(({ gradient }) => deviceMemory(gradient));
  // Memory of one that is gone may have been written again.
  const lendersAreHere = (): boolean => {
    const here = new Set(group.fleet.replicas);
    return results.every(({ replica = '' }) => here.has(replica));
  };
  const outcomes = lendersAreHere() ? await fromEach(group, (replica) => replica.gather({ ...work, gradients })) : [];
  if (outcomes.length > 0 && lendersAreHere() && outcomes.every(({ finite }) => finite)) return outcomes[0];
  await fromEach(group, (replica) => replica.dropAfter(work.version));
  return { finite: false };
}

export function stillHere({ replicas, fleet }: Group): ResidentReplica[] {
  const names = new Set(fleet.replicas);
  return replicas.filter(({ name }) => names.has(name));
}

/** The answers of those that gave one in time; all others are lost. */
async function fromEach<T>(group: Group, ask: (replica: ResidentReplica) => Promise<T>): Promise<T[]> {
  const answers: T[] = [];
  const asked = stillHere(group).map(async (replica) => {
    const answered = ask(replica).then((answer) => answers.push(answer));
    const { late, error } = await within(answered, LIMITS.residentAnswerMs);
    if (late) group.fleet.lose(replica, `no answer for ${LIMITS.residentAnswerMs / 1000} s`);
    else if (error !== null) group.fleet.lose(replica, errorMessage(error), 'said');
  });
  await Promise.all(asked);
  return answers;
}
