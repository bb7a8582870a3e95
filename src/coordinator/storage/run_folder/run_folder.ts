/**
 * Owns: a run's folder: making it without ever overwriting one, holding it alone, and what is written there besides states and models.
 * Does not: write states (state/state_writer.ts) or models (state/checkpoint.ts), or resolve configurations (src/cli).
 *
 * config.yaml · env.json · metrics.jsonl · checkpoints/ · state/ · logs/run.log · lock-000001
 */
import { basename, dirname, join } from 'node:path';
import { errorCode, errorMessage } from '../../../common/error_facts.js';
import { StorageError } from '../../../common/errors.js';
import { runRecordLine } from '../../../common/run_record.js';
import type { RunEvent } from '../../../common/run_events.js';
import { LIMITS } from '../../../common/limits.js';
import type { SettingChange } from '../../../common/setting_change.js';
import { isStepKept } from '../../../common/thinned_steps.js';
import type { TrainConfig } from '../../../common/train_config.js';
import { clearRemains, readWholeFile, writeFileAtomically } from '../files/atomic_file.js';
import { changeConfig, renderConfig } from './config_yaml.js';
import { nodeFileSystem } from '../files/file_system.js';
import type { FileSystem } from '../files/file_system.js';
import { lostModels, lostState, SavedEpochs } from './look_back.js';
import { openMetricsFile } from './metrics_file.js';
import type { MetricsFile } from './metrics_file.js';
import { acquireRunLock } from './run_lock.js';
import type { LockOptions, RunLock } from './run_lock.js';
import { readNewestState } from '../state/state_file.js';
import type { NewestState } from '../state/state_file.js';
import type { MetricsCursor } from '../state/state_schema.js';
import { storageError } from '../files/storage_error.js';
import { clearUnbegun, isUnbegun, isUnconfigured, SUBFOLDERS } from './unbegun_folder.js';

export interface RunFolder {
  /** `runs/mnist-001`. */
  readonly path: string;
  readonly stateFolder: string;
  readonly checkpointFolder: string;
  /** Starts on this run so far, this one included. */
  readonly coordinatorEpoch: number;
  /** Random, kept in the lock: another run of the same name has another. */
  readonly runId: string;
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

export interface NewRun {
  /** `runs`; made if absent. */
  parent: string;
  /** `mnist`: the run is `mnist-001`, or the next free number. */
  configName: string;
  /** `--name`: exactly this; null to number. */
  name: string | null;
  fileSystem?: FileSystem;
}

/** Makes a new run folder and takes its lock. @throws StorageError RUN_EXISTS, RUN_FOLDER_READ_ONLY, DISK_FULL, ... */
export async function createRunFolder({ parent, configName, name, fileSystem = nodeFileSystem }: NewRun): Promise<RunFolder> {
  return explained(`create a run folder in ${parent}`, async () => {
    await createFolders(parent, fileSystem);
    const path =
      name === null ? await createNumbered(parent, configName, fileSystem) : await createNamed(parent, name, fileSystem);
    const lock = await acquireRunLock({ folder: path, fileSystem });
    try {
      for (const folder of SUBFOLDERS) await createWhereAbsent(join(path, folder), fileSystem);
      await fileSystem.syncFolder(path);
      await fileSystem.syncFolder(parent);
      return await openFolder({ path, lock, fileSystem, cursor: { bytes: 0, lines: 0 }, isNew: true });
    } catch (error) {
      await discard(path, lock, fileSystem);
      throw error;
    }
  });
}

export interface ResumedRun extends NewestState {
  run: RunFolder;
  /** What is gone, changed or no file of the run's, one sentence each. */
  findings: readonly string[];
}

/**
 * Takes over the folder of an earlier start: its lock, the newest state that verifies, the metrics cut to that state. `state` is null where no state was
 * written before the run died: it then starts from its beginning. @throws StorageError RUN_NOT_FOUND, RUN_IN_USE, STATE_DAMAGED, ...
 */
export async function resumeRunFolder({
  path,
  fileSystem = nodeFileSystem,
  ...lockOptions
}: { path: string; fileSystem?: FileSystem } & Omit<LockOptions, 'folder' | 'fileSystem'>): Promise<ResumedRun> {
  return explained(`resume ${path}`, async () => {
    await requireRun(path, fileSystem);
    const findings: string[] = [];
    const states = join(path, 'state');
    const lock = await acquireRunLock({
      folder: path,
      fileSystem,
      onForeign: (message) => findings.push(message),
      lostRunId: async () => (await readNewestState({ folder: states, fileSystem }).catch(() => null))?.state?.runId,
      ...lockOptions,
    });
    try {
      const there = await fileSystem.list(path);
      for (const folder of SUBFOLDERS) {
        if (!there.includes(folder)) findings.push(`${folder}/ was gone and is made anew`);
        await createWhereAbsent(join(path, folder), fileSystem);
      }
      const cleared = (
        await Promise.all(
          [path, ...SUBFOLDERS.map((folder) => join(path, folder))].map((folder) => clearRemains(folder, fileSystem)),
        )
      ).flat();
      const newest = await readNewestState({ folder: states, fileSystem, runId: lock.runId });
      if (newest.state === null && newest.rejected.length > 0) throw noneVerifies(path, newest);
      const lost = await lostState(path, fileSystem);
      if (lost !== null) findings.push(`state/${lost}, the newest that logs/run.log knows, is gone`);
      const cursor = newest.state?.metrics ?? { bytes: 0, lines: 0 };
      const passedOver = new Set(newest.rejected.map(({ path: file }) => basename(file)));
      // What was computed before is told by nothing else any more.
      const isBereft = newest.state === null && (lost !== null || !there.includes('state'));
      const run = await openFolder({ path, lock, fileSystem, cursor, isNew: false, passedOver, isBereft, findings });
      run.log({ message: 'resumed', state: newest.path, rejected: newest.rejected, cleared, findings });
      return { run, ...newest, findings };
    } catch (error) {
      await lock.release();
      throw error;
    }
  });
}

/** Follows from configuration, data and arithmetic alone, but for times and rates. */
const COMPUTED: ReadonlySet<RunEvent['type']> = new Set(['start', 'step', 'epoch', 'end'] as const);

async function openFolder({
  path,
  lock,
  fileSystem,
  cursor,
  isNew,
  passedOver = new Set(),
  isBereft = false,
  findings = [],
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
}): Promise<RunFolder> {
  const moveAway = async (name: string, why: string): Promise<void> => {
    const aside = `${name}.before-start-${lock.coordinatorEpoch}`;
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
  if (missingBytes > 0)
    findings.push(
      `metrics.jsonl is ${missingBytes} bytes shorter than the state knew it: records of steps or epochs are missing`,
    );
  if (isChanged)
    findings.push('metrics.jsonl was changed since its state was written: reports and results.csv tell what it says now');
  if (!isNew) findings.push(...(await lostModels(path, saved.epochs, fileSystem)));
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
    closeOrDiscard: () => closeWith(() => (isNew && !begun ? discard(path, lock, fileSystem) : lock.release())),
  };
}

/** Without a word where the disk refuses: why the run did not begin is what the user has to read. */
async function discard(path: string, lock: RunLock, fileSystem: FileSystem): Promise<void> {
  try {
    await lock.requireHeld();
    if (!(await isUnbegun(path, fileSystem))) return await lock.release();
    await clearUnbegun(path, fileSystem);
    await lock.releaseAndRemoveFolder();
  } catch (error) {
    await lock.release();
    if (errorCode(error) === '') throw error;
  }
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
  return (await openMetricsFile({ path, cursor: { bytes, lines: 0 }, fileSystem })).metrics;
}

async function createFolders(path: string, fileSystem: FileSystem): Promise<void> {
  try {
    await fileSystem.createFolder(path);
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return;
    if (errorCode(error) !== 'ENOENT' || dirname(path) === path) throw error;
    await createFolders(dirname(path), fileSystem);
    await fileSystem.createFolder(path);
  }
}

async function createWhereAbsent(path: string, fileSystem: FileSystem): Promise<void> {
  await fileSystem.createFolder(path).catch((error: unknown) => {
    if (errorCode(error) !== 'EEXIST') throw error;
  });
}

async function createNamed(parent: string, name: string, fileSystem: FileSystem): Promise<string> {
  const path = join(parent, name);
  try {
    await fileSystem.createFolder(path, 'owner');
    return path;
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error;
    if (await isLeftOver(path, fileSystem)) return path;
    throw new StorageError({
      code: 'RUN_EXISTS',
      message: `${path} exists, and a run never overwrites another`,
      next: `continue it with --resume ${path}, or choose another --name`,
    });
  }
}

async function isLeftOver(path: string, fileSystem: FileSystem): Promise<boolean> {
  return isUnconfigured(path, fileSystem).catch((error: unknown) => {
    if (errorCode(error) === 'ENOTDIR') return false;
    throw error;
  });
}

async function createNumbered(parent: string, configName: string, fileSystem: FileSystem): Promise<string> {
  const taken = (await fileSystem.list(parent)).flatMap((name) => {
    const number = name.startsWith(`${configName}-`) ? name.slice(configName.length + 1) : '';
    return /^\d{3,9}$/.test(number) ? [Number(number)] : [];
  });
  for (let number = Math.max(0, ...taken) + 1; ; number++) {
    const path = join(parent, `${configName}-${String(number).padStart(3, '0')}`);
    try {
      await fileSystem.createFolder(path, 'owner');
      return path;
    } catch (error) {
      // Another run took the number since we looked.
      if (errorCode(error) !== 'EEXIST') throw error;
    }
  }
}

async function requireRun(path: string, fileSystem: FileSystem): Promise<void> {
  const fail = (what: string) =>
    new StorageError({
      code: 'RUN_NOT_FOUND',
      message: `${path} ${what}`,
      next: 'give the folder of a run, such as runs/mnist-001; ls shows those there are',
    });
  let names: string[];
  try {
    names = await fileSystem.list(path);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') throw fail('does not exist');
    if (errorCode(error) === 'ENOTDIR') throw fail('is a file, not the folder of a run');
    throw error;
  }
  if (!names.includes('config.yaml')) throw fail(`is not the folder of a run: it has no config.yaml`);
}

function tooLong(file: string): StorageError {
  return new StorageError({
    code: 'CONFIG_TOO_LONG',
    message: `${file} has more than ${LIMITS.maxConfigBytes} bytes, and no configuration needs that many`,
    next: 'Shorten the file: some program must have written into it.',
  });
}

function noneVerifies(path: string, { rejected }: NewestState): StorageError {
  const [first, ...more] = rejected.map(({ path: file, reason }) => `${basename(file)}: ${reason}`);
  const others = more.length === 0 ? '' : `, and ${more.length} more`;
  return new StorageError({
    code: 'STATE_DAMAGED',
    message: `no state in ${path} can be trusted (${first}${others})`,
    next: `check the disk; start a new run, from a saved model with --init-from ${path}/checkpoints/... if there is one`,
  });
}

async function settled(work: Promise<void>): Promise<PromiseSettledResult<void>> {
  return (await Promise.allSettled([work]))[0];
}

async function explained<T>(doing: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw storageError(error, doing);
  }
}
