/**
 * Owns: the `evaluate` command: a saved model, every validation example once, sharded and exact.
 * Does not: evaluate. Next hop: src/api/evaluate_model.ts, then src/coordinator/planes/exact/evaluate.ts.
 */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Argument, Command } from 'commander';
import { EXIT, TargetNotMetError, type ExitCode } from '../../common/errors.js';
import type { TrainConfig } from '../../common/train_config.js';
import type { EvaluateRequest, Evaluation } from '../../api/evaluate_model.js';
import type { CommandContext } from '../context.js';
import { resolveFor } from '../resolve_for.js';
import { RECORD_VERSION } from '../../common/run_record.js';
import { reaches } from '../../objective/values.js';
import { count, percent, valueName, valuesApart, valueText } from '../../report/value_text.js';
import { addSettingFlags } from '../setting_flags.js';
import { printable } from '../../common/one_line.js';

export type RunEvaluation = (request: EvaluateRequest) => Promise<Evaluation>;

const EXAMPLES = `Examples:
  tfjs-parallel evaluate runs/mnist-001/checkpoints/epoch-0120          the data and settings of its run
  tfjs-parallel evaluate runs/mnist-001                                 its latest saved model
  tfjs-parallel evaluate model.json --data ./data.mjs --workers 2       any tf.LayersModel with its weights
`;

export function evaluateCommand(context: CommandContext, loadRunEvaluation: () => Promise<RunEvaluation>): Command {
  const command = new Command('evaluate')
    .description('Loss and metrics of a saved model on the validation set, every example once.')
    .addArgument(new Argument('<model>', 'a model.json, the folder that holds one, or a run folder (its latest model)'))
    .addHelpText('before', EXAMPLES);
  addSettingFlags(command);
  return command.action(async (model: string) => context.finish(await runEvaluate(command, context, model, loadRunEvaluation)));
}

async function runEvaluate(
  command: Command,
  context: CommandContext,
  model: string,
  loadRunEvaluation: () => Promise<RunEvaluation>,
): Promise<ExitCode> {
  const { config } = await resolveFor(command, context, { defaultFile: configOfRun(model) });
  const runEvaluation = await loadRunEvaluation();
  const answer = await runEvaluation({ path: model, config, say: (line) => void context.stderr.write(printable(`${line}\n`)) });
  context.stdout.write(printable(answerLine(answer, config)));
  const { monitor } = answer;
  const value = answer.values[monitor.name];
  if (config.target !== null && !reaches(monitor, value, config.target)) {
    const [target, has] = valuesApart(monitor.name, config.target, value);
    throw new TargetNotMetError({
      code: 'TARGET_NOT_MET',
      message: `the target was ${target} ${valueName(monitor.name)}, the model has ${has}`,
      next: 'train longer, or evaluate a later checkpoint',
    });
  }
  return EXIT.ok;
}

function answerLine({ values, correct, examples }: Evaluation, { reporter }: TrainConfig): string {
  const counted = correct === null ? {} : { correct };
  if (reporter.includes('json')) {
    return `${JSON.stringify({ v: RECORD_VERSION, type: 'evaluation', ...values, ...counted, examples })}\n`;
  }
  const { val_loss: loss, val_acc: accuracy, ...others } = values;
  const parts = Object.entries(others).map(([name, value]) => `${name} ${valueText(name, value)}`);
  if (accuracy !== undefined) {
    const of = correct === null ? '' : ` (${count(correct)} of ${count(examples)})`;
    parts.unshift(`validation accuracy ${percent(accuracy, 2)}${of}`);
    parts.push(`loss ${loss.toFixed(4)}`);
  } else parts.unshift(`validation loss ${valueText('loss', loss)}`);
  return `${parts.join(', ')}\n`;
}

/** Data and settings of the run that the model is from: its folder, a checkpoint's folder in it, or that folder's model.json; null elsewhere. */
function configOfRun(model: string): string | null {
  const up = ['.', join('..', '..'), join('..', '..', '..')].map((steps) => join(model, steps, 'config.yaml'));
  return up.find((file) => existsSync(file) && statSync(file).isFile()) ?? null;
}
