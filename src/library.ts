/**
 * Owns: the library call `train({ model, data, ... })`: a user's own model and arrays in, the trained tf.LayersModel out.
 * Does not: train (train.ts, the next hop), or read configuration files, flags or the environment.
 */
import type * as tfjs from '@tensorflow/tfjs';
import { checkConfig } from './common/config_checks.js';
import type { EndEvent, EpochEvent, RunEvent, RunObserver } from './common/run_events.js';
import type { StopRequest } from './common/stop_request.js';
import { DEFAULT_TRAIN_CONFIG, type OptimizerConfig, type ScheduleConfig, type TrainConfig } from './common/train_config.js';
import { datasetFromArrays, type ArraysSource } from './data/arrays.js';
import { buildModel, resolveModelSource } from './models/load.js';
import type { ModelSource } from './models/model_source.js';
import { trainLocally } from './train.js';

/** tfjs's names; accuracies are fractions. `acc` and `val_acc` are absent for mean squared error. */
export interface EpochLogs {
  readonly loss: number;
  readonly acc?: number;
  readonly val_loss: number;
  readonly val_acc?: number;
}

/** In tfjs's shapes: epochs and batches count from 0. A promise that is returned is awaited before `train` resolves; a rejection stops the run. */
export interface TrainCallbacks {
  onTrainBegin?(): void | Promise<void>;
  onEpochEnd?(epoch: number, logs: EpochLogs): void | Promise<void>;
  onBatchEnd?(batch: number, logs: { readonly loss: number; readonly size: number }): void | Promise<void>;
  onTrainEnd?(): void | Promise<void>;
}

type NumericOptions = Partial<
  Pick<
    TrainConfig,
    | 'loss'
    | 'epochs'
    | 'maxSteps'
    | 'batch'
    | 'shards'
    | 'seed'
    | 'trainLimit'
    | 'validationLimit'
    | 'workers'
    | 'gpus'
    | 'threadsPerWorker'
    | 'precision'
    | 'compile'
    | 'runDir'
    | 'name'
    | 'saveAbove'
    | 'keep'
    | 'checkpointEvery'
    | 'onCheckpointFailure'
    | 'dataDir'
  >
>;

export interface TrainOptions extends NumericOptions {
  /** A tf.LayersModel (its weights are the initial ones, and it is trained in place), `gluon_cnn`, or a path to model.json or model.mjs. */
  readonly model: tfjs.LayersModel | string;
  /** Your arrays, `mnist`, `synthetic`, `idx` (with `dataDir`), or a path to data.mjs. */
  readonly data: ArraysSource | string;
  readonly learningRate?: number;
  readonly optimizer?: Partial<Omit<OptimizerConfig, 'schedule'>> & { readonly schedule?: Partial<ScheduleConfig> };
  /** TensorFlow's names, one replica on each: `['GPU:0', 'GPU:1']`. Overrides `gpus` and `workers`. */
  readonly devices?: readonly string[];
  readonly callbacks?: TrainCallbacks;
  /** Aborted: the step in flight is finished, a state is written, and `train` resolves with `end.reason` `interrupted`. */
  readonly signal?: AbortSignal;
  /** Everything that the run tells, as data. */
  readonly observer?: RunObserver;
  /** Hears lines about what takes long before the first step (fetching TensorFlow). Default: none. */
  readonly onProgress?: (line: string) => void;
}

export interface TrainedRun {
  /** With the final weights. The model that was passed, or a new one on tfjs's current backend. */
  readonly model: tfjs.LayersModel;
  readonly history: readonly EpochLogs[];
  /** Best validation; null where no epoch ended. */
  readonly best: EndEvent['best'];
  /** Over final weights, moving statistics and optimizer slots (docs/reproducibility.md). */
  readonly weightsSha256: string;
  readonly end: EndEvent;
  readonly runFolder: string;
}

/**
 * Trains data-parallel on this machine and resolves when the run has ended.
 * Errors: any ExpectedError of common/errors.ts, with `code` and `next`.
 */
export async function train(options: TrainOptions): Promise<TrainedRun> {
  const tf = (await import('@tensorflow/tfjs')) as typeof tfjs;
  const config = configOf(options);
  const source = typeof options.model === 'string' ? await resolveModelSource(options.model) : sourceOf(options.model);
  const dataset = typeof options.data === 'string' ? undefined : await datasetFromArrays(options.data);
  const stop = stopOn(options.signal);
  const calls = new CallbackRunner(options.callbacks ?? {}, config, stop.abort);
  const outcome = await trainLocally({
    config,
    provenance: {},
    configName: typeof options.model === 'string' ? 'run' : options.model.name,
    resume: null,
    initFrom: null,
    numericsCheck: 'strict',
    observer: (event) => {
      options.observer?.(event);
      calls.observe(event);
    },
    stop: stop.request,
    say: options.onProgress ?? (() => undefined),
    model: source,
    ...(dataset && { dataset }),
    ...(options.devices && { devices: options.devices }),
  });
  await calls.settled();
  const model = typeof options.model === 'string' ? await buildModel(tf, source, config.seed) : options.model;
  setWeights(tf, model, outcome.weights);
  const { end, runFolder } = outcome;
  return { model, history: calls.history, best: end.best, weightsSha256: end.weightsSha256, end, runFolder };
}

function configOf(options: TrainOptions): TrainConfig {
  const given = Object.fromEntries(
    Object.entries(options).filter(([key, value]) => value !== undefined && key in DEFAULT_TRAIN_CONFIG && key !== 'optimizer'),
  );
  const { schedule, ...optimizer } = options.optimizer ?? {};
  const defaults = DEFAULT_TRAIN_CONFIG.optimizer;
  const config: TrainConfig = {
    ...DEFAULT_TRAIN_CONFIG,
    ...given,
    model: typeof options.model === 'string' ? options.model : options.model.name,
    data: typeof options.data === 'string' ? options.data : (options.data.name ?? 'arrays'),
    optimizer: { ...defaults, ...optimizer, schedule: { ...defaults.schedule, ...schedule } },
  };
  if (options.learningRate !== undefined) config.optimizer.learningRate = options.learningRate;
  checkConfig(config, {});
  return config;
}

function sourceOf(model: tfjs.LayersModel): ModelSource {
  const values = model.getWeights().map((weight) => weight.dataSync() as Float32Array);
  const weights = new Float32Array(values.reduce((sum, value) => sum + value.length, 0));
  let offset = 0;
  for (const value of values) {
    weights.set(value, offset);
    offset += value.length;
  }
  return { kind: 'topology', name: model.name, topology: JSON.stringify(model.toJSON(null, false)), weights };
}

function setWeights(tf: typeof tfjs, model: tfjs.LayersModel, values: Float32Array): void {
  tf.tidy(() => {
    let offset = 0;
    const tensors = model.weights.map(({ shape }) => {
      const size = shape.reduce<number>((a, b) => a * (b ?? 1), 1);
      offset += size;
      return tf.tensor(values.slice(offset - size, offset), shape as number[], 'float32');
    });
    model.setWeights(tensors);
  });
}

function stopOn(signal: AbortSignal | undefined): { request: StopRequest; abort: () => void } {
  const asked = new AbortController();
  signal?.addEventListener('abort', () => asked.abort(), { once: true });
  if (signal?.aborted) asked.abort();
  return {
    request: {
      get reason() {
        return asked.signal.aborted ? 'interrupted' : null;
      },
      asked: asked.signal,
      hurry: new AbortController().signal,
    },
    abort: () => asked.abort(),
  };
}

/** Turns run events into tfjs's callbacks, one after the other. */
class CallbackRunner {
  readonly history: EpochLogs[] = [];
  private tail: Promise<void> = Promise.resolve();
  private failure: { error: unknown } | null = null;

  constructor(
    private readonly callbacks: TrainCallbacks,
    private readonly config: TrainConfig,
    private readonly abort: () => void,
  ) {}

  observe(event: RunEvent): void {
    const { callbacks } = this;
    if (event.type === 'start') this.call(() => callbacks.onTrainBegin?.());
    if (event.type === 'step') {
      const { stepInEpoch, loss } = event;
      this.call(() => callbacks.onBatchEnd?.(stepInEpoch - 1, { loss, size: this.config.batch }));
    }
    if (event.type === 'epoch') {
      const logs = this.logsOf(event);
      this.history.push(logs);
      this.call(() => callbacks.onEpochEnd?.(event.epoch - 1, logs));
    }
    if (event.type === 'end') this.call(() => callbacks.onTrainEnd?.());
  }

  /** @throws what the first failing callback threw */
  async settled(): Promise<void> {
    await this.tail;
    if (this.failure) throw this.failure.error;
  }

  private logsOf({ loss, acc, valLoss, valAcc }: EpochEvent): EpochLogs {
    const isRegression = this.config.loss === 'mean_squared_error';
    return { loss, val_loss: valLoss, ...(!isRegression && { acc, val_acc: valAcc }) };
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
