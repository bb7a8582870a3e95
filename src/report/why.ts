/**
 * Owns: why a run is as fast as it is: where a step's time went, and the one thing to change, with its figures.
 * Does not: read the run (src/cli/commands/why.ts) or measure anything anew.
 */
import type { EpochRow, RunStory } from './files/run_story.js';

export interface Why {
  /** The last epochs, at most five; the first is left out where there are others: it records the step. */
  readonly epochs: readonly number[];
  /** Mean milliseconds of a step, by phase. */
  readonly phasesMs: Readonly<Record<string, number>>;
  readonly stepMs: number;
  /** Share of an epoch's time outside its steps: evaluation and saving. */
  readonly outside: number;
  readonly change: string;
}

const LAST = 5;

/** Null where no epoch ended with its steps told. */
export function whyOf(story: RunStory): Why | null {
  const whole = story.epochs.filter(({ phases }) => Object.keys(phases).length > 0);
  const rows = (whole.length > 1 ? whole.slice(1) : whole).slice(-LAST);
  if (rows.length === 0) return null;
  const names = Object.keys(rows[0].phases);
  const phasesMs = Object.fromEntries(names.map((name) => [name, mean(rows.map(({ phases }) => phases[name] ?? 0))]));
  const stepMs = Object.values(phasesMs).reduce((sum, ms) => sum + ms, 0);
  const outside = outsideOf(story, rows, stepMs);
  return {
    epochs: rows.map(({ epoch }) => epoch),
    phasesMs,
    stepMs,
    outside,
    change: changeFor(story, { phasesMs, stepMs, outside }),
  };
}

function outsideOf(story: RunStory, rows: readonly EpochRow[], stepMs: number): number {
  const steps = (story.start?.plan as { steps_per_epoch?: number } | undefined)?.steps_per_epoch ?? 0;
  const epochMs = 1000 * mean(rows.map(({ seconds }) => seconds));
  return epochMs > 0 ? Math.max(0, 1 - (steps * stepMs) / epochMs) : 0;
}

/** The largest part decides: of an epoch first, then of a step. */
function changeFor(story: RunStory, { phasesMs, stepMs, outside }: Omit<Why, 'epochs' | 'change'>): string {
  if (outside > 0.5)
    return `${share(outside)} of an epoch's time is outside its steps: evaluate fewer examples (--validation-limit), or make saving rarer (--state-every 10m).`;
  const [name, ms] = Object.entries(phasesMs).reduce((most, phase) => (phase[1] > most[1] ? phase : most));
  const replicas = Array.isArray(story.start?.replicas) ? story.start.replicas.length : 1;
  const part = `${share(ms / stepMs)} of a step (${ms.toFixed(1)} of ${stepMs.toFixed(1)} ms)`;
  switch (name) {
    case 'compute':
      return `Computing is ${part}: with ${replicas === 1 ? 'a second device' : `${2 * replicas} devices in place of ${replicas}`} a step takes ${(stepMs - ms / 2).toFixed(1)} ms at best; --precision bf16 helps on processors that have it.`;
    case 'wait':
      return `Waiting for the last shard is ${part}: replicas that share cores or differ in speed. Give --workers and --threads-per-worker whose product is the number of cores, and stop what else runs on this machine.`;
    case 'data':
      return `Drawing the batch is ${part}: keep rows in memory, or make what a data module does for each row cheaper.`;
    default:
      return `Exchanging and applying gradients (most of it ${name}) is ${part}: a larger --batch makes fewer steps of the same work.`;
  }
}

/** What is read, as the command prints it. */
export function whyLines({ epochs, phasesMs, stepMs, outside, change }: Why): string[] {
  const range = epochs.length === 1 ? `epoch ${epochs[0]}` : `epochs ${epochs[0]} to ${epochs[epochs.length - 1]}`;
  const rows = Object.entries(phasesMs).map(
    ([name, ms]) => `  ${name.padEnd(8)} ${ms.toFixed(2).padStart(10)} ms ${share(ms / stepMs).padStart(7)}`,
  );
  return [
    `a step took ${stepMs.toFixed(2)} ms, ${range}`,
    ...rows,
    `evaluation and saving: ${share(outside)} of an epoch's time`,
    `change: ${change}`,
  ];
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
const share = (part: number): string => `${(100 * part).toFixed(1)} %`;
