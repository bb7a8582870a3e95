/**
 * Owns: how an error reads on a terminal, and which exit code it has.
 * Does not: exit (command_line.ts) or print.
 */
import { CommanderError } from 'commander';
import { environmentErrorOf } from '../common/environment_error.js';
import { errorMessage, isErrorLike } from '../common/error_facts.js';
import { EXIT, ExpectedError, UsageError, type ExitCode } from '../common/errors.js';
import { knownElsewhere, nearestSetting } from '../common/settings/hints.js';
import { isSettingOf, settingAt } from '../common/settings/table.js';

export interface Failure {
  /** One to three lines, newline included; with `verbose` the stack and its causes after them. */
  text: string;
  exitCode: ExitCode;
}

/** `error CODE: what happened` and `next: what to do`. */
export function describeFailure(error: unknown, { verbose, command }: { verbose: boolean; command?: string }): Failure {
  const expected = error instanceof CommanderError ? usageErrorOf(error, command) : expectedOf(error);
  const known = expected instanceof ExpectedError;
  const lines = known
    ? [`error ${expected.code}: ${expected.message}`, `next: ${expected.next}`]
    : [
        `error INTERNAL: ${messageOf(error)}`,
        verbose
          ? 'next: this is a bug in tfjs-parallel; please report it with these lines'
          : 'next: this is a bug in tfjs-parallel; please report it with the output of the same command and -v',
      ];
  if (verbose && !(error instanceof CommanderError)) lines.push(...stackLines(error));
  return { text: `${lines.join('\n')}\n`, exitCode: known ? expected.exitCode : EXIT.internal };
}

function expectedOf(error: unknown): unknown {
  return error instanceof ExpectedError ? error : (environmentErrorOf(error) ?? error);
}

/** `warning: …`, one line. */
export function warningLine(text: string): string {
  return `warning: ${text}\n`;
}

const CODES: Record<string, string> = {
  'commander.unknownOption': 'UNKNOWN_FLAG',
  'commander.unknownCommand': 'UNKNOWN_COMMAND',
  'commander.missingArgument': 'ARGUMENT_MISSING',
  'commander.optionMissingArgument': 'VALUE_MISSING',
  'commander.invalidArgument': 'VALUE_INVALID',
  'commander.missingMandatoryOptionValue': 'FLAG_MISSING',
  'commander.excessArguments': 'TOO_MANY_ARGUMENTS',
  'commander.conflictingOption': 'FLAGS_CONFLICT',
};

/** commander says `error: unknown option '--epoch'\n(Did you mean --epochs?)`; we say the same in our form. */
function usageErrorOf(error: CommanderError, command: string | undefined): UsageError {
  const [what, similar] = error.message.replace(/^error: /, '').split('\n');
  const meant = similar === undefined ? '' : `, ${similar.replace(/^\(D/, 'd').replace(/\)$/, '')}`;
  const help = `tfjs-parallel ${command === undefined ? '' : `${command} `}--help`;
  const typed = error.code === 'commander.unknownOption' ? /'(--[^'=]+)/.exec(what)?.[1] : undefined;
  const hint = typed === undefined ? null : (knownElsewhere(typed) ?? (similar === undefined ? nearestSetting(typed) : null));
  if (command === 'worker' && hint?.path !== undefined && !isSettingOf(command, hint.path))
    return new UsageError({
      code: 'UNKNOWN_FLAG',
      message: what,
      next: 'Leave it out: the coordinator decides it for all workers.',
    });
  return new UsageError({
    code: CODES[error.code] ?? 'USAGE',
    message:
      hint?.path !== undefined ? `${what}, did you mean ${asTyped(hint.path, command)}?` : `${what}${hint === null ? meant : ''}`,
    next: hint?.advice === undefined ? help : `leave it out: ${hint.advice}`,
  });
}

/** `--batch`, where the command has that flag; `--set optimizer.momentum=…` always works. */
function asTyped(path: string, command: string | undefined): string {
  const { flag = null } = settingAt(path) ?? {};
  return flag !== null && isSettingOf(command, path) ? flag.split(' ')[0] : `--set ${path}=…`;
}

function messageOf(error: unknown): string {
  const text = errorMessage(error);
  return text === '' ? 'an error without a message' : text.split('\n').slice(0, 2).join(' ');
}

/** Longest chain of causes that is shown. */
const MAX_CAUSES = 8;

function stackLines(error: unknown): string[] {
  const lines: string[] = [];
  let current = error;
  for (let depth = 0; depth < MAX_CAUSES && isErrorLike(current); depth++) {
    lines.push(`${depth === 0 ? '' : 'caused by '}${current.stack ?? current.message}`);
    current = current.cause;
  }
  return lines;
}
