/**
 * Owns: what a resume finds gone of the states that the run once wrote: the newest that its log knows; and what becomes of a subfolder that is none.
 * Does not: repair anything, read states (state_file.ts), or look at saved models (saved_models.ts).
 */
import { join } from 'node:path';
import { errorCode } from '../../../common/error_facts.js';
import { readAll } from '../files/atomic_file.js';
import type { FileSystem } from '../files/file_system.js';

/** Of the end of the log: its last state is in it, wherever a run writes some. */
const LOG_BYTES = 2 ** 20;

/** The newest state that logs/run.log tells of, if its file is in the folder no more. */
export async function lostState(run: string, fileSystem: FileSystem): Promise<string | null> {
  const states = new Set(await fileSystem.list(join(run, 'state')));
  const lines = (await endOf(join(run, 'logs', 'run.log'), fileSystem)).split('\n');
  for (const line of lines.reverse()) {
    // Earlier versions called it a checkpoint.
    if (!/"type":"(state|checkpoint)"/.test(line)) continue;
    const name = /"path":"[^"]*?([^"/\\]+\.safetensors)"/.exec(line)?.[1];
    if (name === undefined) continue;
    // What an audit set aside has been told.
    return states.has(name) || states.has(`${name}.suspect`) ? null : name;
  }
  return null;
}

/** The run came to an end of its own, or was stopped, and saved its last model. Only versions that do write a checksum of the metrics. */
export async function hasEnded(run: string, fileSystem: FileSystem): Promise<boolean> {
  const text = await endOf(join(run, 'logs', 'run.log'), fileSystem);
  return /"type":"end".*"reason":"(done|stopped_early|max_steps|interrupted|stopped)"/.test(text);
}

/** What is no folder, in place of one that the run has, is moved away; true where it was. */
export async function movedAway(path: string, aside: string, fileSystem: FileSystem): Promise<boolean> {
  try {
    await fileSystem.list(path);
    return false;
  } catch (error) {
    if (!['ENOTDIR', 'ENOENT', 'ELOOP'].includes(errorCode(error))) throw error;
    await fileSystem.rename(path, aside);
    return true;
  }
}

async function endOf(path: string, fileSystem: FileSystem): Promise<string> {
  try {
    const file = await fileSystem.open(path, 'read_own');
    try {
      const size = await file.size();
      const bytes = new Uint8Array(Math.min(size, LOG_BYTES));
      await readAll(file, bytes, size - bytes.length);
      return Buffer.from(bytes).toString();
    } finally {
      await file.close();
    }
  } catch {
    // Nothing is known then.
    return '';
  }
}
