/**
 * Owns: which of a run's states is known to be sound: the newest after which an evaluation was finite and within ten times the best loss. It is kept
 * beside the newest ones, because those may hold what makes the run diverge: weights can be finite and absurd.
 * Does not: write or remove states (state_file.ts does).
 *
 * `sound.json` in the run's folder is for a resumed run. Without it, or with one that cannot be read, the run finds a sound state anew.
 */
import { basename, join } from 'node:path';
import { z } from 'zod';
import { readWholeFile, writeFileAtomically } from '../files/atomic_file.js';
import type { FileSystem } from '../files/file_system.js';

const FILE = 'sound.json';
const MAX_BYTES = 10_000;
/** An evaluation that is worse than this many times the best is no sign that a run is well. */
const WORST = 10;

export interface SoundState {
  /** Name in the folder. */
  readonly file: string;
  readonly epoch: number;
}

const soundSchema = z.strictObject({
  bestLoss: z.number(),
  sound: z.strictObject({ file: z.string().max(200), epoch: z.number().int() }).nullable(),
});

/** What sound.json says; null where it is not there or cannot be read: it says nothing that the next two evaluations do not. */
export async function readSound(run: string, fileSystem: FileSystem): Promise<z.infer<typeof soundSchema> | null> {
  try {
    const bytes = await readWholeFile(join(run, FILE), MAX_BYTES, fileSystem);
    return soundSchema.parse(JSON.parse(Buffer.from(bytes ?? []).toString('utf8')));
  } catch {
    return null;
  }
}

/** Within ten times the best; for a best below zero, as far above it as ten times its size would be. */
export function isSound(loss: number, bestLoss: number | null): boolean {
  if (!Number.isFinite(loss)) return false;
  return bestLoss === null || loss <= bestLoss + (WORST - 1) * Math.abs(bestLoss);
}

export class SoundStates {
  #newest: SoundState | null = null;
  #sound: SoundState | null = null;
  /** What sound.json names until it names the one above. */
  #before: SoundState | null = null;
  #bestLoss: number | null = null;

  constructor(
    private readonly place: {
      readonly run: string;
      readonly states: string;
      readonly fileSystem: FileSystem;
      readonly beforePublish?: () => Promise<void>;
    },
  ) {}

  /** Takes over what an earlier start knew. */
  async restore(): Promise<void> {
    const { run, states, fileSystem } = this.place;
    const known = await readSound(run, fileSystem);
    if (known === null) return;
    this.#bestLoss = known.bestLoss;
    if (known.sound !== null && (await fileSystem.list(states)).includes(known.sound.file)) this.#sound = known.sound;
  }

  /** Names of the states to keep: a kill must not leave a sound.json that names one that is gone. */
  get kept(): string[] {
    return [this.#sound, this.#before].flatMap((state) => state?.file ?? []);
  }

  /** Null before there is one. */
  get sound(): (SoundState & { readonly path: string }) | null {
    return this.#sound && { ...this.#sound, path: join(this.place.states, this.#sound.file) };
  }

  /** A state is on the disk. */
  written({ path, epoch }: { path: string; epoch: number }): void {
    this.#newest = { file: basename(path), epoch };
  }

  /** An evaluation of weights that come after every state written so far. False where it is no good sign; then nothing changes. */
  async evaluated(loss: number): Promise<boolean> {
    if (!isSound(loss, this.#bestLoss)) return false;
    this.#bestLoss = Math.min(loss, this.#bestLoss ?? Infinity);
    this.#before = this.#sound;
    this.#sound = this.#newest ?? this.#sound;
    const { run: folder, fileSystem, beforePublish: beforeRename } = this.place;
    const text = `${JSON.stringify({ bestLoss: this.#bestLoss, sound: this.#sound })}\n`;
    // A disk that refuses is told where a state is written; what is known here holds for this start in any case.
    const parts = [Buffer.from(text)];
    await writeFileAtomically({ folder, name: () => FILE, parts, point: 'file', fileSystem, beforeRename }).catch(
      () => undefined,
    );
    this.#before = null;
    return true;
  }
}
