/** Owns: what a fleet is told, and the limits it goes by where it is told none. Does not: use them (membership.ts). */
import { LIMITS } from '../../../../common/limits.js';
import type { MembershipCommand } from './membership_draft.js';
import type { MembershipSettings } from './membership_state.js';

export type FleetNote = Extract<MembershipCommand, { type: 'note' }>;

export interface FleetOptions extends Partial<MembershipSettings> {
  /** Hears joins, leaves, losses, reassignments: one plain sentence each. */
  onNote?: (note: FleetNote) => void;
  /** Share of the shards that two machines compute, to be compared; which ones no worker can foresee. */
  audit?: number;
  /** A process lied: it is to be put out, and not let in again. */
  onCondemned?: (process: string, reason: string) => void;
  /** Milliseconds on a clock of its own, for tests; by default those in which this process could run. */
  nowMs?: () => number;
}

/** Where a replica lives: its session, its process, and the machine where its token is its own. */
export interface ReplicaHome {
  readonly worker: string;
  readonly process: string;
  readonly machine: string | null;
}

export function membershipSettings({ audit, ...settings }: Partial<MembershipSettings> & { audit: number }): MembershipSettings {
  return {
    coordinatorEpoch: 1,
    minWorkers: 1,
    joinTimeoutMs: null,
    canJoin: false,
    deadlineFloorMs: LIMITS.shardDeadlineFloorMs,
    deadlineFactor: LIMITS.shardDeadlineFactor,
    firstDeadlineMs: LIMITS.firstShardDeadlineMs,
    stragglerFloorMs: LIMITS.stragglerFloorMs,
    stragglerFactor: LIMITS.stragglerFactor,
    maxMachinesPerShard: LIMITS.maxMachinesPerShard,
    maxLossesPerShard: LIMITS.maxLossesPerShard,
    returnGraceMs: LIMITS.returnGraceMs,
    firstPauseMs: LIMITS.firstPauseMs,
    maxPauseMs: LIMITS.maxPauseMs,
    auditsAll: audit === 1,
    comparesBits: true,
    ...settings,
  };
}
