/**
 * Owns: the `bench` command: images/s, phases, exchange, time to the first step and memory of this machine, as a table or JSON.
 * Does not: measure. Next hop: src/api/bench.ts.
 */
import { Command, Option } from 'commander';
import type { BenchReport, BenchRequest } from '../../api/bench.js';
import { chooseDevices } from '../../common/device_choice.js';
import { EXIT, UsageError } from '../../common/errors.js';
import { LIMITS } from '../../common/limits.js';
import type { CommandContext } from '../context.js';
import { resolveFor } from '../resolve_for.js';
import { count, plural } from '../../report/value_text.js';
import { addSettingFlags, GROUP, readOption, wholeNumber } from '../setting_flags.js';
import { printable } from '../../common/one_line.js';

export type RunBench = (request: BenchRequest) => Promise<BenchReport>;

const EXAMPLES = `Examples:
  tfjs-parallel bench --gpus none                                    the reference CNN on the CPU
  tfjs-parallel bench --workers 2 --threads-per-worker 1 --precision bf16
  tfjs-parallel bench --model ./resnet.mjs --input-shape 32,32,3 --reporter json
`;

export function benchCommand(context: CommandContext, loadRunBench: () => Promise<RunBench>): Command {
  const command = new Command('bench')
    .description('Measure the training step on this machine, on drawn data.')
    .addHelpText('before', EXAMPLES);
  addSettingFlags(command);
  command.addOption(
    new Option('--steps <n>', 'steps measured; more where a call computes many small ones')
      .default('50')
      .helpGroup(GROUP.training),
  );
  command.addOption(new Option('--warmup-steps <n>', 'steps before the clock counts').default('5').helpGroup(GROUP.training));
  command.addOption(new Option('--input-shape <sizes>', 'of one example').default('28,28,1').helpGroup(GROUP.data));
  command.addOption(new Option('--classes <n>', 'number of classes').default('10').helpGroup(GROUP.data));
  return command.action(async () => {
    const { config } = await resolveFor(command, context);
    const whole = (flag: string, name: string, atLeast: number) =>
      wholeNumber(readOption(command, name) ?? '', { flag, atLeast });
    const request: BenchRequest = {
      model: config.model,
      inputShape: sizes(readOption(command, 'inputShape') ?? ''),
      classes: whole('--classes', 'classes', 2),
      batch: config.batch,
      steps: whole('--steps', 'steps', 1),
      // The step before the first measured one ends where that one begins.
      warmupSteps: whole('--warmup-steps', 'warmupSteps', 1),
      choice: chooseDevices(config),
      threadsPerWorker: config.threadsPerWorker,
      shards: config.shards,
      precision: config.precision,
      compile: config.compile,
      execution: config.execution,
      loss: config.loss,
      optimizer: config.optimizer,
      say: (line) => void context.stderr.write(printable(`${line}\n`)),
    };
    const runBench = await loadRunBench();
    const report = await runBench(request);
    context.stdout.write(
      printable(config.reporter.includes('json') ? `${await jsonLine(report)}\n` : `${benchLines(report).join('\n')}\n`),
    );
    context.finish(EXIT.ok);
  });
}

/** @throws UsageError VALUE_INVALID */
function sizes(text: string): number[] {
  const found = text.split(',').map(Number);
  const values = found.reduce((product, size) => product * size, 1);
  if (found.every((size) => Number.isInteger(size) && size >= 1) && values <= LIMITS.maxDrawnValues) return found;
  throw new UsageError({
    code: 'VALUE_INVALID',
    message: `--input-shape must be the sizes of one example, whole numbers of at least 1 with commas between them, at most ${count(LIMITS.maxDrawnValues)} values in all; found "${text}"`,
    next: 'for example --input-shape 28,28,1',
  });
}

async function jsonLine(report: BenchReport): Promise<string> {
  const { renameKeys, toSnakeCase } = await import('../../common/snake_case.js');
  return JSON.stringify({ v: 1, type: 'bench', ...(renameKeys(report, toSnakeCase) as object) });
}

/** One quantity a line, medians where a step is meant. */
function benchLines(report: BenchReport): string[] {
  const {
    versions,
    replicas,
    shards,
    threadsPerWorker,
    precision,
    execution,
    batch,
    steps,
    stepsInOneCall,
    stepMs,
    cpuMs,
    phasesMs,
    exchangeMs,
    memory,
  } = report;
  const ms = (value: number) => `${value.toFixed(2)} ms`;
  const rows: [string, string][] = [
    ['model', `${report.model}, ${count(report.trainedParameters)} trained parameters`],
    [
      'devices',
      `${plural(replicas, 'replica')} × ${plural(threadsPerWorker, 'thread')}, batch ${batch} in ${plural(shards, 'shard')}, ${precision} ${execution}`,
    ],
    [
      'rate',
      `${count(Math.round(report.imagesPerS))} images/s over ${steps} steps${stepsInOneCall === 1 ? '' : `, ${stepsInOneCall} in one call`}`,
    ],
    ['step', `${ms(stepMs.p50)} median, ${ms(stepMs.p95)} 95th percentile`],
    ['processor', `${ms(cpuMs.p50)} a step median, ${ms(cpuMs.min)} least, all threads together`],
    [
      'phases',
      `data ${ms(phasesMs.data)}, compute ${ms(phasesMs.compute)}, wait ${ms(phasesMs.wait)}, exchange ${ms(phasesMs.exchange)}`,
    ],
    ['exchange', `${ms(exchangeMs.p50)} median, ${ms(exchangeMs.p95)} 95th percentile`],
    ['first step', `${report.firstStepS.toFixed(1)} s after the start of the process`],
    ['peak memory', `${count(Math.round(report.peakMemoryMb))} MB`],
    [
      'a replica',
      `${memory.versions} × ${memory.valuesMb.toFixed(1)} MB of weights and slots, at most ${memory.gradients} × ${memory.gradientMb.toFixed(1)} MB of gradients, beside activations; ${memory.heldMb.toFixed(1)} MB held between steps`,
    ],
    [
      'versions',
      `tfjs-parallel ${versions.tfjsParallel}, Node ${versions.node}, TensorFlow ${versions.tensorflow}, tfjs ${versions.tfjs}`,
    ],
  ];
  rows.push(['change', report.change]);
  return rows.map(([name, value]) => `${name.padEnd(12)} ${value}`);
}
