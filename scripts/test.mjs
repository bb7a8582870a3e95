/**
 * Runs all tests: lint, build, vitest, and tfjs-core's own specs on our engine. The last line holds the true totals of all of them:
 * `N passed, N failed, N skipped`. Fails when anything fails; every skip is printed with its reason by the test that skips.
 *
 * Usage: npm test [-- --no-specs] [vitest arguments]
 */
import { TestTotals } from './test_totals.mjs';

const given = process.argv.slice(2);
const withSpecs = !given.includes('--no-specs');
const vitestArguments = given.filter((argument) => argument !== '--no-specs');

const totals = new TestTotals();
await totals.step('build', process.execPath, ['scripts/build.mjs']);
if (totals.failed === 0) {
  await totals.step('lint', 'npm', ['run', '--silent', 'lint']);
  await totals.vitest('vitest', vitestArguments);
  if (withSpecs) await totals.program('tfjs-core specs', process.execPath, ['scripts/test_tfjs_core.mjs']);
}
totals.end();
