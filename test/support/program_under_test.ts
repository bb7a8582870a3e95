/** Owns: the program in this process, with real or pretended runs behind its commands. */
import { trainLocally } from '../../src/api/train.js';
import { evaluateModel } from '../../src/api/evaluate_model.js';
import type { CommandContext } from '../../src/cli/context.js';
import { coordinatorCommand, type CoordinatorRequest } from '../../src/cli/commands/coordinator.js';
import { evaluateCommand } from '../../src/cli/commands/evaluate.js';
import { tokenCommand } from '../../src/cli/commands/token.js';
import { trainCommand, type RunTraining } from '../../src/cli/commands/train.js';
import { workerCommand, type WorkerRequest } from '../../src/cli/commands/worker.js';
import { createProgram } from '../../src/cli/program.js';
import { EXIT, ExpectedError } from '../../src/common/errors.js';
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
}

/** `tfjs-parallel ...args`; `real`: trainings run, otherwise they are only asked for. Rejects as the commands do. */
export async function program(
  args: readonly string[],
  { real = false, environment = {} }: { real?: boolean; environment?: Record<string, string> } = {},
): Promise<Asked> {
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
    finish: () => undefined,
  };
  const runTraining: RunTraining = async (request) => {
    asked.train = request;
    if (!real) return sampleEnd({ best: null });
    const observer = (event: RunEvent): void => {
      events.push(event);
      request.observer(event);
    };
    return (await trainLocally({ ...request, observer })).end;
  };
  const commands = [
    trainCommand(context, () => Promise.resolve(runTraining)),
    coordinatorCommand(context, () =>
      Promise.resolve((request) => {
        asked.coordinator = request;
        return Promise.resolve(sampleEnd({ best: null }));
      }),
    ),
    workerCommand(context, () =>
      Promise.resolve((request) => {
        asked.worker = request;
        return Promise.resolve('done');
      }),
    ),
    evaluateCommand(context, () => Promise.resolve(evaluateModel)),
    tokenCommand(context, () => import('../../src/transport/worker_tokens.js')),
  ];
  await createProgram(context, commands).parseAsync(args, { from: 'user' });
  return { ...asked, events, out: stdout.text(), err: stderr.text() };
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
