/** Owns: what a check of a machine is, and what it finds. */
import type { Coordinator } from './coordinator.js';
import type { Machine } from './machine.js';

/** `note`: works, and somebody may want to know. `problem`: something that is asked of this machine will fail, or be wrong. */
export type Status = 'ok' | 'note' | 'problem';

export interface Finding {
  readonly status: Status;
  /** Where a check finds several things: `gpu(0)`. Default: the check's name. */
  readonly name?: string;
  readonly found: string;
  /** What that means for a run; for all but what is plainly well. */
  readonly means?: string;
  /** A full sentence; with every problem. */
  readonly next?: string;
  /** For `--json`: keys with their units. */
  readonly figures?: Readonly<Record<string, string | number | boolean | null>>;
}

export interface Place {
  readonly machine: Machine;
  /** Of `--host`; null without it. */
  readonly coordinator: Coordinator | null;
}

export interface Check {
  /** At most 12 characters. */
  readonly name: string;
  find(place: Place): readonly Finding[] | Promise<readonly Finding[]>;
}
