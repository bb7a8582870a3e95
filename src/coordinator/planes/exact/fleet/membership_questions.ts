/**
 * Owns: what the membership core asks of its data: how long a shard may take, who computes it, who may take it next, when to look again.
 * Does not: change the data (membership.ts does) or read a clock: every time is passed in.
 */
import { firstFree } from './members.js';
import type { Loss, Member, MembershipState, Unit } from './membership_state.js';

/** Enough for a stable 95th percentile, few enough that a change of load shows soon. */
const MAX_TIMES = 64;

export function addTime(times: readonly number[], ms: number): readonly number[] {
  return [...times.slice(-(MAX_TIMES - 1)), ms];
}

/** Nearest-rank quantile: the smallest value that at least `fraction` of all do not exceed; null for no values. */
export function quantile(values: readonly number[], fraction: number): number | null {
  if (values.length === 0) return null;
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(fraction * sorted.length) - 1)];
}

/** How long a shard of this kind may take before its replica counts as lost. */
export function deadlineMs(state: MembershipState, kind: 'train' | 'evaluate'): number {
  const { firstDeadlineMs, deadlineFloorMs, deadlineFactor } = state.settings;
  const p95 = quantile(state.timesMs[kind], 0.95);
  return p95 === null ? firstDeadlineMs : Math.max(deadlineFloorMs, deadlineFactor * p95);
}

/** How long a shard of this kind may take before a free replica repeats it; null while nothing was measured. */
export function stragglerMs(state: MembershipState, kind: 'train' | 'evaluate'): number | null {
  const median = quantile(state.timesMs[kind], 0.5);
  return median === null ? null : Math.max(state.settings.stragglerFloorMs, state.settings.stragglerFactor * median);
}

/** Members computing a shard of the current round. */
export function runnersOf(state: MembershipState, shard: number): readonly Member[] {
  const { round, members } = state;
  if (round === null) return [];
  return members.runners(round.number, shard);
}

/** True if a second answer to this member's shard exists or may come: the rim needs a checksum only then. */
export function hasTwin(state: MembershipState, memberId: number): boolean {
  const running = state.members.get(memberId)?.running;
  if (!running) return false;
  return running.winner !== null || runnersOf(state, running.id.shard).length > 1;
}

/** True if this member's shard is audited, and not settled. */
export function isAudited({ members, round }: MembershipState, memberId: number): boolean {
  const running = members.get(memberId)?.running;
  if (!running || running.round !== round?.number) return false;
  return round.units.some(({ shard, done, audit }) => shard === running.id.shard && !done && audit !== null);
}

/** A step may be doubted: not all that machines answer is compared, and there may be more than one. */
export function keepsFirsts({ settings }: MembershipState): boolean {
  return settings.canJoin && !settings.auditsAll;
}

/** Two machines are here, or have computed the last completed step: computing it once more can tell something new. */
export function mayDoubt(state: MembershipState): boolean {
  if (!keepsFirsts(state)) return false;
  const here = [...state.members.values()].flatMap((member) => (member.draining ? [] : voterOf(state, member)));
  const before = [...(state.firsts?.by.values() ?? [])].map(({ voter }) => voter);
  return new Set([...here, ...before]).size > 1;
}

/** One more replica, of a machine that has not had it, may compute this audited shard. */
export function mayAudit(state: MembershipState, unit: Unit, member: Member): boolean {
  const { audit } = unit;
  if (audit === null || unit.done) return false;
  const runners = runnersOf(state, unit.shard);
  if (runners.length >= Math.max(2 - audit.length, 1)) return false;
  const voter = voterOf(state, member);
  return [...audit.map((answer) => answer.voter), ...runners.map((runner) => voterOf(state, runner))].every(
    (other) => other !== voter,
  );
}

/** True if a free replica may repeat this shard: one of another session has it, and it is not the one that found a bad number in it. */
export function mayRepeat(state: MembershipState, unit: Unit, member: Member): boolean {
  if (unit.done || unit.audit !== null || unit.nonFinite?.memberId === member.id) return false;
  const runners = runnersOf(state, unit.shard);
  return runners.length === 1 && runners[0].worker !== member.worker;
}

export function pauseMs({ settings: { firstPauseMs, maxPauseMs } }: MembershipState, times: number): number {
  return times < 1 ? 0 : Math.min(maxPauseMs, firstPauseMs * 2 ** Math.min(times - 1, 30));
}

/** Who answers for what a member computes: its machine where that is known and others can join, else its process. */
export function voterOf({ settings: { canJoin } }: MembershipState, { machine, process }: Member): string {
  return canJoin && machine !== null ? machineKey(machine) : process;
}

export function machineKey(machine: string): string {
  return `machine ${machine}`;
}

/** Until when this member is given no shard at all; those who came to a machine after it was struck are paused with it. */
export function pausedUntilMs({ strikes }: MembershipState, { id, process, machine }: Member): number {
  const own = strikes.get(process)?.untilMs ?? 0;
  const there = machine === null ? undefined : strikes.get(machineKey(machine));
  return there === undefined || id < there.newcomersFrom ? own : Math.max(own, there.untilMs);
}

/** True for one that was here before the shard was first lost, and has not lost it: nothing speaks against it. */
export function isElder(unit: Unit, member: Member): boolean {
  if (unit.newcomersFrom === null) return true;
  return member.id < unit.newcomersFrom && unit.losses.every(({ process }) => process !== member.process);
}

/**
 * From when on this member may be given this shard, which nobody computes. Who lost a shard is paused; who came after it was lost may be the same sick
 * machine under another name, and leaves it to those who were here, for longer each time.
 */
export function takesFromMs(state: MembershipState, unit: Unit, member: Member): number {
  const paused = pausedUntilMs(state, member);
  if (isElder(unit, member) || unit.lastLossMs === null) return paused;
  return Math.max(paused, unit.lastLossMs + pauseMs(state, unit.lossCount - 1));
}

/** Enough processes are gone with this shard to end the run, if `losses` are deaths. */
export function isDeadly({ settings }: MembershipState, losses: readonly Loss[]): boolean {
  const machines = new Set(losses.map(({ process, machine }) => machine ?? `process ${process}`));
  return machines.size >= settings.maxMachinesPerShard || losses.length >= settings.maxLossesPerShard;
}

/**
 * True for who must not compute this shard now, whatever time passes: it found a bad number or a fault in it and there is an elsewhere; or as many processes are gone
 * with it as end a run, and whether they died is not known yet.
 */
export function isBarred(state: MembershipState, unit: Unit, member: Member): boolean {
  if (isDeadly(state, unit.losses) && !isElder(unit, member)) return true;
  if (unit.nonFinite === null && unit.fault === null) return false;
  const others = [...state.members.values()].filter(({ draining }) => !draining);
  if (unit.fault?.process === member.process && others.some(({ process }) => process !== member.process)) return true;
  if (unit.nonFinite === null) return false;
  if (others.some(({ process }) => process !== unit.nonFinite?.process)) return member.process === unit.nonFinite.process;
  return member.id === unit.nonFinite.memberId && others.some(({ id }) => id !== member.id);
}

/** A shard that one more replica may compute, if it is one that may: nobody has it, or it is audited and another machine is wanted. */
export function isOpen(state: MembershipState, unit: Unit): boolean {
  if (unit.done) return false;
  const runners = runnersOf(state, unit.shard).length;
  return unit.audit === null ? runners === 0 : runners < Math.max(2 - unit.audit.length, 1);
}

/** When the core wants to hear a `tick`, in the clock of the events; null for not at all. */
export function nextWakeMs(state: MembershipState): number | null {
  const { round, waitingSinceMs, settings, started } = state;
  let wake = Infinity;
  const at = (ms: number): void => void (wake = Math.min(wake, ms));
  for (const { running } of state.members.busy()) if (running !== null) at(running.deadlineMs);
  if (waitingSinceMs !== null && settings.joinTimeoutMs !== null) at(waitingSinceMs + settings.joinTimeoutMs);
  if (round !== null && started) {
    const limitMs = stragglerMs(state, round.kind);
    const free = firstFree(state.members.values());
    for (const unit of round.units) {
      if (unit.done) continue;
      for (const { died, atMs } of unit.losses) if (!died) at(atMs + settings.returnGraceMs);
      if (isOpen(state, unit)) {
        for (const member of free) {
          // Of an audited shard only for a machine that has not had it: another's wake would change nothing, and come again at once.
          if (unit.audit !== null && !mayAudit(state, unit, member)) continue;
          if (!isBarred(state, unit, member)) at(takesFromMs(state, unit, member));
        }
      }
      const [runner] = runnersOf(state, unit.shard);
      // A wake that changes nothing would come again at once, for ever: only where somebody may act on it, and when.
      if (limitMs === null || !runner?.running) continue;
      const soonest = runner.running.startedMs + limitMs;
      for (const member of free) {
        if (wake <= soonest) break;
        if (mayRepeat(state, unit, member)) at(Math.max(soonest, pausedUntilMs(state, member)));
      }
    }
  }
  return wake === Infinity ? null : wake;
}
