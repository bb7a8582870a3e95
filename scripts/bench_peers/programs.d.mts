export interface ProgramEntry {
  program: string;
  args: readonly string[];
  env: Readonly<Record<string, string>>;
}
export function runEntry(
  entry: ProgramEntry,
  where: { peers: string; threads: number },
): Promise<{ line?: Record<string, unknown>; error?: string; isMissing?: boolean }>;
