import { defineConfig } from 'vitest/config';
import { LongestFirst } from './test/support/longest_first.js';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // They have a configuration of their own: npm run test:system.
    exclude: ['test/system/**'],
    globalSetup: ['test/support/build_sources.ts', 'test/support/fetch_tensorflow.ts'],
    // A native library is loaded: processes, not threads; one at a time, because each uses all cores.
    pool: 'forks',
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
    // These end a test that hangs, never one that is slow: other programs may leave it a tenth of a core.
    testTimeout: 1_800_000,
    hookTimeout: 1_800_000,
    teardownTimeout: 300_000,
    expect: { poll: { timeout: 300_000 } },
  },
});
