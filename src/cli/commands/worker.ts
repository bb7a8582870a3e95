/**
 * Owns: the `worker` command: its flags, and what they ask of a machine's replicas.
 * Does not: connect or compute.
 */
import { Command, Option } from 'commander';
import { chooseDevices, type DeviceChoice } from '../../common/device_choice.js';
import { DEFAULT_ENDPOINT, parseEndpoint, type Endpoint } from '../../common/endpoint.js';
import { exitCodeOf, type StopRequest } from '../../common/stop_request.js';
import { EXIT, UsageError } from '../../common/errors.js';
import { defaultMaxMemory, parseMemory } from '../../system/memory_limit.js';
import { watchMemory } from '../terminal/memory_watch.js';
import { LIMITS } from '../../common/limits.js';
import { FORMER_PATHS, isSettingOf, settingAt } from '../../common/settings/table.js';
import type { CommandContext } from '../context.js';
import { addTokenFlags, readClientEncryption, readTokenSource, type Encryption, type TokenSource } from '../network_flags.js';
import { resolveFor } from '../resolve_for.js';
import { addSettingFlags, GROUP, readOption, readSets, readSwitch, wholeNumber } from '../setting_flags.js';
import { printable } from '../../common/one_line.js';

export interface WorkerRequest {
  coordinator: Endpoint;
  token: TokenSource;
  encryption: Encryption;
  /** Shown in the coordinator's lines; null for the machine's name. */
  name: string | null;
  devices: DeviceChoice;
  threadsPerWorker: number | null;
  /** Where this machine has the data; null to download or draw it. */
  dataDir: string | null;
  validationFile: string | null;
  labelFile: string | null;
  dataMemory: number;
  /** Only for models with layers of your own: the same file as the coordinator's. Null: the model comes from the coordinator. */
  model: string | null;
  /** Only for data from a module of your own: the same data as the coordinator's, by hash. Null: as the coordinator says. */
  data: string | null;
  /** How long it looks for a coordinator that does not answer, ms. */
  waitMs: number;
  verbose: boolean;
  /** When asked: give the shards back, leave, end. */
  stop: StopRequest;
  say: (line: string) => void;
  /** Called when the coordinator has taken this worker: from here on it may have shards to finish. */
  onJoined: () => void;
}

/** Resolves when the run has ended or was stopped, or the worker was asked to leave. */
export type RunWorker = (request: WorkerRequest) => Promise<'done' | 'stopped' | 'left'>;

const EXAMPLES = `Examples:
  tfjs-parallel worker --host 10.0.0.5:29500 --gpus all --token-file token
  tfjs-parallel worker --host 127.0.0.1 --workers 2                        two replicas on this machine's CPU
`;

export function workerCommand(context: CommandContext, loadRunWorker: () => Promise<RunWorker>): Command {
  const command = new Command('worker')
    .description("Lend this machine's devices to a coordinator, one replica on each.")
    .addHelpText('before', EXAMPLES);
  addSettingFlags(command);
  const add = (option: Option) => command.addOption(option.helpGroup(GROUP.network));
  add(new Option('--host <host:port>', 'where the coordinator listens'));
  add(new Option('--worker-name <name>', "shown in the coordinator's lines (default: the machine's name)"));
  add(
    new Option('--wait <seconds>', 'keep looking for a coordinator that does not answer, or went away').default(
      String(LIMITS.workerWaitMs / 1000),
    ),
  );
  add(
    new Option(
      '--max-memory <size>',
      'end rather than take more, such as 8G (default: nine tenths of what its cgroup, or the machine, has)',
    ),
  );
  addTokenFlags(command);
  add(new Option('--tls-ca <file>', 'certificate to trust, PEM (default: keys from the token)'));
  command.addOption(
    new Option('--model <file>', "the coordinator's own model file, where it has layers of your own").helpGroup(GROUP.data),
  );
  command.addOption(
    new Option('--data <file>', 'your data module or file, where the coordinator reads one').helpGroup(GROUP.data),
  );
  return command.action(async () => {
    const host = readOption(command, 'host');
    // Not commander's mandatory option: it would hide a mistyped --host behind a missing one.
    if (host === null) throw hostMissing();
    const coordinator = parseEndpoint(host, { flag: '--host', defaults: DEFAULT_ENDPOINT, leastPort: 1 });
    requireOwnSettings(readSets(command));
    const data = readOption(command, 'data');
    const { config } = await resolveFor(command, context, { data });
    const request = {
      coordinator,
      token: readTokenSource(command, context.environment),
      encryption: readClientEncryption(command, coordinator),
      name: readWorkerName(command),
      devices: chooseDevices(config),
      threadsPerWorker: config.threadsPerWorker,
      dataDir: config.dataDir,
      validationFile: config.validationFile,
      labelFile: config.labelFile,
      dataMemory: config.dataMemory,
      model: readOption(command, 'model'),
      data,
      waitMs: 1000 * wholeNumber(readOption(command, 'wait') ?? '', { flag: '--wait', atLeast: 0 }),
      verbose: readSwitch(command, 'verbose'),
    };
    const maxMemory = readOption(command, 'maxMemory');
    const maxBytes = maxMemory === null ? defaultMaxMemory() : parseMemory(maxMemory, '--max-memory');
    const { endProcessNow } = await import('../terminal/end_process.js');
    const memory = watchMemory({
      maxBytes,
      end: (text, exitCode) => {
        context.stderr.write(printable(text));
        // While TensorFlow is loaded, standard error is caught, and passed on after it (engine/tensorflow/quiet_load.ts).
        setTimeout(() => endProcessNow(exitCode), LAST_WORDS_MS);
      },
    });
    const say = (line: string) => void context.stderr.write(printable(`${line}\n`));
    const watch = await context.watchStop(say, 'finishing the shards under way and leaving');
    try {
      const runWorker = await loadRunWorker();
      const end = await runWorker({ ...request, stop: watch.request, say, onJoined: watch.begin });
      const { reason } = watch.request;
      // A run that was stopped goes on later: whoever starts workers must start this one again.
      context.finish(reason !== null ? exitCodeOf(reason) : end === 'stopped' ? EXIT.stopped : EXIT.ok);
    } finally {
      watch.close();
      memory.close();
    }
  });
}

/** For the reason to get out before the process ends, ms. */
const LAST_WORDS_MS = 1_500;

/** As long as the protocol takes it. */
function readWorkerName(command: Command): string | null {
  const name = readOption(command, 'workerName');
  if (name === null || (name.trim() !== '' && name.length <= LIMITS.maxWorkerNameLength)) return name;
  throw new UsageError({
    code: 'VALUE_INVALID',
    message: `--worker-name wants 1 to ${LIMITS.maxWorkerNameLength} characters, found ${name.trim() === '' ? 'none' : name.length}`,
    next: "for example --worker-name rack-2, or leave it out for the machine's name",
  });
}

/** A file or the environment may be shared with the coordinator; what is typed is meant for this worker. */
function requireOwnSettings(sets: readonly string[]): void {
  for (const assignment of sets) {
    const typed = assignment.split('=')[0].trim();
    const path = FORMER_PATHS.get(typed) ?? typed;
    if (settingAt(path) === undefined || isSettingOf('worker', path)) continue;
    const hasFlag = path === 'data' || path === 'model';
    throw new UsageError({
      code: 'SET_INVALID',
      message: hasFlag ? `--set ${path} does nothing on a worker` : `--set ${path}: the coordinator decides it for all workers`,
      next: hasFlag
        ? `Give this worker its ${path} by the flag of that name.`
        : 'Leave it out here, and give it to the coordinator.',
    });
  }
}

function hostMissing(): UsageError {
  return new UsageError({
    code: 'FLAG_MISSING',
    message: "required option '--host <host:port>' not specified",
    next: 'say where the coordinator listens, for example --host 10.0.0.5:29500; on its own machine --host 127.0.0.1',
  });
}
