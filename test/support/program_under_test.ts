/** Owns: the program in this process, with real or pretended runs behind its commands. */
import { bench } from '../../src/api/bench.js';
import { coordinate } from '../../src/api/coordinate.js';
import { trainLocally } from '../../src/api/train.js';
import { evaluateModel } from '../../src/api/evaluate_model.js';
import { verify } from '../../src/api/verify.js';
import { work } from '../../src/api/work.js';
import type { CommandContext } from '../../src/cli/context.js';
import { benchCommand } from '../../src/cli/commands/bench.js';
import { coordinatorCommand, type CoordinatorRequest } from '../../src/cli/commands/coordinator.js';
import { evaluateCommand } from '../../src/cli/commands/evaluate.js';
import { tokenCommand } from '../../src/cli/commands/token.js';
import { trainCommand, type RunTraining } from '../../src/cli/commands/train.js';
import { verifyCommand } from '../../src/cli/commands/verify.js';
import { whyCommand } from '../../src/cli/commands/why.js';
import { workerCommand, type WorkerRequest } from '../../src/cli/commands/worker.js';
import { createProgram } from '../../src/cli/program.js';
import { EXIT, ExpectedError, type ExitCode } from '../../src/common/errors.js';
import type { RunEvent } from '../../src/common/run_events.js';
import { captureStream } from './capture_stream.js';
import { sampleEnd } from './run_events_sample.js';

export interface Asked {
  readonly train: Parameters<RunTraining>[0] | null;
  readonly coordinator: CoordinatorRequest | null;
  readonly worker: WorkerRequest | null;
  /** What a real run told. */
  readonly events: readonly RunEvent[];
  readonly out: string;
  readonly err: string;
  /** Null where the command handed in none. */
  readonly code: ExitCode | null;
}

interface Surroundings {
  /** Runs run; otherwise they are only asked for. */
  readonly real?: boolean;
  readonly environment?: Record<string, string>;
  /** Hears what a real run tells. */
  readonly onEvent?: (event: RunEvent) => void;
}

/** `tfjs-parallel ...args`. Rejects as the commands do. */
export async function program(
  args: readonly string[],
  { real = false, environment = {}, onEvent = () => undefined }: Surroundings = {},
): Promise<Asked> {
  let code: ExitCode | null = null;
  const [stdout, stderr] = [captureStream(), captureStream()];
  const events: RunEvent[] = [];
  const asked = { train: null, coordinator: null, worker: null } as {
    -readonly [K in 'train' | 'coordinator' | 'worker']: Asked[K];
  };
  const signal = (): AbortSignal => new AbortController().signal;
  const context: CommandContext = {
    environment,
    stdout: stdout as unknown as NodeJS.WriteStream,
    stderr: stderr as unknown as NodeJS.WriteStream,
    warn: () => undefined,
    watchStop: () =>
      Promise.resolve({
        request: { reason: null, asked: signal(), hurry: signal() },
        begin: () => undefined,
        exitCode: () => EXIT.ok,
        close: () => undefined,
      }),
    finish: (given) => void (code = given),
  };
  const heard =
    (observer: (event: RunEvent) => void) =>
    (event: RunEvent): void => {
      events.push(event);
      observer(event);
      onEvent(event);
    };
  const runTraining: RunTraining = async (request) => {
    asked.train = request;
    if (!real) return sampleEnd({ best: null });
    return (await trainLocally({ ...request, observer: heard(request.observer) })).end;
  };
  const commands = [
    benchCommand(context, () => Promise.resolve(bench)),
    trainCommand(context, () => Promise.resolve(runTraining)),
    coordinatorCommand(context, () =>
      Promise.resolve((request) => {
        asked.coordinator = request;
        return real ? coordinate({ ...request, observer: heard(request.observer) }) : Promise.resolve(sampleEnd({ best: null }));
      }),
    ),
    workerCommand(context, () =>
      Promise.resolve((request) => {
        asked.worker = request;
        return real ? work(request) : Promise.resolve('done');
      }),
    ),
    whyCommand(context),
    verifyCommand(context, () => Promise.resolve({ verify })),
    evaluateCommand(context, () => Promise.resolve(evaluateModel)),
    tokenCommand(context, () => import('../../src/transport/worker_tokens.js')),
  ];
  await createProgram(context, commands).parseAsync(args, { from: 'user' });
  return { ...asked, events, out: stdout.text(), err: stderr.text(), code };
}

/** What the command is refused with. */
export async function refusal(act: () => unknown): Promise<ExpectedError> {
  try {
    await act();
  } catch (error) {
    if (error instanceof ExpectedError) return error;
    throw error;
  }
  throw new Error('it was not refused');
}
