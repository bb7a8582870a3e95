/**
 * Owns: the end of a step whose shards several replicas computed, each of which keeps all weights: every one of them adds all gradients, which lie on the
 * devices of those that computed them, and moves its own weights on. Does not: commit it (exact_plane.ts), or compute (the replicas).
 */
import { deviceMemory } from '../../../common/device_gradient.js';
import { errorMessage } from '../../../common/error_facts.js';
import { LIMITS } from '../../../common/limits.js';
import type { Replica, ResidentReplica, ShardAssignment, ShardResult } from '../../../common/replica.js';
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
 * when nobody reads another's memory any more. Each may go on by itself with the shard of `following` that it computed in this step.
 */
export async function endTogether(
  group: Group,
  work: Omit<GatheredStep, 'gradients'>,
  results: readonly ShardResult[],
  following: readonly ShardAssignment[],
): Promise<ResidentOutcome> {
  if (!results.every(({ lossSum }) => Number.isFinite(lossSum))) return { finite: false };
  const gradients = results.map(({ gradient }) => deviceMemory(gradient));
  const nextOf = ({ name }: ResidentReplica): ShardAssignment | null => {
    const shard = results.find(({ replica }) => replica === name)?.id.shard;
    return following.find(({ id }) => id.shard === shard) ?? null;
  };
  const lenders = results.map(({ replica }) => replica);
  const { answers, areHere } = await fromEach(
    group,
    (replica) => replica.gather({ ...work, gradients }, nextOf(replica)),
    lenders,
  );
  if (areHere && answers.length > 0 && answers.every(({ finite }) => finite)) return answers[0];
  await fromEach(group, (replica) => replica.dropAfter(work.version));
  return { finite: false };
}

export function stillHere({ replicas, fleet }: Group): ResidentReplica[] {
  const names = new Set(fleet.replicas);
  return replicas.filter(({ name }) => names.has(name));
}

/**
 * The answers of those that gave one in time; all others are lost, once all have answered: until then their memory is read. `areHere`: so far none of those
 * named has gone, whose memory may have been written again. Where one has before, nobody is asked.
 */
export async function fromEach<T>(
  group: Group,
  ask: (replica: ResidentReplica) => Promise<T>,
  names: readonly (string | undefined)[] = [],
): Promise<{ answers: T[]; areHere: boolean }> {
  const allHere = (): boolean => {
    const here = new Set<string | undefined>(group.fleet.replicas);
    return names.every((name) => here.has(name));
  };
  if (!allHere()) return { answers: [], areHere: false };
  const answers: T[] = [];
  const asked = stillHere(group).map(async (replica) => {
    const answered = ask(replica).then((answer) => answers.push(answer));
    return { replica, ...(await within(answered, LIMITS.residentAnswerMs)) };
  });
  const waited = await Promise.all(asked);
  const areHere = allHere();
  for (const { replica, late, error } of waited)
    if (late) group.fleet.lose(replica, `no answer for ${LIMITS.residentAnswerMs / 1000} s`);
    else if (error !== null) group.fleet.lose(replica, errorMessage(error), 'said');
  return { answers, areHere };
}
