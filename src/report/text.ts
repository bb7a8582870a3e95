/**
 * Owns: the reporter text: the report's lines on its output, everything else on standard error, live on a terminal, plain lines elsewhere.
 * Does not: word them (run_text.ts) or draw a line in place (live_line.ts).
 */
import { styleText } from 'node:util';
import { invariant } from '../common/errors.js';
import type { RunEvent, RunObserver, StartEvent, StepEvent } from '../common/run_events.js';
import type { LiveLine } from './live_line.js';
import { GpuLoads } from './gpu_loads.js';
import { ReplicaLines } from './replica_lines.js';
import type { OpenReporter, ReporterPlace, TextStream } from './reporter.js';
import {
  contextLine,
  curveLine,
  endLines,
  epochLines,
  headerLines,
  lossLines,
  progressLine,
  progressLogLine,
  type Progress,
} from './run_text.js';
import { createWaitingLine } from './waiting_line.js';
import { printable } from '../common/one_line.js';

export async function openTextReporter({ out, err, environment, ...options }: ReporterPlace): Promise<OpenReporter> {
  invariant(err !== null, 'text tells what is no report');
  let live: LiveLine | null = null;
  if (err.isTTY && environment.TERM !== 'dumb') {
    const { createLiveLine } = await import('./live_line.js');
    live = createLiveLine({ stream: err, now: options.now });
  }
  const waiting = live && createWaitingLine({ live, now: options.now, columns: () => (err.columns ?? 80) - 1 });
  let gpus: GpuLoads | null = null;
  const besides = (replica: string): string => gpus?.wordsFor(replica) ?? '';
  const observer = createTextReporter({ ...options, out, err, live, besides });
  const findGpus = async ({ replicas }: StartEvent): Promise<void> => {
    if (live === null || !replicas.some((name) => name.startsWith('gpu('))) return;
    const { Nvml } = await import('../system/nvml.js');
    const nvml = Nvml.open({ visible: environment.CUDA_VISIBLE_DEVICES });
    gpus = nvml && new GpuLoads(nvml, options.now);
  };
  waiting?.wait('starting');
  return {
    observer: (event) => {
      if (event.type === 'start' || event.type === 'end') waiting?.end();
      if (event.type === 'start') void findGpus(event);
      observer(event);
    },
    wait: (what, share) => {
      waiting?.wait(what, share);
      return waiting !== null;
    },
    makeRoom: () => live?.clear(),
    close: () => {
      waiting?.end();
      live?.close();
    },
  };
}

export interface TextReporterOptions {
  out: TextStream;
  err: TextStream;
  /** Draws in place on a terminal; null where there is none: then a plain line now and then. */
  live: LiveLine | null;
  /** Monotonic milliseconds. */
  now: () => number;
  verbose: boolean;
  /** What else is known of a replica, for its line of the panel. */
  besides?: (replica: string) => string;
  /** The command that continues a run whose process died without a word. */
  afterCrash?: (run: string) => string;
}

/** Without a terminal and without --log-every, a long epoch says this often that it lives. */
const PLAIN_INTERVAL_MS = 30_000;
/** Weight of the newest step in the rate shown: single steps jump. */
const RATE_SMOOTHING = 0.1;

export function createTextReporter({ out, err, live, now, verbose, besides, afterCrash }: TextReporterOptions): RunObserver {
  const paint = painter(err);
  let start: StartEvent | null = null;
  /** The first step seen of this epoch: not its first where the run was resumed. */
  let first: { epoch: number; stepInEpoch: number; atMs: number } | null = null;
  let imagesPerS: number | null = null;
  let lastEpochS: number | null = null;
  let lastPlainMs = now();
  let replicas: ReplicaLines | null = null;
  /** The monitored value by epoch, of this process. */
  const history: { epoch: number; value: number }[] = [];

  const toOut = (lines: readonly string[]) => above(() => out.write(printable(lines.map((line) => `${line}\n`).join(''))));
  const toErr = (lines: readonly string[]) => above(() => err.write(printable(lines.map((line) => `${line}\n`).join(''))));
  /** Standard output and error are often one terminal: the live line makes room before anything is written. */
  function above(write: () => void): void {
    live?.clear();
    write();
  }

  function onStep(step: StepEvent): void {
    if (start === null) return;
    if (first?.epoch !== step.epoch) first = { epoch: step.epoch, stepInEpoch: step.stepInEpoch, atMs: now() };
    imagesPerS = imagesPerS === null ? step.imagesPerS : imagesPerS + RATE_SMOOTHING * (step.imagesPerS - imagesPerS);
    replicas?.took(step);
    const progress: Progress = { step: { ...step, imagesPerS }, epochs: start.plan.epochs, etaS: etaS(step, start, first) };
    if (live !== null) {
      const { monitor } = start.objective;
      live.draw(() => {
        const columns = (err.columns ?? 80) - 1;
        const curve = curveLine(monitor, history, { columns });
        const below = curve === null ? [] : [curve, ...(replicas?.lines({ columns, besides }) ?? [])];
        return [paint('cyan', progressLine(progress, { columns })), ...below].join('\n');
      });
      return;
    }
    const { logEvery } = start.config;
    const due = logEvery === null ? now() - lastPlainMs >= PLAIN_INTERVAL_MS : step.step % logEvery === 0;
    if (!due) return;
    lastPlainMs = now();
    toErr([progressLogLine(progress)]);
  }

  /** From this epoch's own pace; later epochs, evaluation included, from the last one's time. */
  function etaS(step: StepEvent, { plan, config }: StartEvent, since: { stepInEpoch: number; atMs: number }): number | null {
    const steps = step.stepInEpoch - since.stepInEpoch;
    const { stepsPerEpoch } = step;
    if (steps < 1 || stepsPerEpoch === null) return null;
    const stepS = (now() - since.atMs) / 1000 / steps;
    const here = stepS * (stepsPerEpoch - step.stepInEpoch);
    const epochS = Math.max(lastEpochS ?? 0, stepS * stepsPerEpoch);
    const whole = here + epochS * (plan.epochs - step.epoch);
    return config.maxSteps === null ? whole : Math.min(whole, stepS * (config.maxSteps - step.step));
  }

  return function report(event: RunEvent): void {
    switch (event.type) {
      case 'start': {
        start = event;
        replicas = new ReplicaLines(event.replicas);
        const [title, ...details] = headerLines(event);
        const resume =
          afterCrash && event.runFolder !== '' && isUnderWay(event) ? [`  resume   ${afterCrash(event.runFolder)}`] : [];
        toErr([paint('bold', title), ...details, ...resume]);
        toOut([contextLine(event)]);
        return;
      }
      case 'step':
        return onStep(event);
      case 'epoch':
        lastEpochS = event.seconds;
        if (start !== null && start.objective.monitor.name in event.values)
          history.push({ epoch: event.epoch, value: event.values[start.objective.monitor.name] });
        lastPlainMs = now();
        toOut(epochLines(event));
        toErr(lossLines(event));
        return;
      case 'worker_join':
      case 'worker_leave':
        replicas?.heard(event);
        return toErr([event.detail]);
      case 'worker_lost':
        replicas?.heard(event);
        return toErr([paint('yellow', event.detail)]);
      case 'state':
        if (verbose)
          toErr([
            `state ${event.path} at epoch ${event.epoch}, step ${event.step}, in ${Math.round(event.ms)} ms, training stood still for ${event.snapshotMs.toFixed(1)} ms`,
          ]);
        return;
      case 'warn':
        return toErr([paint('yellow', `warning ${event.code}: ${event.message}`)]);
      case 'error':
        return toErr([paint('red', `error ${event.code}: ${event.message}`)]);
      case 'end':
        live?.clear();
        if (start !== null) toErr(endLines(event));
        return;
    }
  };
}

const isUnderWay = ({ plan }: StartEvent): boolean => plan.firstEpoch <= plan.epochs;

/** Colors where the stream has them: `hasColors` knows NO_COLOR, FORCE_COLOR and TERM=dumb. */
export function painter(stream: TextStream): (color: 'bold' | 'cyan' | 'yellow' | 'red', text: string) => string {
  const colored = stream.isTTY === true && stream.hasColors?.() === true;
  return (color, text) => (colored ? styleText(color, text, { validateStream: false }) : text);
}
