/**
 * Owns: the configuration that a run's folder holds, for calls of the library that go on with a run or judge it.
 * Does not: merge layers of a command line (src/cli/resolve_config.ts).
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { errorCode, errorMessage } from '../common/error_facts.js';
import { StorageError, UsageError } from '../common/errors.js';
import { configLayerSchema } from '../common/settings/schema.js';
import type { ConfigLayer } from '../common/settings/table.js';

/** Settings as they stand in RUN/config.yaml, nested and in snake_case. @throws StorageError RUN_NOT_FOUND, UsageError CONFIG_SYNTAX */
export async function recordedLayer(run: string): Promise<ConfigLayer> {
  const layer = await readLayer(join(run, 'config.yaml'));
  if (layer !== null) return layer;
  throw new StorageError({
    code: 'RUN_NOT_FOUND',
    message: `${run} is not the folder of a run: there is no config.yaml in it`,
    next: 'Give the folder of a run, such as runs/mnist-001.',
  });
}

/** That of the run that a path belongs to: its folder, a saved model's folder in it, or that folder's model.json; null elsewhere. */
export async function layerAround(path: string): Promise<ConfigLayer | null> {
  for (const steps of ['.', join('..', '..'), join('..', '..', '..')]) {
    const layer = await readLayer(join(path, steps, 'config.yaml'));
    if (layer !== null) return layer;
  }
  return null;
}

async function readLayer(file: string): Promise<ConfigLayer | null> {
  try {
    const checked = configLayerSchema.safeParse(parse(await readFile(file, 'utf8')));
    if (checked.success) return checked.data;
    const [{ path, message }] = checked.error.issues;
    throw new Error(`${path.join('.')}: ${message}`);
  } catch (cause) {
    if (['ENOENT', 'ENOTDIR'].includes(errorCode(cause))) return null;
    throw new UsageError({
      code: 'CONFIG_SYNTAX',
      message: `${file} cannot be read as settings: ${errorMessage(cause)}`,
      next: 'Correct the file; docs/settings.md lists what it may hold.',
      cause,
    });
  }
}
