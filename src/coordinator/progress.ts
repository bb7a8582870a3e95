/**
 * Owns: where a run stands: steps, epoch, the epoch's totals, the best value.
 * Does not: know a weight (planes), or a metric (objective/values.ts closes sums by their description).
 */
import type { Monitor, ObjectiveDescription, ShardSums } from '../common/objective.js';
import { addBatch, isBetter, noTotals, type Totals } from '../objective/values.js';
import type { StreamMark } from './batch_stream.js';
import type { Progress, Watch } from './storage/state/state_schema.js';

export class RunProgress {
  /** After the last commit. Replaced, never changed. */
  now: Progress;

  constructor(
    private readonly objective: ObjectiveDescription,
    saved: Progress | null = null,
  ) {
    this.now = saved ?? {
      step: 0,
      epoch: 1,
      stepInEpoch: 0,
      nextExample: 0,
      totals: writable(noTotals(objective)),
      best: null,
    };
  }

  /** The beginning of a run of a model that a program trained before: nothing of the epoch is done. */
  static at(
    objective: ObjectiveDescription,
    { step, epoch, orderOffset }: Pick<Progress, 'step' | 'epoch'> & { orderOffset: number },
  ): RunProgress {
    const { now } = new RunProgress(objective);
    return new RunProgress(objective, { ...now, step, epoch, ...(orderOffset > 0 && { orderOffset }) });
  }

  /** One step more, and the epoch's totals with it. */
  commit(batch: ShardSums, { stream = null, rate = null }: { stream?: StreamMark | null; rate?: number | null } = {}): void {
    const { now } = this;
    const { rate: _before, ...kept } = now;
    this.now = {
      ...kept,
      step: now.step + 1,
      stepInEpoch: now.stepInEpoch + 1,
      nextExample: now.nextExample + batch.examples,
      totals: writable(addBatch(this.objective, now.totals, [batch])),
      ...(stream !== null && { stream }),
      ...(rate !== null && { rate: { epoch: now.epoch, base: rate } }),
    };
  }

  /** Ends the epoch in progress. Returns whether the value is the best so far; NaN never is. */
  endEpoch(monitor: Monitor, value: number, watch: Watch, mark: StreamMark | null = null): boolean {
    const { step, epoch, best, orderOffset, stream = null, rate } = this.now;
    const last = mark ?? stream;
    const isBest = Number.isFinite(value) && (best?.monitor !== monitor.name || isBetter(monitor, value, best.value));
    this.now = {
      step,
      epoch: epoch + 1,
      stepInEpoch: 0,
      nextExample: 0,
      totals: writable(noTotals(this.objective)),
      best: isBest ? { epoch, monitor: monitor.name, value } : best,
      ...(orderOffset !== undefined && { orderOffset }),
      ...(Object.keys(watch).length > 0 && { watch }),
      ...(rate !== undefined && { rate }),
      ...(last !== null && { stream: last }),
    };
    return isBest;
  }
}

function writable({ examples, loss, metrics }: Totals): Progress['totals'] {
  return { examples, loss, metrics: [...metrics] };
}
