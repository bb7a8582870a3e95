/**
 * Owns: build/, what the tests start as processes and threads, made from the sources before the first test: a last `npm run build` may be older, and
 * Node 20 runs no TypeScript. Vitest's global setup.
 */
import { execFileSync } from 'node:child_process';

export default function setup(): void {
  execFileSync(process.execPath, ['scripts/build.mjs', '--for-tests'], { stdio: 'inherit' });
}
