import type { PeerReport } from './table.mjs';

export function recordKey(report: Pick<PeerReport, 'machine'>): string;
export function readRecords(text: string | null): PeerReport[];
export function withRecord(records: readonly PeerReport[], report: PeerReport): PeerReport[];
export function recordsText(records: readonly PeerReport[]): string;
