export interface ProcessorTicks {
  busy: number;
  all: number;
  ours: number;
}
export function processorTicks(read?: (path: string) => string): ProcessorTicks | null;
export function shareOfOthers(before: ProcessorTicks | null, after: ProcessorTicks | null): number | null;
