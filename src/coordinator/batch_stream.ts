/** Batches that come one after the other, in the order and the sizes that their source gives; how many an epoch has shows at its end. */
import type { StepOutcome } from './planes/plane.js';
import type { Progress } from './storage/state/state_schema.js';

export interface BatchStream {
  /** Puts the next batch of the epoch where replicas read rows; its number of examples, or null at the epoch's end. */
  next(): Promise<number | null>;
  /** Goes to where the run stands, before anything else is asked. Absent where a run always begins at its beginning. */
  begin?(progress: Progress): Promise<void>;
  /** Whether the epoch has no further batch, where that can be told beforehand. */
  isAtEnd?(): Promise<boolean>;
  /** Batches of an epoch, as far as that is known. */
  readonly batchesPerEpoch: number | null;
  /** What was read up to the batch that next() gave, by which a replay is compared; null where none is possible. */
  readonly mark: StreamMark | null;
}

export type StreamMark = NonNullable<Progress['stream']>;

/** The step with the time that it waited for its batch: data, as that for rows which are read. */
export function withWait(outcome: StepOutcome, waitedMs: number): StepOutcome {
  if (outcome.kind === 'non_finite') return outcome;
  const { ms, phasesMs, replicaTimes } = outcome;
  const later = replicaTimes.map((time) => ({ ...time, startMs: time.startMs + waitedMs, endMs: time.endMs + waitedMs }));
  return { ...outcome, ms: ms + waitedMs, phasesMs: { ...phasesMs, data: phasesMs.data + waitedMs }, replicaTimes: later };
}
