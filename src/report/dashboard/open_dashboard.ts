/**
 * Owns: the dashboard seen from the run: events go to a thread that serves the page; what viewers ask for comes back. What goes wrong there later is a
 * warning and no more.
 * Does not: serve (dashboard_thread.ts), or carry out what is asked for.
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { formatEndpoint, type Endpoint } from '../../common/endpoint.js';
import { errorCode } from '../../common/error_facts.js';
import { listenError } from '../../common/listen_error.js';
import type { RunObserver } from '../../common/run_events.js';
import { runRecord, type RunRecord } from '../../common/run_record.js';
import type { RunWishes } from '../../common/run_wishes.js';
import { builtFile, requirePackageFile } from '../../system/package_file.js';
import type { DashboardAnswer, DashboardData, DashboardMessage } from './dashboard_thread.js';

const THREAD_FILE = builtFile('report/dashboard/dashboard_thread.js');

export interface Dashboard {
  /** With the token. */
  readonly link: string;
  readonly observer: RunObserver;
  /** Before the first step: what is under way from now on. */
  wait(what: string): void;
  /** The run's folder is there, with what earlier starts wrote. Before anything new is told. */
  inFolder(folder: string): void;
  /** Viewers have the last of it. */
  close(): Promise<void>;
}

export interface DashboardRequest {
  readonly listen: Endpoint;
  /** Take any free port where the wanted one is in use. */
  readonly mayMove: boolean;
  /** How this machine is called in the link. */
  readonly linkHost: string;
  readonly token: string;
  readonly wishes: RunWishes;
  readonly warn: RunObserver;
}

/** Records go over at once, this often, or as many. */
const PAUSE_MS = 200;
const BATCH = 256;
/** For viewers to take the last of it. */
const CLOSE_MS = 2_000;

/** @throws ClusterError PORT_IN_USE, LISTEN_FAILED */
export async function openDashboard(request: DashboardRequest): Promise<Dashboard> {
  const { listen, mayMove, linkHost, token, wishes, warn } = request;
  requirePackageFile(THREAD_FILE);
  const workerData: DashboardData = { listen, token };
  const worker = new Worker(THREAD_FILE, { workerData });
  let waiting: RunRecord[] = [];
  let timer: NodeJS.Timeout | null = null;
  let isOver = false;
  let closed = (): void => undefined;
  let port: number;
  try {
    port = await portOf(worker, listen);
  } catch (error) {
    await worker.terminate();
    if (mayMove && errorCode(error) === 'PORT_IN_USE') return openDashboard({ ...request, listen: { ...listen, port: 0 } });
    throw error;
  }
  // A program that ends by itself does not wait for its viewers.
  worker.unref();
  worker.on('message', (answer: DashboardAnswer) => {
    if (answer.type === 'closed') closed();
    if (answer.type !== 'wish') return;
    if (answer.wish === 'save') wishes.saveNow();
    else wishes.endAfterEpoch();
  });
  worker.on('error', (error) => {
    if (!isOver)
      warn({ type: 'warn', code: 'DASHBOARD_LOST', message: `the dashboard has ended, training goes on: ${error.message}` });
    isOver = true;
    closed();
  });
  const post = (message: DashboardMessage): void => {
    if (!isOver) worker.postMessage(message);
  };
  const flush = (): void => {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    if (waiting.length > 0) post({ type: 'records', records: waiting });
    waiting = [];
  };
  return {
    link: `http://${formatEndpoint({ host: linkHost, port })}/#${token}`,
    observer: (event) => {
      waiting.push(runRecord(event));
      if (waiting.length >= BATCH) flush();
      else timer ??= setTimeout(flush, PAUSE_MS).unref();
    },
    wait: (what) => post({ type: 'wait', what }),
    inFolder: (folder) => {
      const bytes = { metrics: sizeOf(join(folder, 'metrics.jsonl')), log: sizeOf(join(folder, 'logs', 'run.log')) };
      post({ type: 'folder', folder, bytes });
    },
    async close() {
      flush();
      const done = new Promise<void>((resolve) => (closed = resolve));
      const late = new Promise<void>((resolve) => setTimeout(resolve, CLOSE_MS).unref());
      worker.ref();
      post({ type: 'close' });
      if (!isOver) await Promise.race([done, late]);
      isOver = true;
      await worker.terminate();
    },
  };
}

function portOf(worker: Worker, listen: Endpoint): Promise<number> {
  return new Promise((resolve, reject) => {
    worker.once('error', reject);
    worker.once('message', (answer: DashboardAnswer) => {
      worker.off('error', reject);
      if (answer.type === 'open') return resolve(answer.port);
      const { code, message } = answer.type === 'refused' ? answer : { code: '', message: answer.type };
      reject(listenError(Object.assign(new Error(message), { code }), { listen, flag: '--dashboard' }));
    });
  });
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
