/**
 * Owns: the `verify` command: whether N shards take the same step as one, and N replicas the same as one; as a table and an exit code.
 * Does not: compute. Next hop: src/api/verify.ts.
 */
import { Command } from 'commander';
import { chooseDevices, replicasOf } from '../../common/device_choice.js';
import { digitsApart } from '../../common/digits_apart.js';
import { EXIT } from '../../common/errors.js';
import { renameKeys, toSnakeCase } from '../../common/snake_case.js';
import type { VerifyReport, VerifyRequest } from '../../api/verify.js';
import type { CommandContext } from '../context.js';
import { resolveFor } from '../resolve_for.js';
import { addSettingFlags } from '../setting_flags.js';
import { printable } from '../../common/one_line.js';

/** src/api/verify.ts, when it is loaded. */
export interface VerifyModule {
  verify(request: VerifyRequest): Promise<VerifyReport>;
}

const EXAMPLES = `Examples:
  tfjs-parallel verify --workers 2 --shards 4 --data synthetic      4 shards against 1, on 2 replicas against 1
  tfjs-parallel verify --gpus 0,1
`;

export function verifyCommand(context: CommandContext, loadVerify: () => Promise<VerifyModule>): Command {
  const command = new Command('verify')
    .description('Compare the gradient of one step on N shards and N replicas with one; exit with code 1 where they differ.')
    .addHelpText('before', EXAMPLES);
  addSettingFlags(command);
  return command.action(async () => {
    const { config } = await resolveFor(command, context);
    const shards = config.shards ?? Math.max(2, replicasOf(chooseDevices(config)) ?? 2);
    const { verify } = await loadVerify();
    const report = await verify({ config, shards, say: (line) => void context.stderr.write(printable(`${line}\n`)) });
    const json = config.reporter.includes('json');
    context.stdout.write(printable(json ? jsonLine(report) : `${verifyLines(report).join('\n')}\n`));
    context.finish(report.passed ? EXIT.ok : EXIT.toleranceExceeded);
  });
}

function jsonLine(report: VerifyReport): string {
  return `${JSON.stringify({ v: 1, type: 'verification', ...(renameKeys(report, toSnakeCase) as object) })}\n`;
}

/** The table of tensors, then the two hashes, each with its verdict. */
function verifyLines(report: VerifyReport): string[] {
  const { shards, batch, tensors, oneReplica, manyReplicas, largestBitDifference, tolerance } = report;
  const cut = `${shards} shard${shards === 1 ? '' : 's'}`;
  const rows = tensors.map(({ name, shape, relative, largest }) => [
    name,
    shape.join('×') || 'scalar',
    largest.toExponential(2),
    digitsApart([relative, tolerance], exponential, 2)[0],
    relative <= tolerance ? 'ok' : 'TOO FAR',
  ]);
  const farthest = Math.max(...tensors.map(({ relative }) => relative));
  const near = tensors.every(({ relative }) => relative <= tolerance);
  const equal = oneReplica.gradientSha256 === manyReplicas.gradientSha256 && oneReplica.lossSum === manyReplicas.lossSum;
  return [
    `gradient of a batch of ${batch}, ${cut} against 1 (batch norm on fixed statistics, dropout on)`,
    ...table([['tensor', 'shape', 'max |difference|', 'norm-wise', ''], ...rows]),
    `${near ? 'ok' : 'FAILED'}: norm-wise differences ${near ? 'are' : 'must be'} at most ${digitsApart([tolerance, farthest], shortExponential, 3)[0]}`,
    '',
    `the same batch as in training, ${cut}, by number of replicas`,
    ...table([
      ['replicas', 'loss sum', 'sha256 of the gradient'],
      ['1', String(oneReplica.lossSum), oneReplica.gradientSha256],
      [String(manyReplicas.replicas), String(manyReplicas.lossSum), manyReplicas.gradientSha256],
    ]),
    equal
      ? 'ok: equal to the bit'
      : `FAILED: they must be equal to the bit (largest |difference| ${largestBitDifference.toExponential(2)})`,
  ];
}

const exponential = (value: number, digits: number): string => value.toExponential(digits);
const shortExponential = (value: number, digits: number): string => Number(value.toPrecision(digits)).toExponential();

/** Columns as wide as their widest cell; text to the left, numbers to the right. */
function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const cell = (text: string, column: number) =>
    /^[\d.]+(e[+-]\d+)?$/.test(text) ? text.padStart(widths[column]) : text.padEnd(widths[column]);
  return rows.map((row) => `  ${row.map(cell).join('  ')}`.trimEnd());
}
