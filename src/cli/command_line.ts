/**
 * Owns: the command line as a process: arguments in, exit code out; and what happens to errors nobody caught. The only place that exits.
 * Does not: anything a command does. Next hop: train.ts.
 */
import { CommanderError } from 'commander';
import { EXIT, type ExitCode } from '../common/errors.js';
import type { StopReason } from '../common/stop_request.js';
import { hasStuckThreads } from '../system/stuck_threads.js';
import { benchCommand } from './commands/bench.js';
import type { CommandContext } from './context.js';
import { coordinatorCommand } from './commands/coordinator.js';
import { doctorCommand } from './commands/doctor.js';
import { evaluateCommand } from './commands/evaluate.js';
import { describeFailure, warningLine } from './fail.js';
import { initCommand } from './commands/init.js';
import { trainCommand } from './commands/train.js';
import { commandNameOf, createProgram } from './program.js';
import type { SignalWatch } from './terminal/signals.js';
import { tokenCommand } from './commands/token.js';
import { verifyCommand } from './commands/verify.js';
import { whyCommand } from './commands/why.js';
import { workerCommand } from './commands/worker.js';
import { printable } from '../common/one_line.js';

/** Runs the command and ends the process. `early` minds the stop signals until a command watches them. */
export async function runCommandLine(args: readonly string[], early: { handOver: () => void }): Promise<never> {
  const verbose = args.includes('-v') || args.includes('--verbose');
  let exitCode: ExitCode = EXIT.ok;
  let watch: SignalWatch | null = null;
  let pipeClosed = false;

  const context: CommandContext = {
    environment: process.env,
    stdout: process.stdout,
    stderr: process.stderr,
    warn: (text) => void process.stderr.write(printable(warningLine(text))),
    watchStop: async (say, first) => {
      const { watchSignals } = await import('./terminal/signals.js');
      watch = watchSignals(({ reason, signal, finishes }) => {
        const why = pipeClosed && reason === 'stopped' ? PIPE_CLOSED : reason === 'interrupted' ? reason : signal;
        say(`${why}: ${finishes ? `${first}${again(reason)}` : 'ending before the first step'}`);
      });
      early.handOver();
      return watch;
    },
    finish: (code) => {
      exitCode = code;
    },
  };
  /** Each command's parts are imported when it runs: --help stays fast. */
  const program = createProgram(context, [
    trainCommand(context, async () => {
      const { trainLocally } = await import('../api/train.js');
      return async (request) => (await trainLocally(request)).end;
    }),
    coordinatorCommand(context, async () => (await import('../api/coordinate.js')).coordinate),
    workerCommand(context, async () => (await import('../api/work.js')).work),
    evaluateCommand(context, async () => (await import('../api/evaluate_model.js')).evaluateModel),
    verifyCommand(context, () => import('../api/verify.js')),
    tokenCommand(context, () => import('../transport/worker_tokens.js')),
    whyCommand(context),
    initCommand(context, async () => (await import('../data/load_aside.js')).loadDatasetAside),
    doctorCommand(context, async () => {
      const [{ CHECKS }, { realMachine }, { realCoordinator }] = await Promise.all([
        import('../doctor/table.js'),
        import('../doctor/machine.js'),
        import('../doctor/coordinator.js'),
      ]);
      return { checks: CHECKS, machine: realMachine(), coordinator: realCoordinator };
    }),
    benchCommand(context, async () => (await import('../api/bench.js')).bench),
  ]);

  /** One that was told to end does not wait for threads that are still preparing, nor for one that hangs. */
  const leave = async (code: ExitCode): Promise<never> => {
    if (watch?.request.hurry.aborted || hasStuckThreads()) (await import('./terminal/end_process.js')).endProcessNow(code);
    process.exit(code);
  };
  const tell = (error: unknown): ExitCode => {
    const { text, exitCode: code } = describeFailure(error, { verbose, command: commandNameOf(program, args) });
    process.stderr.write(printable(text));
    return code;
  };
  const fail = (error: unknown): never => process.exit(tell(error));
  /** Whoever read us is gone (`| head`): a run saves and stops, anything else is done. */
  const onClosedPipe = (error: NodeJS.ErrnoException): void => {
    if (error.code !== 'EPIPE' && error.code !== 'EIO') fail(error);
    if (watch === null) process.exit(EXIT.ok);
    pipeClosed = true;
    process.emit('SIGHUP', 'SIGHUP');
  };
  process.stdout.on('error', onClosedPipe);
  process.stderr.on('error', onClosedPipe);
  process.on('uncaughtException', fail);
  process.on('unhandledRejection', fail);

  try {
    if (args.length === 0) program.outputHelp();
    else await program.parseAsync(args, { from: 'user' });
    return await leave(exitCode);
  } catch (error) {
    // Help and version are told by an exception that is none.
    if (error instanceof CommanderError && error.exitCode === 0) process.exit(EXIT.ok);
    const code = tell(error);
    return hasStuckThreads() ? await leave(code) : process.exit(code);
  }
}

const PIPE_CLOSED = 'nobody reads standard output any more';

const again = (reason: StopReason): string => (reason === 'interrupted' ? ' (Ctrl-C again to end at once)' : '');
