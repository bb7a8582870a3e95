/**
 * Owns: what a resume finds gone or damaged of the saved models that the run once wrote: `epoch-0120`, `best` and `last`, by the hashes in their own model.json.
 * Does not: repair anything, or read a model's values (state/saved_model.ts).
 */
import { createHash } from 'node:crypto';
import { basename, join } from 'node:path';
import { errorCode, errorMessage } from '../../../common/error_facts.js';
import { LIMITS } from '../../../common/limits.js';
import { parseModelFile, withoutOwnHash } from '../../../common/model_file.js';
import { readWholeFile } from '../files/atomic_file.js';
import type { FileSystem } from '../files/file_system.js';
import { modelFolderName } from '../state/checkpoint.js';

/** Of which models the run's own records tell. */
export interface ToldModels {
  /** Whose model was saved, as metrics.jsonl tells. */
  readonly epochs: readonly number[];
  /** The best so far, as the state tells; null for none yet. */
  readonly bestEpoch: number | null;
  /** An earlier start ended and saved `last`. */
  readonly hadEnded?: boolean;
}

/** One sentence for each model that is gone or damaged. */
export async function lostModels(
  run: string,
  { epochs, bestEpoch, hadEnded = false }: ToldModels,
  fileSystem: FileSystem,
): Promise<string[]> {
  const folder = join(run, 'checkpoints');
  const there = new Set(await fileSystem.list(folder));
  const told = new Set([...epochs.map(modelFolderName), ...(bestEpoch === null ? [] : ['best']), ...(hadEnded ? ['last'] : [])]);
  const found = [...there].filter((name) => /^(epoch-\d{4,}|best|last)$/.test(name));
  const lost: string[] = [];
  // Best and last, then the newest: whose weights are read where there are more than can be.
  const names = [...new Set([...told, ...found])].sort((a, b) => rank(a) - rank(b) || (a < b ? 1 : -1));
  let left: number = LIMITS.maxModelBytesChecked;
  for (const name of names) {
    const { what, read } = there.has(name)
      ? await damageOf(join(folder, name), { left, fileSystem })
      : { what: 'is gone', read: 0 };
    left -= read;
    if (what !== null) lost.push(`checkpoints/${name} ${what}`);
  }
  return lost.sort();
}

const rank = (name: string): number => (name.startsWith('epoch-') ? 1 : 0);

/** `what`: null for nothing; the weights' own bytes are read where no more than `left` of them are there. */
async function damageOf(
  folder: string,
  { left, fileSystem }: { left: number; fileSystem: FileSystem },
): Promise<{ what: string | null; read: number }> {
  const path = join(folder, 'model.json');
  const damaged = (why: string, read = 0) => ({ what: `is damaged: ${why}`, read });
  try {
    const bytes = await readWholeFile(path, LIMITS.maxModelJsonBytes, fileSystem);
    if (bytes === null) return damaged('its model.json is too long');
    const text = Buffer.from(bytes).toString();
    const { manifest, noted } = parseModelFile(text, { path, invalid: (message) => new Error(message) });
    const files = manifest?.groups.flatMap(({ paths }) => paths) ?? [];
    const wanted = manifest?.bytes ?? 0;
    const isRead = noted?.weights !== undefined && wanted <= left;
    let found = 0;
    for (const file of files) found += await take(join(folder, file), null, fileSystem);
    // Before a byte is read: a file may claim any size.
    if (found !== wanted) return damaged(`its weights need ${wanted} bytes, its files hold ${found}`);
    const weights = createHash('sha256');
    if (isRead) for (const file of files) await take(join(folder, file), weights, fileSystem);
    const read = isRead ? found : 0;
    const json = createHash('sha256').update(withoutOwnHash(text)).digest('hex');
    if (noted?.json !== undefined && noted.json !== json) return damaged('its model.json is not what was written', read);
    if (isRead && noted.weights !== weights.digest('hex')) return damaged('its weights are not those that were written', read);
    return { what: null, read };
  } catch (error) {
    return damaged(plainWords(error));
  }
}

/** Without the system's own words where they say that something is not there. */
function plainWords(error: unknown): string {
  const name = basename((error as { path?: string }).path ?? '');
  if (errorCode(error) === 'ENOENT' && name !== '') return `its ${name} is gone`;
  if (errorCode(error) === 'ELOOP') return 'it is a link that leads round in a circle';
  return errorCode(error) === 'ENOTDIR' ? 'it is no folder' : errorMessage(error);
}

/** The file's bytes, put into the hash; or its size alone. */
async function take(path: string, into: ReturnType<typeof createHash> | null, fileSystem: FileSystem): Promise<number> {
  const file = await fileSystem.open(path, 'read');
  try {
    const size = await file.size();
    if (into === null) return size;
    const slice = new Uint8Array(Math.min(size, LIMITS.storageSliceBytes));
    let at = 0;
    for (let got = 1; at < size && got > 0; at += got) {
      got = await file.read(slice.subarray(0, Math.min(slice.length, size - at)), at);
      into.update(slice.subarray(0, got));
    }
    return at;
  } finally {
    await file.close();
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
