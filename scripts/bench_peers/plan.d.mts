import type { BenchEntry } from './choose.mjs';

export interface BenchTask {
  readonly id: string;
}
export const TASKS: readonly BenchTask[];
export function entriesOf(task: BenchTask, setting: { threads: number; anyVendorMkl: string | null }): BenchEntry[];
export function targetOf(task: string, machine: { instructions: readonly string[]; heldTo: string | null }): number | null;
