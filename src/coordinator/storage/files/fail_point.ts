/**
 * Owns: named places where a test lets the process kill itself, as a power cut would.
 * Does not: do anything unless TFJS_PARALLEL_FAILPOINT is set.
 *
 * `TFJS_PARALLEL_FAILPOINT=state.rename:3` kills the process with SIGKILL the third time it comes by `state.rename`.
 * Points: `state.`, `checkpoint.` and `file.` followed by `write`, `fsync`, `rename`, `renamed` or `delete`.
 */
export const FAIL_POINT_VARIABLE = 'TFJS_PARALLEL_FAILPOINT';

const hits = new Map<string, number>();

/** Dies here if the environment says so. */
export function failPoint(name: string): void {
  const wanted = process.env[FAIL_POINT_VARIABLE];
  if (wanted === undefined || !wanted.startsWith(name)) return;
  const [wantedName, wantedHit = '1'] = wanted.split(':');
  if (wantedName !== name) return;
  const hit = (hits.get(name) ?? 0) + 1;
  hits.set(name, hit);
  if (hit === Number(wantedHit)) process.kill(process.pid, 'SIGKILL');
}
