/**
 * Owns: the `coordinator` command: its flags, and what they ask of a cluster's run.
 * Does not: coordinate, or load TensorFlow.
 */
import { Command, Option } from 'commander';
import { DEFAULT_ENDPOINT, parseEndpoint, type Endpoint } from '../../common/endpoint.js';
import { UsageError } from '../../common/errors.js';
import { LIMITS } from '../../common/limits.js';
import type { EndEvent } from '../../common/run_events.js';
import type { SettingChange } from '../../common/setting_change.js';
import type { TrainConfig } from '../../common/train_config.js';
import type { CommandContext } from '../context.js';
import {
  addTokenFlags,
  readServerEncryption,
  readTokenSource,
  TOKEN_VARIABLE,
  type Encryption,
  type TokenSource,
} from '../network_flags.js';
import { resolveFor } from '../resolve_for.js';
import { runSession, type SessionParts } from '../run_session.js';
import { addSettingFlags, GROUP, readOption, readSwitch, typedFlags, wholeNumber } from '../setting_flags.js';
import { addStartFlags, askedOf, readStart, type RunStart } from './train.js';

export interface CoordinatorRequest extends RunStart, SessionParts {
  /** `shards` is never null; precision and compile hold for the workers. */
  config: TrainConfig;
  provenance: Record<string, string>;
  configName: string;
  changes: SettingChange[];
  maxStepsRecorded: boolean;
  listen: Endpoint;
  token: TokenSource;
  encryption: Encryption;
  /** Worker processes to wait for before the first step; after it one is enough. */
  minWorkers: number;
  /** How long to wait for them; null for ever. */
  joinTimeoutMs: number | null;
  /** A side that sends no byte for this long counts as gone, ms. */
  silenceMs: number;
}

export type RunCoordinator = (request: CoordinatorRequest) => Promise<EndEvent>;

const EXAMPLES = `Examples:
  tfjs-parallel coordinator --shards 4                                 on this machine alone; workers: worker --host 127.0.0.1
  tfjs-parallel coordinator --shards 8 --listen 0.0.0.0:29500 --token-file token
  tfjs-parallel coordinator --resume runs/mnist-001                    after a crash; workers find it again by themselves
`;

export function coordinatorCommand(context: CommandContext, loadRunCoordinator: () => Promise<RunCoordinator>): Command {
  const command = new Command('coordinator')
    .description('Drive a run whose replicas are on other machines, each started with worker --host.')
    .addHelpText('before', EXAMPLES);
  addSettingFlags(command);
  addStartFlags(command);
  const add = (option: Option) => command.addOption(option.helpGroup(GROUP.network));
  add(new Option('--listen <host:port>', 'where workers connect; 0.0.0.0 for all interfaces').default('127.0.0.1:29500'));
  add(new Option('--min-workers <n>', 'worker processes to wait for before the first step').default('1'));
  add(new Option('--join-timeout <seconds>', 'give up when they have not come (default: never)'));
  add(
    new Option('--silence <seconds>', 'count a worker as gone, and let it count us, after so long without a byte').default(
      String(LIMITS.heartbeatTimeoutMs / 1000),
    ),
  );
  addTokenFlags(command);
  add(new Option('--tls-cert <file>', 'certificate chain, PEM (default: keys from the token)'));
  add(new Option('--tls-key <file>', 'its private key, PEM'));
  return command.action(async () => {
    const start = readStart(command);
    const resolved = await resolveFor(command, context, { resume: start.resume });
    const { config, resumed } = resolved;
    requireShards(config);
    const listen = parseEndpoint(readOption(command, 'listen') ?? '', { flag: '--listen', defaults: DEFAULT_ENDPOINT });
    const joinTimeout = readOption(command, 'joinTimeout');
    const network = {
      listen,
      token: readTokenSource(command, context.environment),
      encryption: readServerEncryption(command, listen),
      minWorkers: wholeNumber(readOption(command, 'minWorkers') ?? '', { flag: '--min-workers', atLeast: 1 }),
      silenceMs: readSilence(command),
      joinTimeoutMs: joinTimeout === null ? null : 1000 * wholeNumber(joinTimeout, { flag: '--join-timeout', atLeast: 1 }),
    };
    const run = async (parts: SessionParts) => {
      const runCoordinator = await loadRunCoordinator();
      return runCoordinator({ ...askedOf(resolved), ...start, ...network, ...parts });
    };
    const call = { command: 'coordinator', config, recorded: resumed?.recorded ?? null, typed: typedFlags(command) } as const;
    const verbose = readSwitch(command, 'verbose');
    const needs = tokenNeeded(network.token);
    context.finish(await runSession({ context, call, resume: start.resume, verbose, needs, run }));
  });
}

/** A secret is in no printed line. */
function tokenNeeded({ kind }: TokenSource): string | null {
  if (kind === 'environment') return `with the token in ${TOKEN_VARIABLE}, as this time`;
  return kind === 'stdin' ? 'with the token on standard input, as this time' : null;
}

function readSilence(command: Command): number {
  const seconds = wholeNumber(readOption(command, 'silence') ?? '', { flag: '--silence', atLeast: LIMITS.minSilenceMs / 1000 });
  const most = LIMITS.maxSilenceMs / 1000;
  if (seconds <= most) return 1000 * seconds;
  throw new UsageError({
    code: 'VALUE_INVALID',
    message: `--silence wants at most ${most} seconds, found ${seconds}`,
    next: 'for example --silence 60, for links that may be interrupted for half a minute',
  });
}

/** In a cluster the number of replicas is not known, and the result must not depend on it. */
function requireShards({ shards }: TrainConfig): void {
  if (shards !== null) return;
  throw new UsageError({
    code: 'SHARDS_MISSING',
    message: 'a cluster needs the number of shards: workers come and go, and the result depends on it',
    next: 'give --shards N, as many as the replicas you expect, or set shards in the configuration',
  });
}
