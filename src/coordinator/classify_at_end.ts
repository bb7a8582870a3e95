/**
 * Owns: asking the finished model which class each validation example is, for whoever shows it: one more pass over the validation data.
 * Does not: hold the run up: its training is complete and saved. What cannot be had is said, and the run ends well.
 */
import { errorMessage } from '../common/error_facts.js';
import type { RunObserver } from '../common/run_events.js';
import type { Fleet } from './planes/exact/fleet/fleet.js';
import type { Classified, Evaluation, Plane } from './planes/plane.js';

/** After how much training. */
export interface ToldClasses extends Classified {
  readonly epoch: number;
  readonly step: number;
}

export interface ClassesRequest {
  readonly at: Pick<ToldClasses, 'epoch' | 'step'>;
  readonly plane: Plane;
  readonly fleet: Pick<Fleet, 'waiting'>;
  readonly evaluation: Evaluation;
  readonly weights: Float32Array;
  readonly hear: (told: ToldClasses) => Promise<void>;
  readonly observe: RunObserver;
}

/** Nobody comes back to a run that is over: it is looked this often whether somebody is there, ms. */
const ALONE_MS = 250;

export async function classifyAtEnd({ at, plane, fleet, evaluation, weights, hear, observe }: ClassesRequest): Promise<void> {
  const alone = new AbortController();
  const timer = setInterval(() => fleet.waiting && alone.abort(), ALONE_MS);
  const missing = (why: string): void =>
    observe({ type: 'warn', code: 'REPORT_NOT_WRITTEN', message: `the report has no confusion matrix: ${why}` });
  try {
    const signal = AbortSignal.any([evaluation.signal, alone.signal]);
    const told = await plane.classify({ ...evaluation, weights, signal });
    if (told !== null) return await hear({ ...at, ...told });
    if (alone.signal.aborted) missing('no worker is left to compute it');
  } catch (error) {
    missing(errorMessage(error));
  } finally {
    clearInterval(timer);
  }
}
