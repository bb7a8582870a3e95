/**
 * Owns: a run's open folder: what is written there besides states and models, and closing it.
 * Does not: make one (new_run_folder.ts), take one over (resumed_run_folder.ts), write states (state/state_writer.ts) or models (state/checkpoint.ts), or
 * resolve configurations (src/cli).
 *
 * config.yaml · env.json · metrics.jsonl · checkpoints/ · state/ · logs/run.log · lock-000001
 */
import { join } from 'node:path';
import { errorCode, errorMessage } from '../../../common/error_facts.js';
import { StorageError } from '../../../common/errors.js';
import { runRecordLine } from '../../../common/run_record.js';
import type { RunEvent } from '../../../common/run_events.js';
import { LIMITS } from '../../../common/limits.js';
import type { SettingChange } from '../../../common/setting_change.js';
import { isStepKept } from '../../../common/thinned_steps.js';
import type { TrainConfig } from '../../../common/train_config.js';
import { readWholeFile, writeFileAtomically } from '../files/atomic_file.js';
import { changeConfig, renderConfig } from './config_yaml.js';
import type { FileSystem } from '../files/file_system.js';
import { openMetricsFile } from './metrics_file.js';
import type { MetricsFile } from './metrics_file.js';
import type { RunLock } from './run_lock.js';
import { lostModels, SavedEpochs } from './saved_models.js';
import type { MetricsCursor } from '../state/state_schema.js';
import { explained, storageError } from '../files/storage_error.js';
import { discardUnbegun } from './unbegun_folder.js';

export interface RunFolder {
  /** `runs/mnist-001`. */
  readonly path: string;
  readonly stateFolder: string;
  readonly checkpointFolder: string;
  /** Starts on this run so far, this one included. */
  readonly coordinatorEpoch: number;
  /** Random, kept in the lock: another run of the same name has another. */
  readonly runId: string;
  /** The epoch of the best value, where a version that kept no best model saw it; null for none. */
  readonly unkeptBest: number | null;
  /** Names in the state folder that a resume could not use: they count for nothing. */
  readonly passedOver: ReadonlySet<string>;
  readonly fileSystem: FileSystem;
  /** Writes the config.yaml of a new run. @throws StorageError */
  writeConfig(config: TrainConfig, provenance: Readonly<Record<string, string>>): Promise<void>;
  /** Changes config.yaml as a resume was told, so that the run keeps it; `step`: the last one without the changes. @throws StorageError */
  keepChanges(changes: readonly SettingChange[], at: { step: number }): Promise<void>;
  /** Writes env.json: machine, versions, environment variables that matter. @throws StorageError */
  writeEnvironment(environment: Readonly<Record<string, unknown>>): Promise<void>;
  /**
   * What the run computed (`start`, `step`, `epoch`, `end`) goes to metrics.jsonl; what happened to its process (checkpoints, joins, losses, warnings, each
   * start) to logs/run.log. So the metrics of a run that was killed and resumed are those of one that nobody disturbed.
   */
  record(event: RunEvent): void;
  /** Appends a line of JSON with the time to logs/run.log. */
  log(entry: Readonly<Record<string, unknown>>): void;
  /** Resolves when who reads logs/run.log finds all that was told it, or its disk refuses. */
  flushLog(): Promise<void>;
  metricsCursor(): MetricsCursor;
  /** For StateWriter.beforePublish: the metrics are on the disk and the folder is still ours. @throws StorageError */
  readyToPublish(): Promise<void>;
  /** Closes files and lets go of the lock. Idempotent. */
  close(): Promise<void>;
  /** Closes; a folder that this process made goes where no run has begun (`start`) and nothing else is in it: its name is free again. */
  closeOrDiscard(): Promise<void>;
}

/** Follows from configuration, data and arithmetic alone, but for times and rates. */
const COMPUTED: ReadonlySet<RunEvent['type']> = new Set(['start', 'step', 'epoch', 'end'] as const);

/** What stands in the way of a run's own is kept under this name. */
export function asideName(name: string, { coordinatorEpoch }: Pick<RunLock, 'coordinatorEpoch'>): string {
  return `${name}.before-start-${coordinatorEpoch}`;
}

export async function openRunFolder({
  path,
  lock,
  fileSystem,
  cursor,
  isNew,
  passedOver = new Set(),
  isBereft = false,
  findings = [],
  bestEpoch = null,
  unkeptBest = null,
  hadEnded = false,
}: {
  path: string;
  lock: RunLock;
  fileSystem: FileSystem;
  cursor: MetricsCursor;
  isNew: boolean;
  passedOver?: ReadonlySet<string>;
  /** All states are gone: the metrics are kept under another name. */
  isBereft?: boolean;
  findings?: string[];
  /** Whose model was kept as the best. */
  bestEpoch?: number | null;
  unkeptBest?: number | null;
  /** An earlier start saved the last model. */
  hadEnded?: boolean;
}): Promise<RunFolder> {
  const moveAway = async (name: string, why: string): Promise<void> => {
    const aside = asideName(name, lock);
    await fileSystem.rename(join(path, name), join(path, aside));
    findings.push(`${name} ${why}, and is ${aside} now`);
  };
  const saved = new SavedEpochs();
  const metricsPath = join(path, 'metrics.jsonl');
  if (isBereft && (await fileSystem.list(path)).includes('metrics.jsonl'))
    await moveAway('metrics.jsonl', 'tells of steps whose states are all gone');
  const openMetrics = () => openMetricsFile({ path: metricsPath, cursor, fileSystem, onLine: (line) => saved.see(line) });
  const { metrics, cutBytes, missingBytes, isChanged } = await withoutForeign(openMetrics, (why) =>
    moveAway('metrics.jsonl', why),
  );
  const logFile = join('logs', 'run.log');
  const log = await withoutForeign(
    () => openLog(join(path, logFile), fileSystem),
    (why) => moveAway(logFile, why),
  );
  if (!isNew && cursor.bytes > 0 && log.cursor().bytes === 0)
    findings.push(`${logFile} is gone or empty: what happened to earlier starts is not known`);
  if (missingBytes > 0)
    findings.push(
      `metrics.jsonl is ${missingBytes} bytes shorter than the state knew it: records of steps or epochs are missing`,
    );
  if (isChanged)
    findings.push('metrics.jsonl was changed since its state was written: reports and results.csv tell what it says now');
  if (!isNew) findings.push(...(await lostModels(path, { epochs: saved.epochs, bestEpoch, hadEnded }, fileSystem)));
  const isResumed = cursor.lines > 0;
  let begun = false;
  let closed = false;
  const write = (entry: Readonly<Record<string, unknown>>) =>
    log.append(`${JSON.stringify({ time: new Date().toISOString(), ...entry })}\n`);
  if (cutBytes > 0) write({ message: 'metrics cut to the state; these lines are made again', bytes: cutBytes });
  const writeFile = (name: string, text: string) =>
    explained(`write ${join(path, name)}`, () =>
      writeFileAtomically({ folder: path, name: () => name, parts: [Buffer.from(text)], point: 'file', fileSystem }),
    );
  const closeWith = async (letGo: () => Promise<void>): Promise<void> => {
    if (closed) return;
    closed = true;
    // Each of them whatever becomes of the others: a disk that fails must not keep the lock from the next start.
    const outcomes = [await settled(metrics.close()), await settled(log.close()), await settled(letGo())];
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw storageError(outcome.reason, `close ${path}`);
  };
  return {
    path,
    stateFolder: join(path, 'state'),
    checkpointFolder: join(path, 'checkpoints'),
    coordinatorEpoch: lock.coordinatorEpoch,
    runId: lock.runId,
    unkeptBest,
    passedOver,
    fileSystem,
    async writeConfig(config, provenance) {
      await writeFile('config.yaml', renderConfig(config, provenance));
    },
    async keepChanges(changes, { step }) {
      if (changes.length === 0) return;
      const file = join(path, 'config.yaml');
      const bytes = await explained(`read ${file}`, () => readWholeFile(file, LIMITS.maxConfigBytes, fileSystem));
      if (bytes === null) throw tooLong(file);
      await writeFile('config.yaml', changeConfig(Buffer.from(bytes).toString(), { changes, step }));
      write({ message: 'settings changed', step, changes });
    },
    async writeEnvironment(environment) {
      await writeFile('env.json', `${JSON.stringify(environment, null, 2)}\n`);
    },
    record(event) {
      begun ||= event.type === 'start';
      if (event.type !== 'step' && event.type !== 'epoch') write({ ...event });
      if (event.type === 'step' && !isStepKept(event)) return;
      if (COMPUTED.has(event.type) && (event.type !== 'start' || !isResumed)) metrics.append(runRecordLine(event));
    },
    log: write,
    async flushLog() {
      await settled(log.sync());
    },
    metricsCursor: () => metrics.cursor(),
    async readyToPublish() {
      await metrics.sync();
      await explained(`look after ${path}`, () => lock.requireHeld());
    },
    close: () => closeWith(() => lock.release()),
    closeOrDiscard: () => closeWith(() => (isNew && !begun ? discardUnbegun(path, lock, fileSystem) : lock.release())),
  };
}

/** Opens a file that the run writes; what is no file, in its place, is moved away first. */
async function withoutForeign<T>(open: () => Promise<T>, moveAway: (why: string) => Promise<void>): Promise<T> {
  try {
    return await open();
  } catch (error) {
    if (errorCode(error) !== 'ENOTFILE') throw error;
    await moveAway(errorMessage(error).replace(/^.* (is no file but )/, '$1'));
    return open();
  }
}

/** The log is an append-only file like the metrics, but what an earlier start wrote stays. */
async function openLog(path: string, fileSystem: FileSystem): Promise<MetricsFile> {
  const probe = await fileSystem.open(path, 'update');
  const bytes = await probe.size();
  await probe.close();
  return (await openMetricsFile({ path, cursor: { bytes, lines: 0 }, fileSystem, unread: true })).metrics;
}

function tooLong(file: string): StorageError {
  return new StorageError({
    code: 'CONFIG_TOO_LONG',
    message: `${file} has more than ${LIMITS.maxConfigBytes} bytes, and no configuration needs that many`,
    next: 'Shorten the file: some program must have written into it.',
  });
}

async function settled(work: Promise<void>): Promise<PromiseSettledResult<void>> {
  return (await Promise.allSettled([work]))[0];
}
