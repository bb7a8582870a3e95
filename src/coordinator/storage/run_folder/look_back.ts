/**
 * Owns: what a resume finds gone or changed of what the run once wrote: the newest state its log knows, saved models its metrics tell of.
 * Does not: repair anything, or read states (state_file.ts).
 */
import { join } from 'node:path';
import { errorMessage } from '../../../common/error_facts.js';
import { LIMITS } from '../../../common/limits.js';
import { parseModelFile } from '../../../common/model_file.js';
import { readAll, readWholeFile } from '../files/atomic_file.js';
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

/** The epochs whose model was saved, as metrics.jsonl tells, and whose folder is gone or damaged: one sentence each. */
export async function lostModels(run: string, epochs: readonly number[], fileSystem: FileSystem): Promise<string[]> {
  const there = new Set(await fileSystem.list(join(run, 'checkpoints')));
  const lost: string[] = [];
  for (const epoch of epochs) {
    const name = `epoch-${String(epoch).padStart(4, '0')}`;
    const what = there.has(name) ? await damageOf(join(run, 'checkpoints', name), fileSystem) : 'is gone';
    if (what !== null) lost.push(`checkpoints/${name} ${what}`);
  }
  return lost;
}

/** Null where the model's file and the sizes of its weights fit; their bytes are not read. */
async function damageOf(folder: string, fileSystem: FileSystem): Promise<string | null> {
  const path = join(folder, 'model.json');
  try {
    const bytes = await readWholeFile(path, LIMITS.maxModelJsonBytes, fileSystem);
    if (bytes === null) return 'is damaged: its model.json is too long';
    const { manifest } = parseModelFile(Buffer.from(bytes).toString(), { path, invalid: (message) => new Error(message) });
    let found = 0;
    for (const file of manifest?.groups.flatMap(({ paths }) => paths) ?? []) {
      const opened = await fileSystem.open(join(folder, file), 'read');
      found += await opened.size().finally(() => opened.close());
    }
    if (found === manifest?.bytes) return null;
    return `is damaged: its weights need ${manifest?.bytes ?? 0} bytes, its files hold ${found}`;
  } catch (error) {
    return `is damaged: ${errorMessage(error)}`;
  }
}

/** Sees the saved epochs in the lines of metrics.jsonl as they pass. */
export class SavedEpochs {
  readonly epochs: number[] = [];

  see(line: string): void {
    if (!line.includes('"saved":true')) return;
    const epoch = /"type":"epoch","epoch":(\d+)/.exec(line)?.[1];
    if (epoch !== undefined) this.epochs.push(Number(epoch));
  }
}
