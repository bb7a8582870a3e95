/** Owns: making sure that a file of this package, which is run or read as a file, is where it should be. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { EnvironmentError } from './common/errors.js';

/** @throws EnvironmentError BUNDLED where this code was bundled into another file, away from it */
export function requirePackageFile(file: URL): void {
  if (existsSync(file)) return;
  throw new EnvironmentError({
    code: 'BUNDLED',
    message: `${fileURLToPath(file)} is not there: this code was bundled, and replicas are threads that start from files of the package`,
    next: 'Leave it out of the bundle: esbuild --external:tfjs-parallel --external:@tensorflow/tfjs, in tsup, Vite and others `external` likewise.',
  });
}
