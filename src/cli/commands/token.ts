/**
 * Owns: the `token` command: tokens of single workers, made, listed and taken back on the coordinator's machine, while a run goes on too.
 * Does not: print a token: whoever shares a screen or a log would share it.
 */
import { Command, Option } from 'commander';
import { EXIT } from '../../common/errors.js';
import type { CommandContext } from '../context.js';
import { readTokenSource, type TokenSource } from '../network_flags.js';
import { GROUP, readSwitch } from '../setting_flags.js';
import { printable } from '../../common/one_line.js';

/** src/transport/worker_tokens.ts, when it is loaded. */
export interface WorkerTokensModule {
  workerTokenFolder(source: TokenSource, environment: Record<string, string | undefined>): string;
  addWorkerToken(folder: string, name: string, how: { replace: boolean }): string;
  listWorkerTokens(folder: string): string[];
  revokeWorkerToken(folder: string, name: string): void;
}

const EXAMPLES = `Examples:
  tfjs-parallel token add rack-2        makes a token for one worker; copy the file there, pass it with --token-file
  tfjs-parallel token revoke rack-2     its worker is put out within seconds, and not let in again
`;

export function tokenCommand(context: CommandContext, loadTokens: () => Promise<WorkerTokensModule>): Command {
  const command = new Command('token')
    .description('Give single workers tokens of their own, and take them back.')
    .addHelpText('before', EXAMPLES);
  const subcommand = (name: string, description: string): Command => {
    const flag = new Option(
      '--token-file <file>',
      "the coordinator's shared token, beside which they are (default: its usual place)",
    );
    const made = new Command(name).description(description).addOption(flag.helpGroup(GROUP.network));
    command.addCommand(made);
    return made;
  };
  const act = async (of: Command, what: (tokens: WorkerTokensModule, folder: string) => void): Promise<void> => {
    const tokens = await loadTokens();
    what(tokens, tokens.workerTokenFolder(readTokenSource(of, {}), context.environment));
    context.finish(EXIT.ok);
  };

  const add = subcommand('add', 'Make a token for the worker of this name.')
    .argument('<name>')
    .option('--replace', 'in place of the one it has, which is refused from then on');
  add.action((name: string) =>
    act(add, ({ addWorkerToken }, folder) => {
      context.stdout.write(printable(`${addWorkerToken(folder, name, { replace: readSwitch(add, 'replace') })}\n`));
      context.stderr.write(printable('copy this file to the worker (mode 600) and start it with --token-file\n'));
    }),
  );
  const list = subcommand('list', 'Names of the workers that have one.');
  list.action(() =>
    act(list, ({ listWorkerTokens }, folder) => {
      for (const name of listWorkerTokens(folder)) context.stdout.write(printable(`${name}\n`));
    }),
  );
  const revoke = subcommand('revoke', "Take a worker's token back.").argument('<name>');
  revoke.action((name: string) => act(revoke, ({ revokeWorkerToken }, folder) => revokeWorkerToken(folder, name)));
  return command;
}
