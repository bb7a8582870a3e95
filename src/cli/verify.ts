/**
 * Owns: the `verify` command: whether N shards take the same step as one, and N replicas the same as one; as a table and an exit code.
 * Does not: compute. Next hop: src/train.ts.
 */
import { Command } from 'commander';
import { EXIT, type ExitCode } from '../common/errors.js';
import type { TrainConfig } from '../common/train_config.js';
import type { CommandContext } from './context.js';
import { resolveFor } from './resolve_for.js';
import { addSettingFlags, type SettingFlagName } from './setting_flags.js';

export interface VerificationRequest {
  config: TrainConfig;
}

export interface VerificationAnswer {
  shards: number;
  /** One shard against `shards`, batch norm on fixed statistics, dropout on: ‖difference‖ ÷ ‖gradient of one shard‖ for each trained tensor. */
  tensors: readonly { name: string; shape: readonly number[]; difference: number; maxAbsDifference: number }[];
  /** Largest norm-wise difference allowed. */
  tolerance: number;
  /** SHA-256 of the weights after one step in the real configuration, for each number of replicas. Equal, or the promise is broken. */
  hashes: readonly { replicas: number; sha256: string }[];
}

export type RunVerification = (request: VerificationRequest) => Promise<VerificationAnswer>;

const FLAGS = [
  ...(['model', 'data', 'dataDir', 'loss', 'batch', 'seed', 'shards'] as const),
  ...(['gpus', 'workers', 'threadsPerWorker', 'precision', 'noCompile', 'reporter'] as const),
] satisfies readonly SettingFlagName[];

const EXAMPLES = `Examples:
  tfjs-parallel verify --workers 2 --shards 4 --data synthetic      4 shards against 1, on 2 replicas against 1
  tfjs-parallel verify --gpus 0,1
`;

export function verifyCommand(context: CommandContext, loadRunVerification: () => Promise<RunVerification>): Command {
  const command = new Command('verify')
    .description('Compare one step on N shards and N replicas with one; exit with code 1 where they differ.')
    .addHelpText('before', EXAMPLES);
  addSettingFlags(command, FLAGS);
  return command.action(async () => {
    const { config } = await resolveFor(command, context, { flags: FLAGS });
    const runVerification = await loadRunVerification();
    context.finish(reportVerification(await runVerification({ config }), config, context));
  });
}

function reportVerification(answer: VerificationAnswer, { reporter }: TrainConfig, { stdout }: CommandContext): ExitCode {
  const within = answer.tensors.every(({ difference }) => difference <= answer.tolerance);
  const equal = new Set(answer.hashes.map(({ sha256 }) => sha256)).size <= 1;
  if (reporter === 'json') stdout.write(`${JSON.stringify(jsonOf(answer, within && equal))}\n`);
  else stdout.write(`${verificationLines(answer, { within, equal }).join('\n')}\n`);
  return within && equal ? EXIT.ok : EXIT.toleranceExceeded;
}

function jsonOf({ shards, tensors, tolerance, hashes }: VerificationAnswer, ok: boolean): Record<string, unknown> {
  const rows = tensors.map(({ name, shape, difference, maxAbsDifference }) => ({
    name,
    shape,
    difference,
    max_abs_difference: maxAbsDifference,
  }));
  return { v: 1, type: 'verification', ok, shards, tolerance, tensors: rows, hashes };
}

/** The table and two sentences. */
export function verificationLines(answer: VerificationAnswer, { within, equal }: { within: boolean; equal: boolean }): string[] {
  const { shards, tensors, tolerance, hashes } = answer;
  const rows = tensors.map(({ name, shape, difference, maxAbsDifference }) => [
    name,
    shape.join('×') || 'scalar',
    maxAbsDifference.toExponential(2),
    difference.toExponential(2),
    difference <= tolerance ? 'ok' : 'TOO FAR',
  ]);
  return [
    `gradient of one step, ${shards} shard${shards === 1 ? '' : 's'} against 1 (batch norm on fixed statistics, dropout on)`,
    ...table([['tensor', 'shape', 'max |difference|', 'norm-wise', ''], ...rows]),
    `${within ? 'ok' : 'FAILED'}: norm-wise differences ${within ? 'are' : 'must be'} at most ${tolerance.toExponential()}`,
    '',
    `weights after one step, ${shards} shard${shards === 1 ? '' : 's'}, by number of replicas`,
    ...table(hashes.map(({ replicas, sha256 }) => [String(replicas), sha256])),
    `${equal ? 'ok' : 'FAILED'}: ${equal ? 'equal to the bit' : 'the hashes must be equal'}`,
  ];
}

/** Columns as wide as their widest cell; text to the left, numbers to the right. */
function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const cell = (text: string, column: number) => (/^\d/.test(text) ? text.padStart(widths[column]) : text.padEnd(widths[column]));
  return rows.map((row) => `  ${row.map(cell).join('  ')}`.trimEnd());
}
