/**
 * Owns: everything the checks read of a machine, as functions, so that they are tested on machines that are not there.
 * Does not: judge.
 */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readdirSync, statfsSync } from 'node:fs';
import { createServer } from 'node:net';
import { availableParallelism, loadavg, totalmem } from 'node:os';
import { dirname } from 'node:path';
import { errorCode } from '../common/error_facts.js';
import { findGpus, type GpuSearch } from '../engine/tensorflow/gpus.js';
import { whyNoPip } from '../engine/tensorflow/python.js';
import type { TensorFlowLocation } from '../engine/tensorflow/tensorflow_library.js';
import { thisMachine, type Machine as Platform } from '../engine/tensorflow/wheels.js';
import { readText, type ReadText } from '../system/control_groups.js';
import { compute, type ComputeRequest, type ComputeResult } from './compute.js';

export interface ProgramEnd {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

/** Of a folder that is not there yet: of the nearest above it that is. */
interface FolderFacts {
  readonly exists: boolean;
  readonly writable: boolean;
  readonly freeBytes: number;
}

export interface Machine {
  readonly platform: Platform;
  readonly nodeVersion: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Threads that the system lets this process use at once. */
  readonly parallelism: number;
  readonly memoryBytes: number;
  /** Of the last minute, processes that compute or wait to. */
  readonly load: number;
  nowMs(): number;
  readonly read: ReadText;
  /** Names in a folder; none where it cannot be read. */
  entries(folder: string): readonly string[];
  /** Null where there is no such program. */
  run(program: string, args: readonly string[]): ProgramEnd | null;
  folder(path: string): FolderFacts;
  temporaryFolderProblem(): Promise<string>;
  /** Why nobody can listen there; null where one can. */
  whyNotListen(host: string, port: number): Promise<string | null>;
  gpus(): GpuSearch;
  /** @throws EnvironmentError where there is none, or none for this machine */
  tensorflow(): Promise<TensorFlowLocation>;
  cacheFolder(): Promise<string>;
  whyNoPip(): string | undefined;
  /** @throws EnvironmentError TFJS_MISSING, TFJS_VERSION */
  requireTfjs(): Promise<void>;
  compute(request: ComputeRequest): Promise<ComputeResult>;
}

const PROGRAM_MS = 20_000;

export function realMachine(): Machine {
  return {
    platform: thisMachine(),
    nodeVersion: process.versions.node,
    environment: process.env,
    parallelism: availableParallelism(),
    memoryBytes: totalmem(),
    load: loadavg()[0],
    nowMs: () => Date.now(),
    read: readText,
    entries,
    run,
    folder,
    temporaryFolderProblem: async () => (await import('../engine/tensorflow/quiet_load.js')).temporaryFolderProblem(),
    whyNotListen,
    gpus: () => findGpus(),
    tensorflow: async () => (await import('../engine/tensorflow/tensorflow_library.js')).findTensorFlow(),
    cacheFolder: async () => (await import('../engine/tensorflow/tensorflow_library.js')).cacheFolder(),
    whyNoPip: () => whyNoPip('python3'),
    requireTfjs: async () => (await import('../engine/backend/peer.js')).requireTfjs(),
    compute,
  };
}

function entries(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function run(program: string, args: readonly string[]): ProgramEnd | null {
  const { error, status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', timeout: PROGRAM_MS, cwd: '/' });
  if (errorCode(error) === 'ENOENT') return null;
  return { status, out: stdout ?? '', err: stderr ?? '' };
}

function folder(path: string): FolderFacts {
  const exists = existsSync(path);
  let nearest = path;
  while (!existsSync(nearest) && dirname(nearest) !== nearest) nearest = dirname(nearest);
  const { bavail, bsize } = statfsSync(nearest);
  let writable = true;
  try {
    accessSync(nearest, constants.W_OK | constants.X_OK);
  } catch {
    writable = false;
  }
  return { exists, writable, freeBytes: bavail * bsize };
}

function whyNotListen(host: string, port: number): Promise<string | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error) => resolve(errorCode(error) === 'EADDRINUSE' ? 'another process listens there' : error.message));
    server.listen({ host, port }, () => server.close(() => resolve(null)));
  });
}
