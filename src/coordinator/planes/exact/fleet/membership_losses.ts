/**
 * Owns: what the loss of a replica says about its shard, its process and its machine: who is paused, and when a shard ends the run.
 * Does not: take members off the books (membership.ts does) or give shards away (membership_schedule.ts).
 *
 * A connection that breaks does not tell whether the process died of its shard, so a loss counts against the shard once the process said so, or has not
 * come back. One sick machine or link must not end the run for all; a shard that no machine survives must.
 */
import { withNewest } from '../../../../common/newest_entries.js';
import { fail, replaceUnit, where, type Draft } from './membership_draft.js';
import { isDeadly, isElder, machineKey, pauseMs } from './membership_questions.js';
import type { Loss, Member, Strike, Unit } from './membership_state.js';

/** Processes remembered; a hostile one has a new name each time anyway. */
const MAX_STRIKES = 1_000;
const MAX_LAST_WORDS = 16;

/** The unit after this member was gone with it. A process counts once, however many replicas it had. */
export function lostBy(
  unit: Unit,
  { name: member, process, machine }: Member,
  { reason, died, nowMs, nextId }: { reason: string; died: boolean; nowMs: number; nextId: number },
): Unit {
  const earlier = unit.losses.find((loss) => loss.process === process);
  const loss: Loss = { process, machine, member, reason, atMs: nowMs, died: died || earlier?.died === true };
  return {
    ...unit,
    losses: [...unit.losses.filter((other) => other !== earlier), loss],
    lossCount: unit.lossCount + 1,
    lastLossMs: nowMs,
    newcomersFrom: unit.newcomersFrom ?? nextId,
  };
}

/** Whoever was lost with a shard is given none for a while, longer each time until it has finished one; its machine's first loss is only its own. */
export function strike(draft: Draft, { process, machine }: Member, nowMs: number): void {
  const struck = (key: string, free: number): readonly [string, Strike] => {
    const count = (draft.strikes.get(key)?.count ?? 0) + 1;
    return [key, { count, newcomersFrom: draft.nextMemberId, untilMs: nowMs + pauseMs(draft, count - free) }];
  };
  const both = [struck(process, 0), ...(machine === null ? [] : [struck(machineKey(machine), 1)])];
  draft.strikes = withNewest(draft.strikes, both, MAX_STRIKES);
}

export function clearStrikes(draft: Draft, { process, machine }: Member): void {
  const strikes = new Map(draft.strikes);
  strikes.delete(process);
  if (machine !== null) strikes.delete(machineKey(machine));
  draft.strikes = strikes;
}

/** A process is back: where it was gone without a word, its link broke. */
export function forgive(draft: Draft, process: string): void {
  for (const unit of draft.round?.units ?? []) {
    const losses = unit.losses.filter((loss) => loss.died || loss.process !== process);
    if (losses.length < unit.losses.length) replaceUnit(draft, { ...unit, losses });
  }
}

/** Processes that have not come back in time died. */
export function giveUpReturning(draft: Draft, nowMs: number): void {
  const { returnGraceMs } = draft.settings;
  for (const unit of draft.round?.units ?? []) {
    if (unit.done || !unit.losses.some(({ died, atMs }) => !died && nowMs >= atMs + returnGraceMs)) continue;
    const losses = unit.losses.map((loss) => ({ ...loss, died: loss.died || nowMs >= loss.atMs + returnGraceMs }));
    replaceUnit(draft, { ...unit, losses });
  }
}

/** Ends the run for a shard that nobody survives. As long as somebody is here who was so before it was first lost, that one may try. */
export function endIfDeadly(draft: Draft): void {
  const { round } = draft;
  for (const unit of round?.units ?? []) {
    const dead = unit.losses.filter(({ died }) => died);
    if (round === null || unit.done || !isDeadly(draft, dead)) continue;
    const known = dead.every(({ machine }) => machine !== null);
    const untried = [...draft.members.values()].some((member) => !member.draining && isElder(unit, member));
    if (untried && !known) continue;
    const machines = new Set(dead.map(({ machine, process }) => machine ?? process)).size;
    const words = dead.slice(-MAX_LAST_WORDS).map(({ member, reason }) => `${member}: ${reason}`);
    return fail(
      draft,
      'SHARD_KILLS_REPLICAS',
      `${where({ ...round, shard: unit.shard })} took ${dead.length} processes on ${machines} machines with it. Last words: ${words.join('; ')}`,
      'Look at the output of the lost workers; a smaller batch or more shards needs less memory.',
    );
  }
}
