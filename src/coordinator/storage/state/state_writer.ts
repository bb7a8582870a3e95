/**
 * Owns: writing states beside training: copy now, write while the next steps run, one at a time, the newest waiting one wins.
 * Does not: decide when a state is due (state_due.ts) or what is in it (state_file.ts).
 */
import { StorageError } from '../../../common/errors.js';
import type { FileSystem } from '../files/file_system.js';
import type { RunState } from './state_schema.js';
import { pruneStates, writeState } from './state_file.js';
import { storageError } from '../files/storage_error.js';

export interface WrittenState {
  path: string;
  epoch: number;
  step: number;
  bytes: number;
  /** Time that training stood still for the copy. */
  snapshotMs: number;
  /** Time until the file was on the disk, beside training. */
  ms: number;
}

export interface StateWriterOptions {
  /** `runs/mnist-001/state`. */
  folder: string;
  fileSystem: FileSystem;
  keep: number;
  /** Names of states that are kept besides, now. */
  keepBesides?: () => readonly string[];
  /** Names that a resume could not use: they take no state's place. */
  passedOver?: ReadonlySet<string>;
  /** Called before a state gets its name: the metrics it counts on must be on the disk, and the run folder still ours. */
  beforePublish: () => Promise<void>;
  onWritten: (written: WrittenState) => void;
  /** A write, or the removal of an old state, failed. The states before it are intact. */
  onFailed: (error: StorageError) => void;
  /** Monotonic milliseconds. */
  now: () => number;
}

export interface StateWriter {
  /** Copies the state and returns; the file is written beside. A copy still waiting for an earlier write is replaced. */
  offer(state: RunState): void;
  /** Resolves when everything offered is on the disk or has failed. Never rejects for a file system's error: look at `failure`. */
  flush(): Promise<void>;
  /** Why the newest state is not on the disk; null when it is. */
  readonly failure: StorageError | null;
}

export function createStateWriter(options: StateWriterOptions): StateWriter {
  const { now } = options;
  let waiting: { state: RunState; snapshotMs: number } | null = null;
  let writing: Promise<void> | null = null;
  let failure: StorageError | null = null;
  let bug: unknown = null;

  const writeAllWaiting = async () => {
    while (waiting !== null) {
      const { state, snapshotMs } = waiting;
      waiting = null;
      failure = await writeOne(state, snapshotMs, options);
    }
  };

  return {
    offer(state) {
      const started = now();
      const copy = copyOf(state);
      waiting = { state: copy, snapshotMs: now() - started };
      writing ??= writeAllWaiting()
        .catch((error: unknown) => {
          bug = error;
        })
        .finally(() => {
          writing = null;
        });
    },
    async flush() {
      while (writing !== null) await writing;
      if (bug !== null) throw bug;
    },
    get failure() {
      return failure;
    },
  };
}

async function writeOne(state: RunState, snapshotMs: number, options: StateWriterOptions): Promise<StorageError | null> {
  const { folder, fileSystem, keep, keepBesides = () => [], passedOver, beforePublish, onWritten, onFailed, now } = options;
  const { step, stepInEpoch } = state.progress;
  // Between two epochs the progress names the next one; people mean the one that ended.
  const epoch = Math.max(1, stepInEpoch === 0 ? state.progress.epoch - 1 : state.progress.epoch);
  const started = now();
  const report = (error: unknown, doing: string, stands: string): StorageError => {
    const explained = error instanceof StorageError ? error : storageError(error, doing, stands);
    if (!(explained instanceof StorageError)) throw explained;
    onFailed(explained);
    return explained;
  };
  try {
    const { path, bytes } = await writeState(state, { folder, fileSystem, beforeRename: beforePublish });
    onWritten({ path, epoch, step, bytes, snapshotMs, ms: now() - started });
  } catch (error) {
    return report(error, `write the state of epoch ${epoch}, step ${step} to ${folder}`, 'the states written before are intact');
  }
  try {
    await pruneStates({ folder, fileSystem }, keep, { besides: keepBesides(), passedOver });
  } catch (error) {
    report(error, `remove old states from ${folder}`, 'the newest state is safe, only space is lost');
  }
  return null;
}

function copyOf(state: RunState): RunState {
  const optimizerSlots = state.optimizerSlots.map(({ name, values }) => ({ name, values: values.slice() }));
  return { ...state, parameters: state.parameters.slice(), optimizerSlots, progress: structuredClone(state.progress) };
}
