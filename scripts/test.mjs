/**
 * Runs all tests: lint, build, vitest, and tfjs-core's own specs on our engine. The last line holds the true totals of all of them:
 * `N passed, N failed, N skipped`. Fails when anything fails; every skip is printed with its reason by the test that skips.
 *
 * Usage: npm test [-- --no-specs] [vitest arguments]
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const require = createRequire(import.meta.url);
const given = process.argv.slice(2);
const withSpecs = !given.includes('--no-specs');
const vitestArguments = given.filter((argument) => argument !== '--no-specs');
const totals = { passed: 0, failed: 0, skipped: 0 };

const scratch = mkdtempSync(join(tmpdir(), 'tfjs-parallel-test-'));
try {
  count('build', (await run('node', ['scripts/build.mjs'])).code === 0);
  if (totals.failed === 0) {
    count('lint', (await run('npm', ['run', '--silent', 'lint'])).code === 0);
    await runVitest();
    if (withSpecs) await runSpecs();
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
console.log(`${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`);
process.exitCode = totals.failed === 0 ? 0 : 1;

async function runVitest() {
  const report = join(scratch, 'vitest.json');
  const vitest = join(dirname(require.resolve('vitest/package.json')), 'vitest.mjs');
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  const { code } = await run(process.execPath, [vitest, 'run', ...reporters, ...vitestArguments]);
  let counted;
  try {
    counted = JSON.parse(readFileSync(report, 'utf8'));
  } catch {
    return count('vitest', false);
  }
  totals.passed += counted.numPassedTests;
  totals.failed += counted.numFailedTests;
  totals.skipped += counted.numPendingTests + counted.numTodoTests;
  // A file that cannot be loaded, or an error outside any test, fails no test and yet is a failure.
  if (code !== 0 && counted.numFailedTests === 0) count('vitest', false);
}

async function runSpecs() {
  const { code, output } = await run(process.execPath, ['scripts/test_tfjs_core.mjs']);
  const line = [...output.matchAll(/^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$/gm)].at(-1);
  if (line === undefined) return count('tfjs-core specs', false);
  totals.passed += Number(line[1]);
  totals.failed += Number(line[2]);
  totals.skipped += Number(line[3] ?? 0);
  if (code !== 0 && Number(line[2]) === 0) count('tfjs-core specs', false);
}

/** A step without tests of its own counts as one. */
function count(name, passed) {
  totals[passed ? 'passed' : 'failed']++;
  if (!passed) console.log(`${name} failed`);
}

/** Runs a program in the project's folder, its output shown as it comes. */
function run(program, programArguments) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, programArguments, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.on('data', (data) => {
      process.stdout.write(data);
      output += data;
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, output }));
  });
}
