/**
 * Owns: a dozen mistakes one could make in the cores or their rims, each as a wrapper, to prove that the simulated cluster
 * would find them.
 */
import { Members } from '../../src/coordinator/planes/exact/fleet/members.js';
import type { MembershipEvent, Transition } from '../../src/coordinator/planes/exact/fleet/membership.js';
import type { MembershipCommand } from '../../src/coordinator/planes/exact/fleet/membership_draft.js';
import type { MembershipState } from '../../src/coordinator/planes/exact/fleet/membership_state.js';
import type { Transition as WorkerTransition, WorkerState } from '../../src/worker/host/worker_core.js';
import type { Bug, Core } from './simulated_cluster.js';

/** Changes events on their way into the core. */
const hearing = (change: (state: MembershipState, event: MembershipEvent) => MembershipEvent): Bug => ({
  core: (core) => (state, event, nowMs) => core(state, change(state, event), nowMs),
});

/** Changes what the core says. */
const saying = (
  change: (commands: readonly MembershipCommand[], before: MembershipState, event: MembershipEvent) => MembershipCommand[],
): Bug => ({
  core: (core) => (state, event, nowMs) => {
    const transition = core(state, event, nowMs);
    return { ...transition, commands: change(transition.commands, state, event) };
  },
});

/** Changes what the core remembers. */
const remembering = (
  change: (after: MembershipState, before: MembershipState, event: MembershipEvent) => MembershipState,
): Bug => ({
  core:
    (core: Core): Core =>
    (state, event, nowMs): Transition => {
      const transition = core(state, event, nowMs);
      return { ...transition, state: change(transition.state, state, event) };
    },
});

type Answered = Extract<MembershipEvent, { type: 'answered' }>;
const answers = (change: (state: MembershipState, event: Answered) => Answered): Bug =>
  hearing((state, event) => (event.type === 'answered' ? change(state, event) : event));

/** Changes what a worker hears or says. */
const worker = (change: (transition: WorkerTransition, before: WorkerState) => WorkerTransition): Bug => ({
  worker: (core) => (state, event) => change(core(state, event), state),
});

export const PLANTED_BUGS: Record<string, Bug> = {
  'computes from its first parameters for ever': worker((after, { version }) => ({
    ...after,
    commands: version === null ? after.commands : after.commands.filter(({ type }) => type !== 'publish'),
  })),
  'answers in the name of an older coordinator': worker(({ state, commands }) => ({
    state,
    commands: commands.map((command) => (command.type === 'send_result' ? { ...command, coordinatorEpoch: 1 } : command)),
  })),
  'forgets which coordinators it has seen': {
    worker: (core) => (state, event) => core({ ...state, epochs: new Map() }, event),
  },
  'takes whatever a busy replica sends for the shard it has': answers((state, event) => {
    const running = state.members.get(event.member)?.running;
    return running ? { ...event, answer: { ...event.answer, ...running } } : event;
  }),
  'does not compare the coordinator epoch': answers((state, event) => ({
    ...event,
    answer: { ...event.answer, coordinatorEpoch: state.settings.coordinatorEpoch },
  })),
  'takes an answer of a dead session': saying((commands, before, event) =>
    commands.map((command) => {
      const unit = before.round?.units.find((u) => event.type === 'answered' && u.shard === event.answer.id.shard);
      if (command.type !== 'refuse' || command.reason !== 'dead_session' || event.type !== 'answered' || !unit) return command;
      return { type: 'accept', member: event.member, attempt: event.answer };
    }),
  ),
  'adds in order of arrival': { order: 'arrival' },
  'does not look for NaN': answers((_, event) => ({ ...event, answer: { ...event.answer, nonFinite: null } })),
  'does not compare twins': answers((state, event) => {
    const winner = state.members.get(event.member)?.running?.winner;
    return winner ? { ...event, answer: { ...event.answer, checksum: winner.checksum } } : event;
  }),
  'takes both twins': saying((commands, _, event) =>
    commands.map((command) =>
      command.type === 'refuse' && command.reason === 'twin' && event.type === 'answered'
        ? { type: 'accept', member: event.member, attempt: event.answer }
        : command,
    ),
  ),
  'commits with one shard missing': {
    core: (core) => (state, event, nowMs) => {
      const transition = core(state, event, nowMs);
      const { round } = transition.state;
      if (round === null || round.remaining !== 1 || !transition.commands.some(({ type }) => type === 'accept'))
        return transition;
      return { state: { ...transition.state, round: null }, commands: [...transition.commands, { type: 'complete', round }] };
    },
  },
  'commits twice': saying((commands) =>
    commands.flatMap((command): MembershipCommand[] => (command.type === 'complete' ? [command, command] : [command])),
  ),
  'forgets the shard of a lost replica': {
    core: (core) => (state, event, nowMs) => {
      const shard = event.type === 'lost' ? state.members.get(event.member)?.running?.id.shard : undefined;
      const transition = core(state, event, nowMs);
      const { round } = transition.state;
      if (round === null || shard === undefined || round.units.find((u) => u.shard === shard)?.done) return transition;
      const commands = transition.commands.filter((c) => c.type !== 'assign' || c.attempt.id.shard !== shard);
      return { state: transition.state, commands };
    },
  },
  'never calls a deadline': hearing((state, event) =>
    event.type === 'tick' && [...state.members.values()].some(({ running }) => running !== null)
      ? { type: 'drain_asked', member: -1 }
      : event,
  ),
  'keeps a lost replica on its books': remembering((after, before, event) => {
    const member = event.type === 'lost' ? before.members.get(event.member) : undefined;
    return member ? { ...after, members: new Members([...after.members, [member.id, member]]) } : after;
  }),
  'gives work to a replica that drains': remembering((after) => ({
    ...after,
    members: new Members([...after.members].map(([id, member]) => [id, { ...member, draining: false }])),
  })),
  'takes a broken link for a death': hearing((state, event) =>
    event.type === 'joined' ? { ...event, process: `${event.process} ${state.nextMemberId}` } : event,
  ),
  'gives a shard at once to who was just lost with one': remembering((after) => ({ ...after, strikes: new Map() })),
  'takes an audited shard from the first that answers': saying((commands, _, event) =>
    commands.map((command) =>
      command.type === 'hold' && event.type === 'answered'
        ? { type: 'accept', member: command.member, attempt: event.answer }
        : command,
    ),
  ),
  'lets a machine audit itself': remembering((after) => ({
    ...after,
    round: after.round && {
      ...after.round,
      units: after.round.units.map((unit) => ({
        ...unit,
        audit: unit.audit && unit.audit.map((answer, at) => ({ ...answer, voter: `nobody ${at}` })),
      })),
    },
  })),
  'adds what was first answered to a doubted step': { addsFirsts: true },
  'forgets who first answered a doubted step': remembering((after) => ({ ...after, firsts: null })),
  'puts out whoever first answered a doubted step': answers((_, event) => ({
    ...event,
    answer: { ...event.answer, likeFirst: false },
  })),
  'believes one machine of two in a doubted step': {
    core: (core) => (state, event, nowMs) => {
      const transition = core(state, event, nowMs);
      const held = transition.commands.find(({ type }) => type === 'hold');
      const { round } = transition.state;
      const unit = round?.units.find(({ shard }) => held?.type === 'hold' && shard === held.shard);
      if (held?.type !== 'hold' || round?.doubted === undefined || unit === undefined || unit.done || round.remaining === 1)
        return transition;
      const units = round.units.map((other) => (other === unit ? { ...unit, done: true } : other));
      return {
        state: { ...transition.state, round: { ...round, units, remaining: round.remaining - 1 } },
        commands: [...transition.commands, { type: 'accept_held', member: held.member, shard: held.shard }],
      };
    },
  },
  'puts out the majority': {
    core: (core) => (state, event, nowMs) => {
      const transition = core(state, event, nowMs);
      const winner = transition.commands.find((command) => command.type === 'accept_held');
      const process = winner && [...state.members.values()].find(({ id }) => id === winner.member)?.process;
      const commands = transition.commands.map((command) =>
        command.type === 'condemn' && process !== undefined ? { ...command, process } : command,
      );
      return { ...transition, commands };
    },
  },
  'recomputes a bad number where it was found': {
    core: (core) => (state, event, nowMs) => {
      const transition = core(state, event, nowMs);
      const { round, members } = transition.state;
      if (event.type !== 'answered' || event.answer.nonFinite === null || round === null || members.get(event.member)?.running)
        return transition;
      const { id } = event.answer;
      const attempt = { ...event.answer, id: { ...id, attempt: id.attempt + 1 } };
      return { ...transition, commands: [...transition.commands, { type: 'assign', member: event.member, attempt }] };
    },
  },
};
