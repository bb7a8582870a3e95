/**
 * Owns: that as many replicas as the limits let in cost the coordinator no more than looking at each of them once an event.
 */
import { expect, it } from 'vitest';
import { LIMITS } from '../../../../../src/common/limits.js';
import { membershipSettings } from '../../../../../src/coordinator/planes/exact/fleet/fleet_options.js';
import { reduceMembership, type MembershipEvent } from '../../../../../src/coordinator/planes/exact/fleet/membership.js';
import type { MembershipCommand } from '../../../../../src/coordinator/planes/exact/fleet/membership_draft.js';
import { nextWakeMs } from '../../../../../src/coordinator/planes/exact/fleet/membership_questions.js';
import { createMembership } from '../../../../../src/coordinator/planes/exact/fleet/membership_state.js';

const { maxSessions, maxReplicasPerWorker, maxShards } = LIMITS;

/** A membership with all of them, as the fleet drives it. */
function full({ audit = 0 } = {}) {
  let state = createMembership({ ...membershipSettings({ canJoin: true, audit }), coordinatorEpoch: 1 });
  let nowMs = 0;
  const send = (event: MembershipEvent): readonly MembershipCommand[] => {
    const { state: next, commands } = reduceMembership(state, event, nowMs);
    state = next;
    // Looked for after each event.
    nextWakeMs(state);
    return commands;
  };
  for (let session = 0; session < maxSessions; session++) {
    for (let at = 0; at < maxReplicasPerWorker; at++)
      send({ type: 'joined', name: `w${session}:cpu(${at})`, worker: `w${session}`, process: `p${session}` });
  }
  const start = (step: number, shards: number): readonly MembershipCommand[] => {
    const all = Array.from({ length: shards }, (_, shard) => shard);
    return send({
      type: 'round_started',
      round: { kind: 'train', step, version: step, shards: all, audited: audit > 0 ? all : [] },
    });
  };
  return { send, start, wait: (ms: number) => (nowMs += ms), state: () => state };
}

type Assign = Extract<MembershipCommand, { type: 'assign' }>;
const given = (commands: readonly MembershipCommand[]): Assign[] =>
  commands.filter((command): command is Assign => command.type === 'assign');
const answerOf = ({ member, attempt }: Assign): MembershipEvent => ({
  type: 'answered',
  member,
  answer: { ...attempt, coordinatorEpoch: 1, checksum: 7, nonFinite: null },
});

it(`${maxSessions} sessions of ${maxReplicasPerWorker} replicas compute ${maxShards} shards; those of a worker that dies go to others, and stragglers once more`, () => {
  const { send, start, wait, state } = full();
  expect(state().members.size).toBe(maxSessions * maxReplicasPerWorker);
  const first = given(start(1, maxShards));
  expect(first.map(({ attempt }) => attempt.id.shard)).toEqual(Array.from({ length: maxShards }, (_, shard) => shard));
  // The first 16 sessions have all of them. The first of these dies, and its 64 shards go to 64 others.
  const [member, ...also] = first.slice(0, maxReplicasPerWorker).map((assign) => assign.member);
  const second = given(send({ type: 'lost', member, also, reason: 'killed', cause: 'gone' }));
  expect(second.map(({ attempt }) => attempt.id.shard)).toEqual(Array.from({ length: maxReplicasPerWorker }, (_, i) => i));
  expect(new Set(second.map((assign) => assign.member)).size).toBe(maxReplicasPerWorker);
  wait(1000);
  const answers = [...first.slice(maxReplicasPerWorker), ...second.slice(1)];
  for (const assign of answers) expect(send(answerOf(assign)).some(({ type }) => type === 'accept')).toBe(true);
  // All but one took a second: that one is repeated after three, by one other.
  wait(3000);
  const [third, ...none] = given(send({ type: 'tick' }));
  expect([third.attempt.id.shard, third.attempt.id.attempt, none]).toEqual([0, 2, []]);
  expect(send(answerOf(third)).map(({ type }) => type)).toContain('complete');
}, 600_000);

it('with every shard audited each goes to two sessions', () => {
  const { send, start } = full({ audit: 1 });
  const assigned = given(start(1, 64));
  const sessions = new Map<number, Set<number>>();
  for (const { member, attempt } of assigned) {
    const of = sessions.get(attempt.id.shard) ?? new Set();
    sessions.set(attempt.id.shard, of.add(Math.floor((member - 1) / maxReplicasPerWorker)));
  }
  expect([...sessions.values()].map(({ size }) => size)).toEqual(Array(64).fill(2));
  const commands = assigned.flatMap((assign) => send(answerOf(assign)));
  expect(commands.filter(({ type }) => type === 'accept_held')).toHaveLength(64);
  expect(commands.at(-1)?.type).toBe('complete');
}, 600_000);
