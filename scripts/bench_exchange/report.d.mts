export interface ExchangeSample {
  workers: number;
  elements: number;
  ours: { step: number[]; round: number[]; update: number[]; longestTurn: number; repeated: number };
  raw: number[];
  gloo: { p50: number; p95: number } | null;
}
export interface ExchangeRatio {
  ofMedians: number;
  min: number;
  max: number;
}
export interface ExchangeRow {
  workers: number;
  elements: number;
  repeats: number;
  p50: number;
  p95: number;
  round: number;
  update: number;
  longestTurn: number;
  repeated: number;
  megabytesPerSecond: number;
  raw: number;
  ofRaw: ExchangeRatio;
  gloo: number | null;
  ofGloo: ExchangeRatio | null;
}
export interface ExchangeReport {
  date: string;
  commit: string;
  command: string;
  repeats: number;
  steps: number;
  warmup: number;
  machine: { processor: string; cores: number; memoryGb: number; loadBefore: number };
  versions: Record<string, string>;
  rows: ExchangeRow[];
  skipped: string[];
}
export const MARKS: { begin: string; end: string };
export const TARGET: { workers: number; elements: number; ofGloo: number; longestTurnMs: number };
export function percentile(values: readonly number[], percent: number): number;
export function summarizeExchange(samples: readonly ExchangeSample[]): ExchangeRow[];
export function exchangeMarkdown(report: ExchangeReport): string;
export function verdicts(rows: readonly ExchangeRow[]): string[];
