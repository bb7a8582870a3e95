/**
 * Owns: what a run is asked with, on one machine (train.ts) or many (coordinate.ts).
 */
import type { ModelDescription } from '../common/replica.js';
import type { BatchStream } from '../coordinator/batch_stream.js';
import type { Beginning } from '../coordinator/beginning.js';
import type { OpenedReplicas, ReplicaRequest } from './replicas.js';
import type { MakeHooks } from '../coordinator/run_hooks.js';
import type { Dataset } from '../common/dataset.js';
import type { SequenceReaders } from '../data/sequence/sequence_dataset.js';
import type { Endpoint } from '../common/endpoint.js';
import type { RunObserver } from '../common/run_events.js';
import type { SettingChange } from '../common/setting_change.js';
import type { StopRequest } from '../common/stop_request.js';
import type { ModelWork } from '../common/thread_count.js';
import type { TrainConfig } from '../common/train_config.js';
import type { ModelSource } from '../models/model_source.js';
import type { LinkTimes } from '../transport/link_life.js';
import type { TokenSource } from '../transport/token.js';

export interface RunRequest {
  readonly config: TrainConfig;
  /** Dotted snake_case path → where the value came from. */
  readonly provenance: Readonly<Record<string, string>>;
  /** Settings that somebody named, in a file, a flag, a variable or an option, with where; the others give way to a compiled model's. Absent: none. */
  readonly given?: Readonly<Record<string, string>>;
  /** Runs without a name are called `<configName>-001`, …: the configuration's name, or that of the model or data given without one. */
  readonly configName: string;
  /** Folder of the run to continue. */
  readonly resume: string | null;
  /** Of a resume: the run's settings that this call changes, which the run keeps; empty for a new run. */
  readonly changes: readonly SettingChange[];
  /** Of a resume: max_steps is what the call that began the run was told. Once reached, it no longer counts. */
  readonly maxStepsRecorded: boolean;
  /** Run folder's checkpoint or model.json to take the first weights from. */
  readonly initFrom: string | null;
  readonly numericsCheck: 'strict' | 'relaxed';
  readonly observer: RunObserver;
  readonly stop: StopRequest;
  /** Lines about what takes long before the first step: fetching TensorFlow or data; of a download with the share of it that has come. */
  readonly say: (line: string, share?: number) => void;
  /** What is under way from now on, before the first step: a few words for a line that is drawn in place. */
  readonly onWait?: (what: string) => void;
  /** Called when replicas are there and the first step begins. */
  readonly onFirstStep?: () => void;
}

export interface RunRequestWithParts extends RunRequest {
  /** The library's callers bring their own; the command line names them in the configuration. */
  readonly model?: ModelSource;
  readonly dataset?: Dataset;
  /** Of a data set whose examples come one after the other, which a caller holds. */
  readonly sequences?: SequenceReaders;
  /** The changes of a resume are those of its configuration against the run's state. */
  readonly changesFromState?: boolean;
  /** Nothing is written anywhere: neither resumed nor resumable. */
  readonly inMemory?: boolean;
  /** Where a new run begins, given the model as its crew has it. */
  readonly begin?: (model: ModelDescription) => Beginning | null;
  /** What may change the run while it goes on. */
  readonly hooks?: MakeHooks;
  /** Batches that come one after the other, into the training split of `dataset`. */
  readonly stream?: BatchStream;
  /** Those that are validated on, into its validation split. */
  readonly validationStream?: BatchStream;
}

export interface TrainingRequest extends RunRequestWithParts {
  /** TensorFlow's device names, one replica each; overrides `config.gpus` and `config.workers`. */
  readonly devices?: readonly string[];
  /** What the model computes, where the caller holds it. */
  readonly work?: ModelWork;
  /** Replicas that the caller keeps and closes; by default they are opened for this run. */
  readonly replicas?: (request: ReplicaRequest) => Promise<OpenedReplicas>;
}

export interface CoordinationRequest extends RunRequest {
  readonly listen: Endpoint;
  readonly token: TokenSource;
  /** Files of PEM, as the command line names them. */
  readonly encryption:
    | { kind: 'none' }
    | { kind: 'psk' }
    | { kind: 'certificate'; certificate: string; key: string }
    | { kind: 'trusted_certificate'; authority: string };
  readonly minWorkers: number;
  readonly joinTimeoutMs: number | null;
  /** A side that sends no byte for this long counts as gone, ms. */
  readonly silenceMs: number;
  /** For tests; by default those that follow from the silence. */
  readonly times?: LinkTimes;
}
