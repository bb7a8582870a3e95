/**
 * Owns: the `doctor` command: this machine, and the way to a coordinator, looked at; as lines or one record, and an exit code.
 * Does not: look or judge (src/doctor).
 */
import { Command, Option } from 'commander';
import { DEFAULT_ENDPOINT, parseEndpoint } from '../../common/endpoint.js';
import { EXIT } from '../../common/errors.js';
import { printable } from '../../common/one_line.js';
import { RECORD_VERSION } from '../../common/run_record.js';
import type { Check } from '../../doctor/check.js';
import type { Coordinator, CoordinatorRequest } from '../../doctor/coordinator.js';
import type { Machine } from '../../doctor/machine.js';
import type { CommandContext } from '../context.js';
import { addTokenFlags, readClientEncryption, readTokenSource } from '../network_flags.js';
import { GROUP, readOption, readSwitch } from '../setting_flags.js';

/** What is looked at, when it is loaded; tests hand in machines that are not there. */
export interface DoctorParts {
  readonly checks: readonly Check[];
  readonly machine: Machine;
  readonly coordinator: (request: CoordinatorRequest) => Coordinator;
}

const EXAMPLES = `Examples:
  tfjs-parallel doctor                                       why this machine does not do what you expect
  tfjs-parallel doctor --host 10.0.0.5 --token-file token    and the way from here to a coordinator
`;

/** Where no terminal says. */
const COLUMNS = 110;

export function doctorCommand(context: CommandContext, loadParts: () => Promise<DoctorParts>): Command {
  const command = new Command('doctor')
    .description('Look at this machine, its TensorFlow, devices and limits; exit with code 3 where something is a problem.')
    .addHelpText('before', EXAMPLES)
    .addOption(new Option('--json', 'one record').helpGroup(GROUP.output));
  command.addOption(
    new Option('--host <host:port>', 'look at the way to this coordinator, too, without working for it').helpGroup(GROUP.network),
  );
  addTokenFlags(command);
  command.addOption(
    new Option('--tls-ca <file>', 'certificate to trust, PEM (default: keys from the token)').helpGroup(GROUP.network),
  );
  return command.action(async () => {
    const asked = coordinatorAsked();
    const { checks, machine, coordinator } = await loadParts();
    const [{ examine }, { findingLines, summaryLine }, { painter }] = await Promise.all([
      import('../../doctor/examine.js'),
      import('../../doctor/lines.js'),
      import('../../report/text.js'),
    ]);
    const json = readSwitch(command, 'json');
    const form = { columns: context.stdout.columns ?? COLUMNS, paint: painter(context.stdout) };
    const write = (lines: readonly string[]): void =>
      void context.stdout.write(printable(lines.map((line) => `${line}\n`).join('')));
    const place = { machine, coordinator: asked === null ? null : coordinator(asked) };
    const found = await examine(checks, place, (finding) => {
      if (!json) write(findingLines(finding, form));
    });
    const problems = found.filter(({ status }) => status === 'problem').length;
    write(json ? [JSON.stringify({ v: RECORD_VERSION, type: 'doctor', problems, findings: found })] : [summaryLine(found, form)]);
    context.finish(problems === 0 ? EXIT.ok : EXIT.environment);
  });

  function coordinatorAsked(): CoordinatorRequest | null {
    const host = readOption(command, 'host');
    if (host === null) return null;
    const endpoint = parseEndpoint(host, { flag: '--host', defaults: DEFAULT_ENDPOINT, leastPort: 1 });
    return {
      endpoint,
      token: readTokenSource(command, context.environment),
      encryption: readClientEncryption(command, endpoint),
    };
  }
}
