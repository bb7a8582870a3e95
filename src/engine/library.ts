/**
 * Owns: where TensorFlow's library is found. Does not: open it (c_api.ts).
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { EnvironmentError } from '../common/errors.js';
import { TENSORFLOW_LIBRARY_NAME } from './c_api.js';

export const TENSORFLOW_FOLDER_VARIABLE = 'TFJS_PARALLEL_TENSORFLOW';

/** A TensorFlow that is present on this machine: `folder` holds libtensorflow_cc. */
export interface TensorFlowLocation {
  folder: string;
  version: string;
  kind: 'cpu' | 'cuda';
}

export interface EnsureOptions {
  onProgress?: (line: string) => void;
}

/** Makes sure the library is on this machine, without opening it. */
export async function ensureTensorFlow(_options: EnsureOptions = {}): Promise<TensorFlowLocation> {
  return await Promise.resolve(findTensorFlow());
}

/** The library that is present now; an error if it must be fetched first. */
export function findTensorFlow(): TensorFlowLocation {
  const folder = process.env[TENSORFLOW_FOLDER_VARIABLE];
  if (folder !== undefined && existsSync(join(folder, TENSORFLOW_LIBRARY_NAME)))
    return { folder, version: '2.21.0', kind: 'cpu' };
  throw new EnvironmentError({
    code: 'TENSORFLOW_NOT_FOUND',
    message: 'TensorFlow is not on this machine yet',
    next: `Set ${TENSORFLOW_FOLDER_VARIABLE} to the folder of a TensorFlow 2.21 package.`,
  });
}
