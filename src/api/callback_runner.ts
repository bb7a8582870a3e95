/**
 * Owns: tfjs's callbacks of the library call, made from run events.
 * Does not: hold the run up: a slow callback delays those after it, not the training.
 */
import type { EpochEvent, RunEvent } from '../common/run_events.js';
import type { TrainConfig } from '../common/train_config.js';

/** tfjs's names, `val_` before those over the validation set; accuracies are fractions and absent where there is none. */
export interface EpochLogs {
  readonly loss: number;
  readonly val_loss: number;
  readonly acc?: number;
  readonly val_acc?: number;
  readonly [metric: string]: number | undefined;
}

export interface BatchLogs {
  readonly batch: number;
  /** Examples in it: the last one of an epoch may have fewer. */
  readonly size: number;
  readonly loss: number;
}

/** In tfjs's shapes: epochs and batches count from 0. They are called one after the other, a promise that is returned is awaited before the next call;
 * training goes on meanwhile. What one throws or rejects with stops the run after the step in flight, and `train` rejects with it. */
export interface TrainCallbacks {
  onTrainBegin?(): void | Promise<void>;
  onEpochEnd?(epoch: number, logs: EpochLogs): void | Promise<void>;
  onBatchEnd?(batch: number, logs: BatchLogs): void | Promise<void>;
  onTrainEnd?(): void | Promise<void>;
}

/** Turns run events into tfjs's callbacks, one after the other. */
export class CallbackRunner {
  readonly history: EpochLogs[] = [];
  private tail: Promise<void> = Promise.resolve();
  private failure: { error: unknown } | null = null;
  private examples = 0;

  constructor(
    private readonly callbacks: TrainCallbacks,
    private readonly config: TrainConfig,
    private readonly abort: () => void,
  ) {}

  observe(event: RunEvent): void {
    const { callbacks } = this;
    if (event.type === 'start') {
      this.examples = event.dataset.train;
      this.call(() => callbacks.onTrainBegin?.());
    }
    if (event.type === 'step') {
      const { stepInEpoch, loss } = event;
      const batch = stepInEpoch - 1;
      const size = Math.min(this.config.batch, this.examples - batch * this.config.batch);
      this.call(() => callbacks.onBatchEnd?.(batch, { batch, size, loss }));
    }
    if (event.type === 'epoch') {
      const logs = event.values as EpochLogs & EpochEvent['values'];
      this.history.push(logs);
      this.call(() => callbacks.onEpochEnd?.(event.epoch - 1, logs));
    }
    const failed = event.type === 'end' && (event.reason === 'diverged' || event.reason === 'failed');
    if (event.type === 'end' && !failed) this.call(() => callbacks.onTrainEnd?.());
  }

  /** @throws what the first failing callback threw */
  async settled(): Promise<void> {
    await this.tail;
    if (this.failure) throw this.failure.error;
  }

  private call(callback: () => void | Promise<void>): void {
    this.tail = this.tail
      .then(() => (this.failure ? undefined : callback()))
      .catch((error: unknown) => {
        this.failure ??= { error };
        this.abort();
      });
  }
}
