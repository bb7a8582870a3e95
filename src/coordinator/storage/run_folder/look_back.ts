/**
 * Owns: what a resume finds gone of the states that the run once wrote: the newest that its log knows, the one that sound.json names; lines of the log that are none; and what
 * becomes of a subfolder that is none.
 * Does not: repair anything, read states (state_file.ts), or look at saved models (saved_models.ts).
 */
import { join } from 'node:path';
import { errorCode } from '../../../common/error_facts.js';
import { oneLine } from '../../../common/one_line.js';
import { readAll } from '../files/atomic_file.js';
import type { FileSystem } from '../files/file_system.js';
import { readSound } from '../state/sound_state.js';

/** Of the end of the log: its last state is in it, wherever a run writes some. What no run wrote is looked for in it, too. */
const LOG_BYTES = 2 ** 20;
const LINE_BEGINS = '{"time":"';

/** The newest state that the log's end tells of, if its file is in the folder no more. */
export async function lostState(log: string, states: string, fileSystem: FileSystem): Promise<string | null> {
  for (const line of log.split('\n').reverse()) {
    // Earlier versions called it a checkpoint.
    if (!/"type":"(state|checkpoint)"/.test(line)) continue;
    const name = /"path":"[^"]*?([^"/\\]+\.safetensors)"/.exec(line)?.[1];
    if (name === undefined) continue;
    return (await isThere(name, states, fileSystem)) ? null : name;
  }
  return null;
}

/** The state that sound.json names, if its file is in the folder no more. */
export async function lostSound(run: string, fileSystem: FileSystem): Promise<string | null> {
  const name = (await readSound(run, fileSystem))?.sound?.file;
  if (name === undefined) return null;
  return (await isThere(name, join(run, 'state'), fileSystem)) ? null : oneLine(name);
}

/** What an audit set aside has been told. */
async function isThere(state: string, states: string, fileSystem: FileSystem): Promise<boolean> {
  const names = await fileSystem.list(states);
  return names.includes(state) || names.includes(`${state}.suspect`);
}

/** How many lines of the log's end no run wrote. One that a kill or a full disk cut short is a run's own. */
export function strangeLogLines(log: string): number {
  const lines = log.split('\n');
  // The first may be the end of one.
  const whole = lines.length > 1 ? lines.filter((_, at) => at > 0 || lines[0].length < LOG_BYTES) : lines;
  return whole.filter((line) => !LINE_BEGINS.startsWith(line.slice(0, LINE_BEGINS.length))).length;
}

/** The run came to an end of its own, or was stopped, and saved its last model: since a version writes it that does. */
export function hasEnded(log: string): boolean {
  const text = log.slice(log.lastIndexOf('"message":"resumed","ofOlderVersion":true') + 1);
  return /"type":"end".*"reason":"(done|stopped_early|max_steps|interrupted|stopped)"/.test(text);
}

/** What is no folder, in place of one that the run has, is moved away; true where it was. */
export async function movedAway(path: string, aside: string, fileSystem: FileSystem): Promise<boolean> {
  if (await isFolder(path, fileSystem)) return false;
  await fileSystem.rename(path, aside);
  return true;
}

export async function isFolder(path: string, fileSystem: FileSystem): Promise<boolean> {
  try {
    await fileSystem.list(path);
    return true;
  } catch (error) {
    if (!['ENOTDIR', 'ENOENT', 'ELOOP'].includes(errorCode(error))) throw error;
    return false;
  }
}

/** The end of logs/run.log; empty where it cannot be read. */
export async function endOfLog(run: string, fileSystem: FileSystem): Promise<string> {
  try {
    const file = await fileSystem.open(join(run, 'logs', 'run.log'), 'read_own');
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
