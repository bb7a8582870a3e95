/**
 * Owns: running the program as a real process, as test/support/build_sources.ts built it from the sources.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export const BUILT_CLI = fileURLToPath(new URL('../../build/cli/main.js', import.meta.url));

export interface CliResult {
  code: number | null;
  out: string;
  err: string;
}

/** Where TensorFlow and data are found is the machine's business, not a setting of the run. */
const PASSED_ON = ['TFJS_PARALLEL_TENSORFLOW', 'TFJS_PARALLEL_CACHE'];

/** `tfjs-parallel ...args`; settings in this process's environment are not passed on. */
export function runCli(
  args: readonly string[],
  { nodeArgs = [], cwd }: { nodeArgs?: readonly string[]; cwd?: string } = {},
): CliResult {
  const env = Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => PASSED_ON.includes(name) || (!name.startsWith('TFJS_PARALLEL_') && name !== 'NODE_OPTIONS'),
    ),
  );
  const { status, stdout, stderr } = spawnSync(process.execPath, [...nodeArgs, BUILT_CLI, ...args], {
    encoding: 'utf8',
    env,
    cwd,
  });
  return { code: status, out: stdout, err: stderr };
}
