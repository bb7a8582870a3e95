export const BEGIN: string;
export const END: string;
export interface BenchRow {
  system: string;
  label: string;
  repeats: number;
  median: number;
  min: number;
  max: number;
  memoryMb?: number;
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
  machine: {
    processor: string;
    cores: number;
    instructions: string[];
    heldTo?: string | null;
    memoryGb: number;
    loadBefore: number;
    othersShare?: number | null;
  };
  versions: Record<string, string>;
  tasks: {
    id: string;
    title: string;
    target: number | null;
    rows: BenchRow[];
    ratio: BenchRatio | null;
    missing?: string[];
    earlier?: { date: string; commit: string };
  }[];
  limits: { what: string; unit: string; median: number; min: number; max: number }[];
  failures: { task: string; system: string; label: string; reason: string }[];
}
export function reportMarkdown(report: PeerReport): string;
export function recordsMarkdown(records: readonly PeerReport[]): string;
export function insertReport(text: string, body: string): string;
