/**
 * Owns: the `evaluate` command: a saved model, every validation example once, sharded and exact.
 * Does not: evaluate. Next hop: src/train.ts, then src/coordinator/evaluate.ts.
 */
import { existsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Argument, Command } from 'commander';
import { EXIT, TargetNotMetError, type ExitCode } from '../common/errors.js';
import type { TrainConfig } from '../common/train_config.js';
import type { CommandContext } from './context.js';
import { resolveFor } from './resolve_for.js';
import { count, percent } from './run_text.js';
import { addSettingFlags, type SettingFlagName } from './setting_flags.js';

/** What the command asks; `config.model` is the model.json. */
export interface EvaluationRequest {
  config: TrainConfig;
}

/** Mean loss and share of correct predictions over the validation examples. */
export interface EvaluationAnswer {
  loss: number;
  accuracy: number;
  correct: number;
  examples: number;
}

export type RunEvaluation = (request: EvaluationRequest) => Promise<EvaluationAnswer>;

const FLAGS = [
  ...(['data', 'dataDir', 'validationLimit', 'loss', 'batch', 'shards', 'target'] as const),
  ...(['gpus', 'workers', 'threadsPerWorker', 'precision', 'noCompile', 'reporter'] as const),
] satisfies readonly SettingFlagName[];

const EXAMPLES = `Examples:
  tfjs-parallel evaluate runs/mnist-001/checkpoints/epoch-0120          the data and settings of its run
  tfjs-parallel evaluate model.json --data ./data.mjs --workers 2       any tf.LayersModel with its weights
`;

export function evaluateCommand(context: CommandContext, loadRunEvaluation: () => Promise<RunEvaluation>): Command {
  const command = new Command('evaluate')
    .description('Loss and accuracy of a saved model on the validation set, every example once.')
    .addArgument(new Argument('<model>', 'a model.json, or the folder that holds one'))
    .addHelpText('before', EXAMPLES);
  addSettingFlags(command, FLAGS);
  return command.action(async (model: string) => context.finish(await runEvaluate(command, context, model, loadRunEvaluation)));
}

async function runEvaluate(
  command: Command,
  context: CommandContext,
  model: string,
  loadRunEvaluation: () => Promise<RunEvaluation>,
): Promise<ExitCode> {
  const path = modelFileOf(model);
  const { config } = await resolveFor(command, context, {
    flags: FLAGS,
    given: [{ path: 'model', flag: '<model>', value: path }],
    defaultFile: configOfRun(path),
  });
  const runEvaluation = await loadRunEvaluation();
  const answer = await runEvaluation({ config });
  context.stdout.write(answerLine(answer, config));
  if (config.target !== null && !(answer.accuracy >= config.target)) {
    throw new TargetNotMetError({
      code: 'TARGET_NOT_MET',
      message: `the target was ${percent(config.target, 2)} validation accuracy, the model has ${percent(answer.accuracy, 2)}`,
      next: 'train longer, or evaluate a later checkpoint',
    });
  }
  return EXIT.ok;
}

function answerLine({ loss, accuracy, correct, examples }: EvaluationAnswer, { reporter }: TrainConfig): string {
  if (reporter === 'json') {
    return `${JSON.stringify({ v: 1, type: 'evaluation', val_loss: loss, val_acc: accuracy, correct, examples })}\n`;
  }
  return `validation accuracy ${percent(accuracy, 2)} (${count(correct)} of ${count(examples)}), loss ${loss.toFixed(4)}\n`;
}

/** A folder stands for the model.json in it; that the file exists is for whoever reads it to say. */
function modelFileOf(path: string): string {
  return existsSync(path) && statSync(path).isDirectory() ? join(path, 'model.json') : path;
}

/** `runs/mnist-001/checkpoints/epoch-0120/model.json` → `runs/mnist-001/config.yaml`, where there is one. */
function configOfRun(modelFile: string): string | null {
  const file = join(dirname(modelFile), '..', '..', 'config.yaml');
  return existsSync(file) ? file : null;
}
