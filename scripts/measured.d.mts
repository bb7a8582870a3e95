export const QUIET_LOAD: number;
export const QUIET_SHARE: number;
export function refusalOfRecord(machine: { loadBefore: number; othersShare?: number | null }): string | null;
