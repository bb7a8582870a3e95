/**
 * Builds dist/: TypeScript to JavaScript, and the JavaScript of tfjs-node-gpu bundled, so that neither we nor those who
 * install us need its install script. Usage: node scripts/build.mjs
 */
import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
execFileSync(process.execPath, [require.resolve('typescript/bin/tsc'), '-p', 'tsconfig.json'], { stdio: 'inherit' });
