/**
 * Owns: the `train` command: its flags, and what they ask of a run.
 * Does not: train. Next hop: src/api/train.ts, then src/coordinator/run.ts.
 */
import { Command, Option } from 'commander';
import type { EndEvent } from '../../common/run_events.js';
import type { TrainingRequest } from '../../api/run_request.js';
import type { CommandContext } from '../context.js';
import type { ResolvedConfig } from '../resolve_config.js';
import { resolveFor } from '../resolve_for.js';
import { runSession } from '../run_session.js';
import { addSettingFlags, GROUP, readOption, readSwitch, typedFlags } from '../setting_flags.js';

/** Resolves when the run has ended, told its observer so, and freed its devices. Rejects with an ExpectedError where it failed. */
export type RunTraining = (request: TrainingRequest) => Promise<EndEvent>;

const EXAMPLES = `Examples:
  tfjs-parallel train                                     the reference run on MNIST, on all GPUs or the CPU
  tfjs-parallel train --gpus 0,1 --epochs 13              one replica on each of two GPUs
  tfjs-parallel train --workers 2 --data synthetic        two replicas on the CPU, nothing to download
  tfjs-parallel train --model ./model.mjs --data ./data.mjs --lr 0.01 --set optimizer.momentum=0.9
  tfjs-parallel train --resume runs/mnist-001             continue where a run ended
`;

export function trainCommand(context: CommandContext, loadRunTraining: () => Promise<RunTraining>): Command {
  const command = new Command('train')
    .description('Train a model on one machine, one replica on each device.')
    .addHelpText('before', EXAMPLES);
  addSettingFlags(command);
  addStartFlags(command);
  return command.action(async () => {
    const start = readStart(command);
    const resolved = await resolveFor(command, context, { resume: start.resume });
    const { config, resumed } = resolved;
    const run: Parameters<typeof runSession>[0]['run'] = async (parts) => {
      const runTraining = await loadRunTraining();
      return runTraining({ ...askedOf(resolved), ...start, ...parts });
    };
    const call = { command: 'train', config, recorded: resumed?.recorded ?? null, typed: typedFlags(command) } as const;
    const verbose = readSwitch(command, 'verbose');
    context.finish(await runSession({ context, call, resume: start.resume, verbose, run }));
  });
}

/** What a run is asked with, from its resolved configuration. */
export function askedOf({ config, provenance, given, configName, resumed }: ResolvedConfig) {
  const { changes = [], maxStepsRecorded = false } = resumed ?? {};
  return { config, provenance, given, configName, changes, maxStepsRecorded };
}

/** Where a run starts from. */
export interface RunStart {
  /** Folder of the run to continue. */
  resume: string | null;
  /** Run folder or model to take the first weights from. */
  initFrom: string | null;
  numericsCheck: 'strict' | 'relaxed';
}

export function addStartFlags(command: Command): void {
  const add = (option: Option) => command.addOption(option.helpGroup(GROUP.saving));
  add(new Option('--resume <run>', 'continue the run in this folder, with its own configuration'));
  add(new Option('--init-from <path>', 'start a new run from the weights of a run folder or model').conflicts('resume'));
  add(
    new Option('--numerics <check>', 'strict: resume only where the arithmetic is the same; relaxed: anywhere').choices([
      'strict',
      'relaxed',
    ]),
  );
}

export function readStart(command: Command): RunStart {
  return {
    resume: readOption(command, 'resume'),
    initFrom: readOption(command, 'initFrom'),
    numericsCheck: readOption(command, 'numerics') === 'relaxed' ? 'relaxed' : 'strict',
  };
}
