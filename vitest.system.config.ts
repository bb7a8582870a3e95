import { defineConfig } from 'vitest/config';
import plain, { EACH } from './vitest.config.js';

const { projects: _, ...run } = plain.test ?? {};

/** What needs system packages or large downloads. Each file finds out by itself what is missing, and then skips and prints why. */
export default defineConfig({ test: { ...run, ...EACH, include: ['test/system/**/*.test.ts'], passWithNoTests: true } });
