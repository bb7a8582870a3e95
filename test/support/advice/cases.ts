/**
 * Owns: what a case of advice is, and what cases are made of: tiny models and data in a folder of their own, command lines that are refused.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { completeConfig } from '../../../src/common/settings/table.js';
import { renderConfig } from '../../../src/coordinator/storage/run_folder/config_yaml.js';
import { TOKEN } from '../loopback_cluster.js';
import { program, refusal } from '../program_under_test.js';
import { commandIn, withFlags } from './sources.js';

export interface Case {
  /** How each text begins that this case provokes: in which file. */
  readonly says: readonly { readonly file: string; readonly begins: string }[];
  readonly provoke: () => Promise<{ readonly next: string }>;
  /** Runs the commands in it. */
  readonly follow: (next: string) => Promise<unknown>;
}
export type Cases = Readonly<Record<string, Case>>;

export const folder = mkdtempSync(join(tmpdir(), 'advice-'));
export const removeFolder = (): void => rmSync(folder, { recursive: true, force: true });

/** Made by the first who asks. */
export function once<Made>(make: () => Promise<Made>): () => Promise<Made> {
  let made: Promise<Made> | undefined;
  return () => (made ??= make());
}

export const SIX = [0.5, -1, 2, 0.25, 3, -2];

/** `name`, with data of 6 rows of 2 and these labels. */
export function dataFile(name: string, labels: readonly number[], labelShape: readonly number[]): string {
  const path = join(folder, name);
  const split = `{ x: Float32Array.from({ length: 12 }, (_, i) => Math.sin(i)), y: Float32Array.of(${labels.join(', ')}) }`;
  writeFileSync(
    path,
    `export const train = ${split};\nexport const validation = train;\nexport const inputShape = [2];\nexport const labelShape = ${JSON.stringify(labelShape)};\n`,
  );
  return path;
}

export function modelFile(name: string, units: number, compile = ''): string {
  const path = join(folder, name);
  writeFileSync(
    path,
    `export function createModel(tf) { const model = tf.sequential({ layers: [tf.layers.dense({ units: ${units}, inputShape: [2] })] }); ${compile}; return model; }`,
  );
  return path;
}

/** A module with a layer of its own, under the name that an error gives. */
export function ownLayerFile(name: string): string {
  const path = join(folder, name);
  writeFileSync(
    path,
    `export function createModel(tf) { class Square extends tf.layers.Layer { static className = 'Square'; call(x) { return tf.square(Array.isArray(x) ? x[0] : x); } computeOutputShape(shape) { return shape; } }
     return tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [2] }), new Square({})] }); }`,
  );
  return path;
}

/** As a run that began leaves it, as far as the command line looks. */
export function runFolder(name: string, settings: object = {}): string {
  const path = join(folder, name);
  mkdirSync(join(path, 'state'), { recursive: true });
  writeFileSync(join(path, 'config.yaml'), renderConfig(completeConfig({ data: 'synthetic', ...settings }), {}));
  return path;
}

export const ONE_REPLICA = ['--gpus', 'none', '--workers', '1', '--threads-per-worker', '1'];
export const small = (...args: string[]): string[] => [
  ...['train', ...ONE_REPLICA, '--batch', '6', '--epochs', '1', '--shards', '1'],
  ...['--lr', '0.01', '--run-dir', folder, '--set', 'save_above=null', '--report', 'none', ...args],
];

/** A regression that any of these may train. */
export const plain = (...more: string[]): string[] =>
  small(...['--model', modelFile('plain.mjs', 1), '--data', dataFile('plain_data.mjs', SIX, [1]), '--loss', 'mse'], ...more);

/** A refused command line, and what becomes of it with each of these flags from the advice. */
export function flags(file: string, begins: string, args: readonly string[], wanted: readonly RegExp[], real = false): Case {
  return {
    says: [{ file, begins }],
    provoke: () => refusal(() => program(args, { real })),
    follow: async (next) => {
      for (const one of wanted) await program(withFlags(args, commandIn(next, one)), { real });
    },
  };
}

/** The first word of it that fits, with `value` in its place: `--data-dir FOLDER` and the like. */
export const filled = (next: string, wanted: RegExp, value: string): string[] => [
  ...commandIn(next, wanted).split(' ').slice(0, 1),
  value,
];

/** A file of this name with a token in it. */
export function tokenFile(name: string, token = TOKEN, mode = 0o600): string {
  const path = join(mkdtempSync(join(folder, 'token-')), name);
  writeFileSync(path, `${token}\n`, { mode });
  return path;
}

export const coordinatorWith = (...more: string[]): string[] => ['coordinator', '--shards', '1', ...more];
