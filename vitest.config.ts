import { defineConfig } from 'vitest/config';
import { LongestFirst } from './test/support/longest_first.js';
import { SHARING } from './test/support/sharing_files.js';

/** What every test file has. */
export const EACH = {
  // A native library is loaded: processes, not threads; two at a time, because each uses all cores.
  pool: 'forks',
  maxWorkers: 2,
  // These end a test that hangs, never one that is slow: other programs may leave it a tenth of a core.
  testTimeout: 900_000,
  hookTimeout: 900_000,
  expect: { poll: { timeout: 300_000 } },
  // Where there are GPUs tests are on them: as replicas, without the roundings of TF32, and with the same bits each time.
  env: { NVIDIA_TF32_OVERRIDE: '0', TF_CUDNN_DETERMINISTIC: '1', TF_CUDNN_USE_AUTOTUNE: '0' },
} as const;

// They have a configuration of their own: npm run test:system.
const SYSTEM = 'test/system/**';

export default defineConfig({
  test: {
    globalSetup: ['test/support/build_sources.ts', 'test/support/fetch_tensorflow.ts'],
    teardownTimeout: 300_000,
    sequence: { sequencer: LongestFirst },
    // In this order. A process of a file's own, or one after the other in the same two.
    projects: [
      { test: { ...EACH, name: 'alone', include: ['test/**/*.test.ts'], exclude: [SYSTEM, ...SHARING] } },
      { test: { ...EACH, name: 'sharing', include: [...SHARING], isolate: false } },
    ],
  },
});
