export type Sample = [step: number, bytes: number];
export function inBlocks(samples: Sample[], count?: number): Sample[];
export function slopeOf(pieces: Sample[][]): { per1000: number; plusMinus: number; blocks: number } | null;
export function studentT95(freedom: number): number;
