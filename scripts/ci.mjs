/**
 * Runs `npm test`, then `npm run test:system`, whatever the first one found. The last line holds the true totals of both,
 * `N passed, N failed, N skipped`; fails when anything fails.
 */
import { TestTotals } from './test_totals.mjs';

const totals = new TestTotals();
await totals.program('npm test', 'npm', ['test']);
await totals.program('npm run test:system', 'npm', ['run', 'test:system']);
totals.end();
