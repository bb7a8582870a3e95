/**
 * Owns: a run's state on the disk: its file, which file is the newest that can be trusted, which may go.
 * Does not: know what is in it (state_content.ts), decide when to write (state_writer.ts), or whether a state fits the present model, data and machine (state_match.ts).
 *
 * `state/start-0002-step-000000300-<sha256>.safetensors`: the digest is that of the whole file. There is no pointer to the latest: the newest that verifies wins.
 */
import { basename, join } from 'node:path';
import { errorCode, errorMessage } from '../../../common/error_facts.js';
import { invariant } from '../../../common/errors.js';
import { writeFileAtomically } from '../files/atomic_file.js';
import type { AtomicFile } from '../files/atomic_file.js';
import { failPoint } from '../files/fail_point.js';
import type { FileSystem } from '../files/file_system.js';
import { DamagedFileError, verifySafetensors, type ByteSource, type SafetensorsIndex } from './safetensors.js';
import { decodeState, encodeState, requireReadable } from './state_content.js';
import type { RunState } from './state_schema.js';

export interface StateFolder {
  folder: string;
  fileSystem: FileSystem;
}

/** Writes one state; resolves when it is on the disk. The arrays must not change meanwhile. `beforeRename`: see AtomicWrite. */
export async function writeState(
  state: RunState,
  { folder, fileSystem, beforeRename }: StateFolder & { beforeRename?: () => Promise<void> },
): Promise<AtomicFile> {
  const parts = await encodeState(state);
  requireReadable(state, parts);
  const start = String(state.coordinatorEpoch).padStart(4, '0');
  const step = String(state.progress.step).padStart(9, '0');
  const name = (sha256: string) => `start-${start}-step-${step}-${sha256}.safetensors`;
  return writeFileAtomically({ folder, name, parts, point: 'state', fileSystem, beforeRename });
}

export interface RejectedState {
  path: string;
  reason: string;
}

export interface NewestState {
  state: RunState | null;
  /** Of the state; null where there is none. */
  path: string | null;
  /** Newer ones that could not be trusted, newest first. */
  rejected: RejectedState[];
}

/** The newest state that verifies, of the run of this id where one is given. An I/O error on one file rejects that file; a folder that cannot be listed throws. */
export async function readNewestState({ folder, fileSystem, runId }: StateFolder & { runId?: string }): Promise<NewestState> {
  const rejected: RejectedState[] = [];
  const names = (await fileSystem.list(folder)).filter((name) => name.endsWith('.safetensors') && !name.startsWith('.'));
  for (const name of names.filter((candidate) => parseName(candidate) === null)) {
    rejected.push({ path: join(folder, name), reason: 'its name is not one that a run gives' });
  }
  for (const name of newestFirst(names)) {
    const path = join(folder, name);
    try {
      const state = await readState(path, fileSystem);
      if (runId === undefined || state.runId === undefined || state.runId === runId) return { state, path, rejected };
      rejected.push({ path, reason: 'it is of another run' });
    } catch (error) {
      rejected.push({ path, reason: whyRejected(error) });
    }
  }
  return { state: null, path: null, rejected };
}

/** Those older than the one that was taken that cannot be trusted: nothing is resumed from them now. */
export async function damagedOlder({ folder, fileSystem }: StateFolder, { path }: NewestState): Promise<RejectedState[]> {
  if (path === null) return [];
  const names = newestFirst(await fileSystem.list(folder)).map((name) => join(folder, name));
  const damaged: RejectedState[] = [];
  for (const older of names.slice(names.indexOf(path) + 1)) {
    try {
      await readVerified(older, fileSystem, () => Promise.resolve());
    } catch (error) {
      damaged.push({ path: older, reason: whyRejected(error) });
    }
  }
  return damaged;
}

/** Reads one state file. @throws DamagedFileError with what is wrong */
export async function readState(path: string, fileSystem: FileSystem): Promise<RunState> {
  return readVerified(path, fileSystem, async (file, index) => {
    const named = parseName(basename(path));
    const state = await decodeState(file, index);
    if (named !== null && (named.step !== state.progress.step || named.start !== state.coordinatorEpoch))
      throw new DamagedFileError('its name belongs to another step');
    return state;
  });
}

/** What `read` makes of a file whose bytes are those that its name tells. @throws DamagedFileError */
async function readVerified<Read>(
  path: string,
  fileSystem: FileSystem,
  read: (file: ByteSource, index: SafetensorsIndex) => Promise<Read>,
): Promise<Read> {
  const named = parseName(basename(path));
  const file = await fileSystem.open(path, 'read_own');
  try {
    const index = await verifySafetensors(file);
    if (named !== null && index.fileSha256 !== named.sha256)
      throw new DamagedFileError(`file hashes to ${index.fileSha256.slice(0, 12)}…, its name says otherwise`);
    return await read(file, index);
  } finally {
    await file.close();
  }
}

/** An I/O error rejects a file as damage does; anything else is thrown on. */
function whyRejected(error: unknown): string {
  if (!(error instanceof DamagedFileError) && errorCode(error) === '') throw error;
  return errorMessage(error);
}

/** Deletes all but the newest `keep` states and those named `besides`; those `passedOver` count for nothing and stay. Call only after a newer one is safely on the disk. Returns the names deleted. */
export async function pruneStates(
  { folder, fileSystem }: StateFolder,
  keep: number,
  { besides = [], passedOver = new Set() }: { besides?: readonly string[]; passedOver?: ReadonlySet<string> } = {},
): Promise<string[]> {
  invariant(keep >= 1, 'at least one state is kept');
  const surplus = newestFirst(await fileSystem.list(folder))
    .filter((name) => !passedOver.has(name))
    .slice(keep)
    .filter((name) => !besides.includes(name));
  for (const name of surplus) {
    failPoint('state.delete');
    await fileSystem.removeFile(join(folder, name));
  }
  return surplus;
}

/** Renames the states after this step, so that a resume does not take them. Returns how many, and whether an older one is left. */
export async function setAsideStates(
  { folder, fileSystem }: StateFolder,
  afterStep: number,
): Promise<{ readonly setAside: number; readonly lastStep: number | null }> {
  const names = newestFirst(await fileSystem.list(folder));
  const stepOf = (name: string): number => parseName(name)?.step ?? 0;
  const suspect = names.filter((name) => stepOf(name) > afterStep);
  for (const name of suspect) await fileSystem.rename(join(folder, name), join(folder, `${name}.suspect`));
  await fileSystem.syncFolder(folder);
  const left = names.filter((name) => !suspect.includes(name)).map(stepOf);
  return { setAside: suspect.length, lastStep: left.length === 0 ? null : Math.max(...left) };
}

const STATE_NAME = /^start-(\d{4,9})-step-(\d{9,15})-([0-9a-f]{64})\.safetensors$/;

function parseName(name: string): { start: number; step: number; sha256: string } | null {
  const match = STATE_NAME.exec(name);
  return match === null ? null : { start: Number(match[1]), step: Number(match[2]), sha256: match[3] };
}

/** By start before step: what a later start wrote belongs to the metrics file as it is now. */
function newestFirst(names: readonly string[]): string[] {
  const parsed = names.flatMap((name) => {
    const key = parseName(name);
    return key === null ? [] : [{ name, ...key }];
  });
  return parsed.sort((a, b) => b.start - a.start || b.step - a.step || (a.name < b.name ? 1 : -1)).map(({ name }) => name);
}
