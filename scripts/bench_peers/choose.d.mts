import type { BenchRatio, BenchRow } from './table.mjs';

export interface BenchEntry {
  task: string;
  system: string;
  label: string;
}
export interface BenchSample<E extends BenchEntry = BenchEntry> {
  entry: E;
  round: number | string;
  value?: number;
  memoryMb?: number;
  error?: string;
}
export function median(values: readonly number[]): number;
export function chooseEntries<E extends BenchEntry>(trials: readonly BenchSample<E>[], keep: number): E[];
export function nextBest<E extends BenchEntry>(
  trials: readonly BenchSample<E>[],
  entry: BenchEntry,
  tried: readonly E[],
): E | null;
export function interleave<E>(entries: readonly E[], round: number): E[];
export function summarize(
  samples: readonly BenchSample[],
): { task: string; rows: BenchRow[]; ratio: BenchRatio | null; missing: string[] }[];
