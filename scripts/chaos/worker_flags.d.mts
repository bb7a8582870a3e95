export function workerFlags(training: readonly string[]): string[];
