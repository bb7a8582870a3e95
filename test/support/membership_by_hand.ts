/** Owns: the core of membership driven by hand, event by event, for tests of what it decides. */
import { reduceMembership, type MembershipEvent } from '../../src/coordinator/planes/exact/fleet/membership.js';
import type { Answer } from '../../src/coordinator/planes/exact/fleet/membership_answers.js';
import type { MembershipCommand } from '../../src/coordinator/planes/exact/fleet/membership_draft.js';
import {
  createMembership,
  type Attempt,
  type MembershipSettings,
} from '../../src/coordinator/planes/exact/fleet/membership_state.js';

const SETTINGS: MembershipSettings = {
  coordinatorEpoch: 7,
  minWorkers: 1,
  joinTimeoutMs: null,
  canJoin: true,
  deadlineFloorMs: 30_000,
  deadlineFactor: 5,
  firstDeadlineMs: 300_000,
  stragglerFloorMs: 100,
  stragglerFactor: 3,
  maxLossesPerShard: 4,
  maxMachinesPerShard: 3,
  returnGraceMs: 30_000,
  firstPauseMs: 1_000,
  maxPauseMs: 60_000,
  auditsAll: true,
  comparesBits: true,
};

/** Drives the core by hand: members are numbered 1, 2, 3 in order of joining. */
export function membershipOf(settings: Partial<MembershipSettings> = {}) {
  let state = createMembership({ ...SETTINGS, ...settings });
  let commands: readonly MembershipCommand[] = [];
  const assigned = new Map<number, Attempt>();
  const self = {
    now: 0,
    send(event: MembershipEvent) {
      ({ state, commands } = reduceMembership(state, event, self.now));
      for (const command of commands) if (command.type === 'assign') assigned.set(command.member, command.attempt);
      return self;
    },
    join: (...names: string[]) => {
      for (const name of names) self.send({ type: 'joined', name, worker: name });
      return self;
    },
    round: (shards: number[], step = 1) =>
      self.send({ type: 'round_started', round: { kind: 'train', step, version: step - 1, shards } }),
    answer: (member: number, changes: Partial<Answer> = {}) => {
      const attempt = assigned.get(member);
      if (attempt === undefined) throw new Error(`member ${member} was given nothing`);
      return self.send({
        type: 'answered',
        member,
        answer: { ...attempt, coordinatorEpoch: 7, checksum: 1, nonFinite: null, ...changes },
      });
    },
    lose: (member: number) => self.send({ type: 'lost', member, reason: 'socket closed' }),
    tick: (now: number) => {
      self.now = now;
      return self.send({ type: 'tick' });
    },
    get state() {
      return state;
    },
    /** `1:s0.0` reads: member 1 was given shard 0, attempt 0. */
    get assigns() {
      return commands.flatMap((c) => (c.type === 'assign' ? [`${c.member}:s${c.attempt.id.shard}.${c.attempt.id.attempt}`] : []));
    },
    get types() {
      return commands
        .filter(({ type }) => type !== 'note')
        .map((c) => (c.type === 'refuse' ? `refuse ${c.reason}` : c.type === 'fail' ? `fail ${c.code}` : c.type));
    },
    get failure() {
      return commands.flatMap((c) => (c.type === 'fail' ? [c.message] : [])).join();
    },
    get notes() {
      return commands.flatMap((c) => (c.type === 'note' ? [c.message] : []));
    },
  };
  return self;
}
