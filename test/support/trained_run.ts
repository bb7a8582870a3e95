/**
 * Owns: running `train` of the built program on drawn digits with a small network, and reading what it told and left.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runCli, type CliResult } from './built_cli.js';

/** The reference network at an eighth of its width, dropout and batch norm on. */
export const SMALL_CNN = testModelFile('small_cnn');

/** 600 + 100 drawn digits. */
export const FEW_DIGITS = fileURLToPath(new URL('data/few_digits.mjs', import.meta.url));

export function testModelFile(name: string): string {
  return fileURLToPath(new URL(`models/${name}.mjs`, import.meta.url));
}

/** One line of JSON output. */
export type JsonRecord = Record<string, unknown> & { type: string };

export interface TrainedRun extends CliResult {
  readonly records: readonly JsonRecord[];
  readonly start: JsonRecord;
  readonly end: JsonRecord;
  readonly epochs: readonly JsonRecord[];
}

/** `flags` as typed in one string, after those that make it small; the exit code must be 0. */
export function trainSmall(flags: string, { cwd }: { cwd: string }): TrainedRun {
  const small = `train --data ${FEW_DIGITS} --model ${SMALL_CNN} --gpus none --threads-per-worker 1 --epochs 1 --reporter json`;
  return trained(`${small} ${flags}`, { cwd });
}

export function trained(command: string, { cwd }: { cwd: string }): TrainedRun {
  const result = runCli(command.split(' '), { cwd });
  if (result.code !== 0) throw new Error(`${command} exited with ${result.code}:\n${result.err}`);
  const records = jsonLines(result.out);
  const only = (type: string) => records.filter((record) => record.type === type);
  return { ...result, records, start: only('start')[0], end: only('end')[0], epochs: only('epoch') };
}

export function jsonLines(text: string): JsonRecord[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as JsonRecord);
}

export function metricsOf(runFolder: string): JsonRecord[] {
  return jsonLines(readFileSync(join(runFolder, 'metrics.jsonl'), 'utf8'));
}
