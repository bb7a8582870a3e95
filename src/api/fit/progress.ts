/** Progress of a fit() call on standard error: a bar for the epoch in progress where that is a terminal, and a line for each that ended. */
import type { EpochEvent, RunEvent, StepEvent } from '../../common/run_events.js';
import { createLiveLine } from '../../report/live_line.js';
import { printable } from '../../common/one_line.js';

export interface FitProgress {
  observe(event: RunEvent): void;
  say(line: string): void;
  close(): void;
}

export const SILENT: FitProgress = { observe: () => undefined, say: () => undefined, close: () => undefined };

export function fitProgress({
  epochs,
  stream = process.stderr,
  now = () => performance.now(),
}: {
  epochs: number;
  stream?: NodeJS.WriteStream;
  now?: () => number;
}): FitProgress {
  const live = stream.isTTY ? createLiveLine({ stream, now }) : null;
  let steps = 0;
  const say = (line: string): void => {
    live?.clear();
    stream.write(printable(`${line}\n`));
  };
  return {
    observe(event) {
      if (event.type === 'step') {
        steps = event.stepInEpoch;
        live?.draw(() => stepLine(event, epochs));
      }
      if (event.type === 'epoch') say(epochLine(event, { epochs, steps }));
      if (event.type === 'warn' || event.type === 'error') say(`${event.type}: ${event.message}`);
    },
    say,
    close: () => live?.close(),
  };
}

const COLUMNS = 24;

function stepLine({ epoch, stepInEpoch, stepsPerEpoch, epochValues }: StepEvent, epochs: number): string {
  if (stepsPerEpoch === null) return `Epoch ${epoch}/${epochs} step ${stepInEpoch}  ${shown(epochValues)}`;
  const full = Math.floor((COLUMNS * stepInEpoch) / stepsPerEpoch);
  const bar = '━'.repeat(full) + '─'.repeat(COLUMNS - full);
  return `Epoch ${epoch}/${epochs} ${bar} ${stepInEpoch}/${stepsPerEpoch}  ${shown(epochValues)}`;
}

function epochLine({ epoch, values, seconds }: EpochEvent, { epochs, steps }: { epochs: number; steps: number }): string {
  const perStep = `${((seconds * 1000) / Math.max(1, steps)).toPrecision(3)} ms/step`;
  return `Epoch ${epoch}/${epochs}  ${seconds.toFixed(1)} s, ${perStep}  ${shown(values)}`;
}

function shown(values: Readonly<Record<string, number>>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name}=${value.toPrecision(4)}`)
    .join(' ');
}
