/**
 * Owns: a run's report seen from the run: events go to a thread that writes files beside training; what goes wrong there is a warning and no more.
 * Does not: write (report_thread.ts).
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { errorMessage } from '../../common/error_facts.js';
import type { JudgedClasses } from '../../common/judged_classes.js';
import type { RunEvent, RunObserver } from '../../common/run_events.js';
import { runRecord, type RunRecord } from '../../common/run_record.js';
import type { ReportName } from '../../common/settings/place_settings.js';
import { builtFile, requirePackageFile } from '../../system/package_file.js';
import type { ToldWeights } from './histogram.js';
import type { ReportAnswer, ReportMessage } from './report_thread.js';

const THREAD_FILE = builtFile('report/files/report_thread.js');

export interface RunReport {
  readonly observer: RunObserver;
  /** How they are distributed is told to TensorBoard; the values are no longer the caller's. */
  weights(told: ToldWeights): void;
  /** What a training step computes, as TensorFlow's GraphDef. */
  readonly wantsGraph: boolean;
  graph(graphDef: Uint8Array): void;
  /** Whether anything shows them. */
  readonly wantsClasses: boolean;
  /** What the finished model says of the validation examples. */
  classes(judged: JudgedClasses): void;
  /** Everything is written, or the user is in a hurry. */
  close(hurry: AbortSignal): Promise<void>;
}

export interface ReportRequest {
  readonly folder: string;
  readonly names: readonly ReportName[];
  readonly warn: RunObserver;
}

/** Records that go over at once: steps are many. */
const BATCH = 256;

/** Before the run adds to its folder's metrics. */
export function writeReport({ folder, names, warn }: ReportRequest): RunReport {
  if (names.includes('none')) {
    const nothing = (): void => undefined;
    return {
      observer: nothing,
      weights: nothing,
      wantsGraph: false,
      graph: nothing,
      wantsClasses: false,
      classes: nothing,
      close: async () => undefined,
    };
  }
  // Now: the thread opens when the first steps may be in the file already.
  const metricsBytes = statSync(join(folder, 'metrics.jsonl'), { throwIfNoEntry: false })?.size ?? 0;
  let worker: Worker | null = null;
  let waiting: RunRecord[] = [];
  let told = false;
  let closed = (): void => undefined;
  const fail = (message: string): void => {
    if (!told) warn({ type: 'warn', code: 'REPORT_NOT_WRITTEN', message: `the report in ${folder} is not written: ${message}` });
    told = true;
  };
  const open = (): Worker => {
    requirePackageFile(THREAD_FILE);
    const opened = new Worker(THREAD_FILE, { workerData: { folder, metricsBytes, names } });
    opened.on('message', (answer: ReportAnswer) => (answer.type === 'failed' ? fail(answer.message) : closed()));
    opened.on('error', (error) => fail(error.message));
    opened.on('exit', () => closed());
    // A program that ends by itself does not wait for a report.
    opened.unref();
    return opened;
  };
  const send = (
    isLast: boolean,
    { weights, graph, classes }: Pick<ReportMessage, 'weights' | 'graph' | 'classes'> = {},
  ): void => {
    const message: ReportMessage = {
      records: waiting,
      isLast,
      ...(weights && { weights }),
      ...(graph && { graph }),
      ...(classes && { classes }),
    };
    waiting = [];
    if (told && worker === null) return;
    try {
      (worker ??= open()).postMessage(message, weights === undefined ? [] : [weights.values.buffer as ArrayBuffer]);
    } catch (error) {
      fail(errorMessage(error));
    }
  };
  return {
    observer: (event: RunEvent) => {
      if (!TOLD.has(event.type)) return;
      waiting.push(runRecord(event));
      if (event.type !== 'step' || waiting.length >= BATCH) send(false);
    },
    weights: ({ epoch, values, slots }) => {
      const named = slots.map(({ name, offset, size }) => ({ name, offset, size }));
      if (names.includes('tensorboard')) send(false, { weights: { epoch, values, slots: named } });
    },
    wantsGraph: names.includes('tensorboard'),
    graph: (graph) => send(false, { graph }),
    wantsClasses: names.includes('page'),
    classes: (classes) => send(false, { classes }),
    async close(hurry) {
      if (worker === null) return;
      worker.ref();
      const done = new Promise<void>((resolve) => (closed = resolve));
      const hurried = new Promise<void>((resolve) => hurry.addEventListener('abort', () => resolve(), { once: true }));
      send(true);
      await Promise.race([done, hurried, ...(hurry.aborted ? [Promise.resolve()] : [])]);
      await worker.terminate();
    },
  };
}

const TOLD = new Set<RunEvent['type']>(['start', 'step', 'epoch', 'end']);
