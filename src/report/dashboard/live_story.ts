/**
 * Owns: what the dashboard tells of a run: everything at once for who comes, what is new for who is there.
 * Does not: send it (viewers.ts), or read a clock or a file.
 */
import type { RunRecord } from '../../common/run_record.js';
import { wordsOf } from '../files/happenings.js';
import type { Happening } from '../files/page.js';
import { RunStory, shareOfEpoch, type EpochRow, type Phases } from '../files/run_story.js';
import type { EpochValues, Everything, Facts, Happened, Lane, News, Point, Timeline } from './messages.js';

/** Beyond it every second point is let go. */
const MOST_POINTS = 1000;
const MOST_EPOCHS = 1000;
const MOST_HAPPENED = 200;

export class LiveStory {
  readonly #story = new RunStory();
  readonly #name: string;
  #points: Point[] = [];
  #stride = 1;
  #lastStep = 0;
  #happened: Happened[] = [];
  #step: RunRecord | null = null;
  #state = 'starting';
  #ending = false;
  /** Since the last news. */
  #fresh: { points: Point[]; happened: Happened[]; epochs: number; others: Set<'state' | 'facts' | 'step' | 'ending'> };

  constructor(name: string) {
    this.#name = name;
    this.#fresh = { points: [], happened: [], epochs: 0, others: new Set() };
  }

  /** What earlier starts of the run left behind. */
  remember(records: readonly RunRecord[], happened: readonly Happening[]): void {
    for (const record of records) this.#take(record);
    for (const { time, text, type, at } of happened)
      this.#tell({ time, text, kind: kindOf(type), at: at === null ? null : rounded(at) });
  }

  waitFor(what: string): void {
    this.#state = what;
    this.#fresh.others.add('state');
  }

  endAfterEpoch(): void {
    this.#ending = true;
    this.#fresh.others.add('ending');
  }

  /** `time`: ISO 8601, of the record's arrival. */
  add(record: RunRecord, time: string): void {
    this.#take(record);
    const text = record.type === 'state' ? savedWords(record) : wordsOf(record);
    if (text !== null) this.#tell({ time, text, kind: kindOf(record.type), at: this.#at });
    if (record.type === 'start' || record.type === 'step') this.#become('running');
    if (record.type === 'end') this.#become(`ended (${String(record.reason)})`);
  }

  all(): Everything {
    const { epochs, best } = this.#story;
    const stride = Math.ceil(epochs.length / MOST_EPOCHS);
    const isKept = (row: EpochRow, index: number): boolean =>
      (epochs.length - 1 - index) % stride === 0 || row.saved || row === best;
    const rows = epochs.filter(isKept);
    return {
      all: true,
      state: this.#state,
      ...(this.#story.start !== null && { facts: this.#facts }),
      points: this.#points,
      epochs: rows.slice(-2 * MOST_EPOCHS).map(valuesOf),
      happened: [...this.#happened],
      ...(this.#step !== null && { step: timelineOf(this.#step) }),
      ending: this.#ending,
    };
  }

  /** Null where nothing is new. */
  news(): News | null {
    const { points, happened, epochs, others } = this.#fresh;
    const rows = this.#story.epochs.slice(this.#story.epochs.length - epochs);
    this.#fresh = { points: [], happened: [], epochs: 0, others: new Set() };
    if (points.length + happened.length + rows.length + others.size === 0) return null;
    return {
      ...(others.has('state') && { state: this.#state }),
      ...(others.has('facts') && { facts: this.#facts }),
      ...(points.length > 0 && { points }),
      ...(rows.length > 0 && { epochs: rows.map(valuesOf) }),
      ...(happened.length > 0 && { happened }),
      ...(others.has('step') && this.#step !== null && { step: timelineOf(this.#step) }),
      ...(others.has('ending') && { ending: this.#ending }),
    };
  }

  get #facts(): Facts {
    const start = (this.#story.start ?? {}) as unknown as StartRecord;
    const { config, model, dataset, plan } = start;
    return {
      name: this.#name,
      model: model.name,
      data: dataset.name,
      epochs: plan.epochs,
      shards: plan.shards,
      monitor: this.#story.monitor,
      target: config.target ?? null,
    };
  }

  get #at(): number | null {
    const { epoch, step_in_epoch: inEpoch, steps_per_epoch: perEpoch } = (this.#step ?? {}) as unknown as StepRecord;
    return this.#step === null ? null : epoch - 1 + shareOfEpoch(inEpoch, perEpoch);
  }

  #become(state: string): void {
    if (this.#state === state) return;
    this.#state = state;
    this.#fresh.others.add('state');
  }

  #tell(happened: Happened): void {
    keep(this.#happened, happened);
    keep(this.#fresh.happened, happened);
  }

  #take(record: RunRecord): void {
    const known = this.#story.epochs.length;
    if (record.type === 'start') {
      // Of a resumed run the newest counts: it may have been made longer.
      this.#story.start = null;
      this.#fresh.others.add('facts');
    }
    this.#story.add(record);
    this.#fresh.epochs += this.#story.epochs.length - known;
    if (record.type === 'step') this.#takeStep(record);
  }

  #takeStep(record: RunRecord): void {
    const { step } = record as unknown as StepRecord;
    if (step <= this.#lastStep) return;
    this.#lastStep = step;
    this.#step = record;
    this.#fresh.others.add('step');
    if (step % this.#stride !== 0) return;
    const point = pointOf(record as unknown as StepRecord);
    this.#points.push(point);
    this.#fresh.points.push(point);
    if (this.#points.length <= MOST_POINTS) return;
    this.#stride *= 2;
    this.#points = this.#points.filter((_, index) => index % 2 === 1);
  }
}

/** Of too many, what comes again and again is let go first: a loss long ago still tells something. */
function keep(list: Happened[], happened: Happened): void {
  list.push(happened);
  if (list.length <= MOST_HAPPENED) return;
  const often = list.findIndex(({ kind }) => kind === 'saved' || kind === 'warn');
  list.splice(Math.max(0, often), 1);
}

const kindOf = (type: string): Happened['kind'] => (Object.hasOwn(KINDS, type) ? KINDS[type] : 'plain');

const KINDS: Readonly<Record<string, Happened['kind']>> = {
  worker_join: 'join',
  worker_leave: 'leave',
  worker_lost: 'loss',
  state: 'saved',
  warn: 'warn',
  error: 'error',
};

interface StartRecord {
  readonly config: { readonly target?: number | null };
  readonly model: { readonly name: string };
  readonly dataset: { readonly name: string };
  readonly plan: { readonly epochs: number; readonly shards: number };
}

interface StepRecord {
  readonly step: number;
  readonly epoch: number;
  readonly step_in_epoch: number;
  readonly steps_per_epoch: number | null;
  readonly loss: unknown;
  readonly learning_rate: number;
  readonly images_per_s: number;
  readonly phases_ms: Phases;
  /** Records of earlier versions have no `start_ms` and `end_ms`. */
  readonly replica_times: readonly {
    readonly replica: string;
    readonly compute_ms: number;
    readonly start_ms?: number;
    readonly end_ms?: number;
    readonly parameters?: string;
  }[];
}

/**
 * `ideal` is N × one replica: what N replicas would do that compute as these did in this step, and neither wait nor exchange nor apply anything. One
 * replica would take the sum of their computing times for the batch.
 */
function pointOf(record: StepRecord): Point {
  const { epoch, step_in_epoch: inEpoch, steps_per_epoch: perEpoch, phases_ms: phases, replica_times: replicas } = record;
  const stepMs = Object.values(phases).reduce((sum, ms) => sum + ms, 0);
  const computeMs = replicas.reduce((sum, { compute_ms: ms }) => sum + ms, 0);
  const pace = record.images_per_s;
  return {
    at: rounded(epoch - 1 + shareOfEpoch(inEpoch, perEpoch)),
    loss: typeof record.loss === 'number' ? rounded(record.loss) : null,
    rate: rounded(record.learning_rate),
    pace: rounded(pace),
    ideal: computeMs > 0 ? rounded((pace * stepMs * replicas.length) / computeMs) : null,
  };
}

function timelineOf(record: RunRecord): Timeline {
  const { epoch, step, step_in_epoch: stepInEpoch, steps_per_epoch: stepsPerEpoch, ...rest } = record as unknown as StepRecord;
  const before = rest.phases_ms.data ?? 0;
  const lanes = rest.replica_times.map(({ replica, compute_ms: ms, start_ms: start = before, end_ms: end, parameters }): Lane => {
    const times = { start: rounded(start), end: rounded(end ?? start + ms), compute: rounded(ms) };
    return { replica, ...times, parameters: parameters ?? null };
  });
  const phases = Object.fromEntries(Object.entries(rest.phases_ms).map(([name, ms]) => [name, rounded(ms)]));
  return { epoch, step, stepInEpoch, stepsPerEpoch, phases, lanes };
}

function valuesOf({ epoch, values, seconds, saved }: EpochRow): EpochValues {
  const shown = Object.entries(values).map(([name, value]) => [name, value === null ? null : rounded(value)]);
  return { epoch, values: Object.fromEntries(shown) as EpochValues['values'], seconds: rounded(seconds), saved };
}

function savedWords(record: RunRecord): string {
  return `state saved at epoch ${String(record.epoch)}, step ${String(record.step)}, in ${Math.round(Number(record.ms))} ms`;
}

const rounded = (value: number): number => Number(value.toPrecision(6));
