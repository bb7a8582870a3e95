import { defineConfig } from 'vitest/config';
import plain from './vitest.config.js';

/** What needs system packages or large downloads. Each file finds out by itself what is missing, and then skips and prints why. */
export default defineConfig({
  test: { ...plain.test, include: ['test/system/**/*.test.ts'], exclude: [], passWithNoTests: true },
});
