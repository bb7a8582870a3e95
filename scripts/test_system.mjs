/**
 * Runs test/system: what needs system packages or large downloads. A test that cannot run here skips and prints why. The last line holds the
 * true totals, `N passed, N failed, N skipped`; fails when anything fails.
 *
 * Usage: npm run test:system [-- vitest arguments]
 */
import { TestTotals } from './test_totals.mjs';

const totals = new TestTotals();
await totals.step('build', process.execPath, ['scripts/build.mjs']);
if (totals.failed === 0) await totals.vitest('vitest', ['--config', 'vitest.system.config.ts', ...process.argv.slice(2)]);
totals.end();
