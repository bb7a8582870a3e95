/**
 * Owns: what commands may use of the process, handed in by command_line.ts, so that commands are tested without one.
 * Does not: exit; a command hands its code to `finish`.
 */
import type { ExitCode } from '../common/errors.js';
import type { SignalWatch } from './terminal/signals.js';

export interface CommandContext {
  environment: Record<string, string | undefined>;
  stdout: NodeJS.WriteStream;
  stderr: NodeJS.WriteStream;
  /** One line on standard error. */
  warn(text: string): void;
  /**
   * From here on Ctrl-C, SIGTERM and a closed pipe ask for an orderly end; `say` tells the user so, and what is done first: `finishing ...`.
   * Until its `begin` is called there is nothing to finish, and they end the process at once.
   */
  watchStop(say: (line: string) => void, first: string): Promise<SignalWatch>;
  /** The command's exit code. */
  finish(code: ExitCode): void;
}
