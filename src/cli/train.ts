/**
 * Owns: the `train` command: its flags, its reporter, its exit code.
 * Does not: train. Next hop: src/train.ts, then src/coordinator/run.ts.
 */
import { Command, Option } from 'commander';
import { EXIT, TargetNotMetError, type ExitCode } from '../common/errors.js';
import type { EndEvent, RunObserver } from '../common/run_events.js';
import { exitCodeOf, type StopRequest } from '../common/stop_request.js';
import type { TrainConfig } from '../common/train_config.js';
import type { CommandContext } from './context.js';
import { resolveFor } from './resolve_for.js';
import { addSettingFlags, GROUP, readOption, readSwitch, type SettingFlagName } from './setting_flags.js';

/** What the command asks of src/train.ts. */
export interface TrainingRequest {
  config: TrainConfig;
  /** Dotted snake_case path → where the value came from. */
  provenance: Record<string, string>;
  /** Runs without a name are called `<configName>-001`, … */
  configName: string;
  /** Folder of the run to continue. */
  resume: string | null;
  /** Run folder or model to take the first weights from. */
  initFrom: string | null;
  observer: RunObserver;
  /** When asked: finish the step, save, end with its reason as the end's reason. */
  stop: StopRequest;
}

/** Resolves when the run has ended, told its observer so, and freed its devices. Rejects with an ExpectedError where it failed. */
export type RunTraining = (request: TrainingRequest) => Promise<EndEvent>;

const FLAGS = [
  ...(['model', 'data', 'dataDir', 'trainLimit', 'validationLimit'] as const),
  ...(['epochs', 'maxSteps', 'batch', 'lr', 'loss', 'seed', 'shards', 'target'] as const),
  ...(['gpus', 'workers', 'threadsPerWorker', 'precision', 'noCompile'] as const),
  ...(['runDir', 'name', 'saveAbove', 'keep', 'checkpointEvery', 'onCheckpointFailure'] as const),
  ...(['reporter', 'logEvery'] as const),
] satisfies readonly SettingFlagName[];

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
  addSettingFlags(command, FLAGS);
  command.addOption(
    new Option('--resume <run>', 'continue the run in this folder, with its own configuration').helpGroup(GROUP.saving),
  );
  command.addOption(
    new Option('--init-from <path>', 'start a new run from the weights of a run folder or model')
      .helpGroup(GROUP.saving)
      .conflicts('resume'),
  );
  return command.action(async () => context.finish(await runTrain(command, context, loadRunTraining)));
}

async function runTrain(
  command: Command,
  context: CommandContext,
  loadRunTraining: () => Promise<RunTraining>,
): Promise<ExitCode> {
  const resume = readOption(command, 'resume');
  const { config, provenance, configName } = await resolveFor(command, context, { flags: FLAGS, resume });
  const { openReporter } = await import('./open_reporter.js');
  const reporter = await openReporter({ config, verbose: readSwitch(command, 'verbose'), context });
  const watch = await context.watchStop(reporter.say);
  const best = bestSeen();
  try {
    const runTraining = await loadRunTraining();
    const observer: RunObserver = (event) => {
      best.observer(event);
      reporter.observer(event);
    };
    const initFrom = readOption(command, 'initFrom');
    const end = await runTraining({ config, provenance, configName, resume, initFrom, observer, stop: watch.request });
    return exitCodeOfEnd(end, { config, reached: best.valAcc() });
  } catch (error) {
    if (stoppedBeforeStart(error, watch.request)) return exitCodeOf(watch.request.reason);
    throw error;
  } finally {
    reporter.close();
    watch.close();
  }
}

/** @throws TargetNotMetError where the run came to its own end below `target` */
function exitCodeOfEnd(end: EndEvent, { config, reached }: { config: TrainConfig; reached: number }): ExitCode {
  if (end.reason === 'interrupted' || end.reason === 'stopped') return exitCodeOf(end.reason);
  if (config.target !== null && reached < config.target) {
    const percent = (fraction: number) => `${(100 * fraction).toFixed(2)} %`;
    throw new TargetNotMetError({
      code: 'TARGET_NOT_MET',
      message: `the target was ${percent(config.target)} validation accuracy, the best epoch reached ${percent(reached)}`,
      next: 'train longer (--epochs), or change the learning rate or the target',
    });
  }
  return EXIT.ok;
}

/** Whoever was preparing when the stop came may reject with the signal's reason. */
function stoppedBeforeStart(error: unknown, { asked, hurry }: StopRequest): boolean {
  return (
    asked.aborted && (error === asked.reason || error === hurry.reason || (error instanceof Error && error.name === 'AbortError'))
  );
}

/** The best validation accuracy of any epoch, those before a resume included. */
function bestSeen(): { observer: RunObserver; valAcc: () => number } {
  let best = 0;
  return {
    observer: (event) => {
      // Without validation examples there is no accuracy: NaN is never above anything.
      if (event.type === 'epoch' && event.valAcc > best) best = event.valAcc;
      if (event.type === 'end' && event.best !== null && event.best.valAcc > best) best = event.best.valAcc;
    },
    valAcc: () => best,
  };
}
