export const BEGIN: string;
export const END: string;
export interface BenchRow {
  system: string;
  label: string;
  repeats: number;
  median: number;
  min: number;
  max: number;
}
export interface BenchRatio {
  peer: string;
  ofMedians: number;
  min: number | null;
  max: number | null;
}
export interface PeerReport {
  date: string;
  commit: string;
  command: string;
  repeats: number;
  machine: { processor: string; cores: number; instructions: string[]; memoryGb: number; loadBefore: number };
  versions: Record<string, string>;
  tasks: { title: string; target: number | null; rows: BenchRow[]; ratio: BenchRatio | null }[];
  limits: { what: string; unit: string; median: number; min: number; max: number }[];
  failures: { task: string; system: string; label: string; reason: string }[];
}
export function reportMarkdown(report: PeerReport): string;
export function insertReport(text: string, body: string): string;
