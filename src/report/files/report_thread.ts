/**
 * Owns: the inside of the thread that writes a run's report: when it is written.
 * Does not: know a format (report_folder.ts), or take more than a fiftieth of a core from training.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { errorMessage } from '../../common/error_facts.js';
import type { JudgedClasses } from '../../common/judged_classes.js';
import type { RunRecord } from '../../common/run_record.js';
import { loadDrawing } from './drawing.js';
import type { ToldWeights } from './histogram.js';
import { ReportFolder, type ReportPlace } from './report_folder.js';

export interface ReportMessage {
  readonly records: readonly RunRecord[];
  /** After these records. */
  readonly weights?: ToldWeights;
  /** After these records: what a training step computes, as a GraphDef. */
  readonly graph?: Uint8Array;
  /** After these records: of the finished model. */
  readonly classes?: JudgedClasses;
  /** The last message: write once more, and say so. */
  readonly isLast: boolean;
}

export type ReportAnswer = { readonly type: 'failed'; readonly message: string } | { readonly type: 'closed' };

/** Between two writings: this long at least, and this many times as long as the last one took. */
const PAUSE_MS = 1_000;
const PAUSE_FACTOR = 50;

const place = workerData as Pick<ReportPlace, 'folder' | 'metricsBytes' | 'names'>;
const answer = (value: ReportAnswer): void => parentPort?.postMessage(value);
const drawing = () => loadDrawing(new URL('../../vendor/plot.js', import.meta.url));

let report: ReportFolder | null = null;
let writing = Promise.resolve();
let nextMs = 0;
let timer: NodeJS.Timeout | null = null;

parentPort?.on('message', ({ records, weights, graph, classes, isLast }: ReportMessage) => {
  guarded(() => {
    report ??= new ReportFolder({ ...place, drawing, now: () => Date.now() / 1000 });
    for (const record of records) report.add(record);
    if (weights !== undefined) report.addWeights(weights);
    if (graph !== undefined) report.addGraph(graph);
    if (classes !== undefined) report.addClasses(classes);
    if (records.some(({ type }) => type === 'epoch' || type === 'end'))
      timer ??= setTimeout(write, Math.max(0, nextMs - performance.now()));
  });
  if (isLast) {
    write();
    void writing.then(() => {
      guarded(() => report?.close());
      answer({ type: 'closed' });
    });
  }
});

function write(): void {
  if (timer !== null) clearTimeout(timer);
  timer = null;
  writing = writing.then(async () => {
    const startMs = performance.now();
    await report?.write().catch(fail);
    nextMs = performance.now() + Math.max(PAUSE_MS, PAUSE_FACTOR * (performance.now() - startMs));
  });
}

function guarded(run: () => void): void {
  try {
    run();
  } catch (error) {
    fail(error);
  }
}

function fail(error: unknown): void {
  answer({ type: 'failed', message: errorMessage(error) });
}
