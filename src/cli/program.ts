/**
 * Owns: the program as commander sees it: its commands, help and version. Nothing heavy is imported before a command runs.
 * Does not: touch the process (command_line.ts).
 */
import { Command, Help } from 'commander';
import type { CommandContext } from './context.js';
import { packageVersion } from '../system/package_info.js';
import { printable } from '../common/one_line.js';

const EXAMPLES = `Examples:
  tfjs-parallel train --workers 2 --data synthetic    two replicas on the CPU, nothing to download
  tfjs-parallel train --gpus 0,1                      the reference run on MNIST, on two GPUs
  tfjs-parallel train --resume runs/mnist-001         continue where a run ended
`;

const AFTER = `
tfjs-parallel <command> --help lists a command's flags.
Exit codes: 0 done, 2 usage, 3 environment, 4 data, 5 cluster, 6 diverged, 7 saving, 8 target not met, 70 bug, 75 stopped, 130 interrupted.
`;

/** `commands` are those that work. */
export function createProgram(context: CommandContext, commands: readonly Command[]): Command {
  const program = new Command('tfjs-parallel')
    .description('Distributed data-parallel training for TensorFlow.js: many GPUs, many machines, one result.')
    .version(packageVersion(), '--version', 'print the version')
    .addHelpText('before', EXAMPLES)
    .addHelpText('after', AFTER)
    .helpCommand(false)
    .helpOption('-h, --help', 'show this')
    .showSuggestionAfterError(true)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void context.stdout.write(printable(text)),
      // Errors are told once, by fail.ts.
      writeErr: () => undefined,
      getOutHelpWidth: () => context.stdout.columns ?? 110,
    });
  for (const command of commands) program.addCommand(command.copyInheritedSettings(program));
  return program;
}

/** The sub-command named on the command line, for `next: tfjs-parallel train --help`. */
export function commandNameOf(program: Command, args: readonly string[]): string | undefined {
  const names = new Help().visibleCommands(program).map((command) => command.name());
  return args.find((arg) => names.includes(arg));
}
