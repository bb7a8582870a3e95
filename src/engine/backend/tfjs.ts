/**
 * Owns: the user's tfjs, loaded as the CommonJS module that it is. Imported as an ES module it is the same instance, but Node first reads all of its
 * 6 MB a second time for the names of its exports: three quarters of the time that loading it takes, in every thread.
 */
import type * as tfjs from '@tensorflow/tfjs';
import { createRequire } from 'node:module';

export const tf = createRequire(import.meta.url)('@tensorflow/tfjs') as typeof tfjs;
