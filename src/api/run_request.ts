/**
 * Owns: what every run is asked with, on one machine (train.ts) or many (coordinate.ts).
 * Does not: say where the replicas are.
 */
import type { RunObserver } from '../common/run_events.js';
import type { SettingChange } from '../common/setting_change.js';
import type { StopRequest } from '../common/stop_request.js';
import type { TrainConfig } from '../common/train_config.js';

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
  /** Lines about what takes long before the first step: fetching TensorFlow or data. */
  readonly say: (line: string) => void;
  /** Called when replicas are there and the first step begins. */
  readonly onFirstStep?: () => void;
}
