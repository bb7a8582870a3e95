/** Owns: where a file of this package lies that is run or read as a file, and that it is there. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { EnvironmentError } from '../common/errors.js';

/** A built file of this package, by its path in dist/. Sources that the tests run find it in build/, which the tests make from them first. */
export function builtFile(path: string): URL {
  return new URL(import.meta.url.endsWith('.ts') ? `../../build/${path}` : `../${path}`, import.meta.url);
}

/** @throws EnvironmentError BUNDLED where this code was bundled into another file, away from it */
export function requirePackageFile(file: URL): void {
  if (existsSync(file)) return;
  throw new EnvironmentError({
    code: 'BUNDLED',
    message: `${fileURLToPath(file)} is not there: this code was bundled, and replicas are threads that start from files of the package`,
    next: 'Leave it out of the bundle: esbuild --external:tfjs-parallel --external:@tensorflow/tfjs, in tsup, Vite and others `external` likewise.',
  });
}
