/**
 * Owns: the report's files in a run's folder: results.csv, report.html, results.svg, tensorboard/; each whole or not at all, from all that is known at the time.
 * Does not: decide when (report_thread.ts).
 */
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, writeFileSync, writeSync } from 'node:fs';
import { hostname } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { errorCode } from '../../common/error_facts.js';
import type { RunRecord } from '../../common/run_record.js';
import type { JudgedClasses } from '../../common/judged_classes.js';
import type { ReportName } from '../../common/settings/place_settings.js';
import { classesSection, sectionIn } from './classes_section.js';
import { drawCharts, stackCharts } from './charts.js';
import type { Drawing } from './drawing.js';
import type { ToldWeights } from './histogram.js';
import { happeningsOf } from './happenings.js';
import { reportPage } from './page.js';
import { recordsIn } from './records_in.js';
import { resultsCsv } from './results_csv.js';
import { RunStory } from './run_story.js';
import { eventFileHead, eventOf, graphEvent, histogramEvent } from './tensorboard.js';

export interface ReportPlace {
  readonly folder: string;
  /** Of the folder's metrics, that earlier starts wrote: what this one adds behind them is told here too. */
  readonly metricsBytes: number;
  readonly names: readonly ReportName[];
  readonly drawing: () => Promise<Drawing | null>;
  /** Seconds since 1970. */
  readonly now: () => number;
}

export class ReportFolder {
  readonly #place: ReportPlace;
  readonly #story = new RunStory();
  #events: number | null = null;
  #lastStep: RunRecord | null = null;
  #classes: JudgedClasses | null = null;
  /** Until it is told. */
  #graph: Uint8Array | null = null;

  constructor(place: ReportPlace) {
    this.#place = place;
    for (const record of recordsIn(read(join(place.folder, 'metrics.jsonl'), place.metricsBytes))) this.#take(record);
  }

  /** Records in their order; what the folder's own metrics held already is passed over. */
  add(record: RunRecord): void {
    const isNew = record.type === 'step' ? Number(record.step) > this.#step : !this.#knows(record);
    this.#take(record);
    if (isNew && this.#place.names.includes('tensorboard')) this.#tellEvents(record);
  }

  /** After the record of their epoch. */
  addWeights(weights: ToldWeights): void {
    if (this.#events === null) return;
    writeSync(this.#events, histogramEvent(weights, { step: this.#step, seconds: this.#place.now() }));
  }

  /** Once a start; told with its first events. */
  addGraph(graphDef: Uint8Array): void {
    this.#graph = graphEvent(graphDef, { step: this.#step, seconds: this.#place.now() });
    this.#tellGraph();
  }

  /** Shown from the next writing on. */
  addClasses(classes: JudgedClasses): void {
    this.#classes = classes;
  }

  /** Writes what is asked for. */
  async write(): Promise<void> {
    const { folder, names, drawing } = this.#place;
    if (names.includes('csv')) whole(folder, 'results.csv', resultsCsv(this.#story));
    if (!names.includes('page')) return;
    const drawn = await drawing();
    const charts = drawn === null ? [] : drawCharts(this.#story, drawn);
    const name = basename(resolve(folder));
    const happenings = happeningsOf(read(join(folder, 'logs', 'run.log')));
    const [config, environment] = ['config.yaml', 'env.json'].map((file) => read(join(folder, file)));
    const classes = this.#classes === null ? sectionIn(read(join(folder, 'report.html'))) : classesSection(this.#classes, drawn);
    whole(folder, 'report.html', reportPage({ story: this.#story, charts, classes, name, config, environment, happenings }));
    if (charts.length > 0) whole(folder, 'results.svg', stackCharts(charts, name));
  }

  close(): void {
    if (this.#events !== null) closeSync(this.#events);
    this.#events = null;
  }

  #knows(record: RunRecord): boolean {
    return record.type === 'epoch' && Number(record.epoch) <= (this.#story.epochs.at(-1)?.epoch ?? 0);
  }

  #take(record: RunRecord): void {
    this.#story.add(record);
    if (record.type === 'step' && Number(record.step) > this.#step) this.#lastStep = record;
  }

  /** Taken in so far; 0 before the first. */
  get #step(): number {
    return Number(this.#lastStep?.step ?? 0);
  }

  #tellEvents(record: RunRecord): void {
    if (record.type !== 'step' && record.type !== 'epoch') return;
    const at = { step: this.#step, seconds: this.#place.now() };
    this.#events ??= this.#openEvents(at, record);
    const bytes = eventOf(record, at);
    if (bytes.length > 0) writeSync(this.#events, bytes);
    this.#tellGraph();
  }

  #tellGraph(): void {
    if (this.#events === null || this.#graph === null) return;
    writeSync(this.#events, this.#graph);
    this.#graph = null;
  }

  /**
   * A file for each start, in the order of their numbers: readers take them by name. One that begins with an epoch's end repeats the step before it, which
   * its SessionLog has made forgotten.
   */
  #openEvents(at: { step: number; seconds: number }, first: RunRecord): number {
    const folder = join(this.#place.folder, 'tensorboard');
    mkdirSync(folder, { recursive: true });
    const before = readdirSync(folder).filter((name) => name.startsWith('events.out.tfevents.')).length;
    const name = `events.out.tfevents.${String(before + 1).padStart(10, '0')}.${hostname().replaceAll(/[^A-Za-z0-9.-]/g, '-')}`;
    const file = openSync(join(folder, name), 'wx');
    writeSync(file, eventFileHead(at));
    if (first.type === 'epoch' && this.#lastStep !== null) writeSync(file, eventOf(this.#lastStep, at));
    return file;
  }
}

/** So many bytes of it; empty where there is none. */
function read(path: string, bytes = Infinity): string {
  try {
    return readFileSync(path).subarray(0, bytes).toString('utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return '';
    throw error;
  }
}

function whole(folder: string, name: string, text: string): void {
  const temporary = join(folder, `.${name}.new`);
  writeFileSync(temporary, text);
  renameSync(temporary, join(folder, name));
}
