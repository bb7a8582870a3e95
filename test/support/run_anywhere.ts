/**
 * Owns: one run through the product's own way, on this machine or in a cluster of a coordinator and one worker, all in this process (replicas in threads
 * of the built product), and what it told and left.
 */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { coordinate } from '../../src/api/coordinate.js';
import { trainLocally } from '../../src/api/train.js';
import { work } from '../../src/api/work.js';
import { chooseDevices } from '../../src/common/device_choice.js';
import type { EndEvent, RunEvent } from '../../src/common/run_events.js';
import { completeConfig, type ConfigLayer, type TrainConfig } from '../../src/common/settings/table.js';
import type { StopRequest } from '../../src/common/stop_request.js';
import { readNewestState } from '../../src/coordinator/storage/state/state_file.js';
import { nodeFileSystem } from '../../src/coordinator/storage/files/file_system.js';
import { TOKEN } from './loopback_cluster.js';

/** Set to indices by somebody who has GPUs: replicas then are on those (CONTRIBUTING.md). */
const GPUS = process.env.TFJS_PARALLEL_TEST_GPUS;
const DEVICES = GPUS === undefined ? { gpus: 'none', workers: 1 } : { gpus: GPUS, workers: null };
/** bf16 is for processors. */
export const PRECISIONS: readonly ('fp32' | 'bf16')[] = GPUS === undefined ? ['fp32', 'bf16'] : ['fp32'];

export type Place = 'machine' | 'cluster';
export const PLACES: readonly Place[] = ['machine', 'cluster'];

export interface Asked {
  /** As a configuration file has them; data and model are files. */
  readonly settings: ConfigLayer;
  /** Folder of the run to continue, with all its settings. */
  readonly resume?: string;
  /** Settings that somebody named. */
  readonly given?: Readonly<Record<string, string>>;
  readonly runDir: string;
}

export interface Told {
  readonly config: TrainConfig;
  readonly events: readonly RunEvent[];
  /** Lines before the first step, a worker's too. */
  readonly lines: readonly string[];
  readonly runFolder: string;
  /** Final weights by name; none where nothing was kept. */
  readonly weights: Readonly<Record<string, Float32Array>>;
}

const noStop = (): StopRequest => ({ reason: null, asked: new AbortController().signal, hurry: new AbortController().signal });

/** Rejects with the error of whoever failed first. */
export async function runAt(place: Place, { settings, given = {}, resume, runDir }: Asked): Promise<Told> {
  const config = completeConfig({ ...DEVICES, shards: 2, threads_per_worker: 1, run_dir: runDir, ...settings });
  const events: RunEvent[] = [];
  const lines: string[] = [];
  const parts = {
    config,
    given,
    ...{ provenance: {}, configName: 'run', resume: resume ?? null, changes: [], maxStepsRecorded: false, initFrom: null },
    ...({ numericsCheck: 'strict', stop: noStop(), say: (line: string) => void lines.push(line) } as const),
    observer: (event: RunEvent) => void events.push(event),
  };
  if (place === 'machine') await trainLocally(parts);
  else await inCluster(parts, lines);
  const start = events.find((event) => event.type === 'start');
  if (start === undefined) throw new Error('the run did not begin');
  const { config: used, runFolder } = start;
  return { config: used, events, lines, runFolder, weights: runFolder === '' ? {} : await finalWeights(runFolder) };
}

async function inCluster(parts: Parameters<typeof trainLocally>[0], lines: string[]): Promise<void> {
  const { config } = parts;
  const token = { kind: 'file', path: join(mkdtempSync(join(config.runDir, 'token-')), 'token') } as const;
  writeFileSync(token.path, `${TOKEN}\n`, { mode: 0o600 });
  const isModule = /\.[cm]?[jt]s$/.test(config.model);
  let begin: (port: number) => void = () => undefined;
  const listening = new Promise<number>((found) => (begin = found));
  const say = (line: string): void => {
    lines.push(line);
    const port = /waiting for workers at .*:(\d+)/.exec(line);
    if (port !== null) begin(Number(port[1]));
  };
  const common = { token, encryption: { kind: 'none' } } as const;
  const run = coordinate({
    ...parts,
    ...common,
    ...{ say, listen: { host: '127.0.0.1', port: 0 }, minWorkers: 1, joinTimeoutMs: 60_000, silenceMs: 30_000 },
  });
  const worker = listening.then((port) =>
    work({
      ...common,
      ...{
        coordinator: { host: '127.0.0.1', port },
        name: 'w',
        devices: chooseDevices(DEVICES),
        threadsPerWorker: null,
      },
      ...{
        dataDir: null,
        model: isModule ? config.model : null,
        data: config.data,
        dataMemory: config.dataMemory,
        waitMs: 0,
        stop: noStop(),
      },
      say: (line) => void lines.push(line),
    }),
  );
  worker.catch(() => undefined);
  await run;
  await worker;
}

async function finalWeights(runFolder: string): Promise<Record<string, Float32Array>> {
  const { state } = await readNewestState({ folder: join(runFolder, 'state'), fileSystem: nodeFileSystem });
  if (state === null) throw new Error('the run left no state');
  return Object.fromEntries(
    state.model.layout.slots.map(({ name, offset, size }) => [name, state.parameters.slice(offset, offset + size)]),
  );
}

export function endOf({ events }: Told): EndEvent {
  const end = events.find((event) => event.type === 'end');
  if (end === undefined) throw new Error('the run did not end');
  return end;
}

export function warningsOf({ events }: Told): string[] {
  return events.flatMap((event) => (event.type === 'warn' ? [`${event.code}: ${event.message}`] : []));
}
