/**
 * Owns: the words of a run, as pure functions from events to text: the report's lines, the header, the progress line, the closing lines.
 * Does not: write them or know a terminal (text.ts).
 */
import { hasOneDnnBeyondTensorFlow } from '../common/numerics_class.js';
import type { EndEvent, EpochEvent, StartEvent, StepEvent } from '../common/run_events.js';
import { sparkline } from './sparkline.js';
import type { OptimizerConfig } from '../common/train_config.js';
import { count, duration, plural, valueName, valueText } from './value_text.js';

/** `context: [gpu(0), gpu(1)]`: the report's first line. */
export function contextLine(start: StartEvent): string {
  return `context: [${start.replicas.join(', ')}]`;
}

/**
 * The report's two lines for an epoch, tabs and all, and `saved epoch 17` where the model was saved. Where accuracy is the only metric they are the
 * report's to the byte, and the loss is for standard error; otherwise all values are in them.
 */
export function epochLines(event: EpochEvent): string[] {
  const { values } = event;
  const head = `epoch ${String(event.epoch).padStart(2)}: \t `;
  const names = Object.keys(values).filter((name) => !name.startsWith('val_'));
  const lines = isAccuracyAlone(values)
    ? [
        `${head}${reportPercent(values.acc)}% - train set accuracy`,
        `\t\t ${reportPercent(values.val_acc)}% - validation set accuracy`,
      ]
    : [
        `${head}${valuesText(values, names)} - train set`,
        ...('val_loss' in values ? [`\t\t ${valuesText(values, names, 'val_')} - validation set`] : []),
      ];
  if (event.saved) lines.push(`saved epoch ${event.epoch}`);
  return lines;
}

/** The losses that the report's lines leave out. */
export function lossLines({ epoch, values }: EpochEvent): string[] {
  if (!isAccuracyAlone(values)) return [];
  return [`epoch ${epoch}: ${joined(['loss', 'val_loss'].map((name) => `${name} ${valueText(name, values[name])}`))}`];
}

function isAccuracyAlone(values: Readonly<Record<string, number>>): boolean {
  return Object.keys(values).sort().join() === 'acc,loss,val_acc,val_loss';
}

/** `loss 0.2500, mae 0.1250`, of the training set or with the prefix of another. */
function valuesText(values: Readonly<Record<string, number>>, names: readonly string[], prefix = ''): string {
  return names.map((name) => `${name} ${valueText(name, values[`${prefix}${name}`])}`).join(', ');
}

/** What the program chose for speed where the user said nothing, with what takes it back; empty where it chose nothing. */
function chosenLines({ numerics, memoryKept }: Pick<StartEvent, 'numerics' | 'memoryKept'>): string[] {
  const chosen = [
    ...(hasOneDnnBeyondTensorFlow(numerics) ? ['oneDNN on (TF_ENABLE_ONEDNN_OPTS=0 leaves it off)'] : []),
    ...(memoryKept === true ? ['freed memory kept (MALLOC_TRIM_THRESHOLD_=131072 gives it back)'] : []),
  ];
  return chosen.length === 0 ? [] : [`  speed    ${chosen.join(', ')}`];
}

/** The block above the report: versions, devices, data, model, plan, run. */
export function headerLines({
  versions,
  replicas,
  numerics,
  dataset,
  model,
  objective,
  plan,
  runFolder,
  config,
  memoryKept,
}: StartEvent): string[] {
  const { tfjsParallel, node, tensorflow, tfjs } = versions;
  const threads = numerics.intraOpThreads === 1 ? '1 thread each' : `${numerics.intraOpThreads} threads each`;
  const devices = [...summarize(replicas), numerics.deviceModel, threads, `${numerics.precision} ${numerics.execution}`];
  const epochs = epochsText(plan);
  const megabytes = (plan.bytesPerReplicaStep / 1e6).toFixed(2);
  return [
    joined([`tfjs-parallel ${tfjsParallel}`, `Node ${node}`, `TensorFlow ${tensorflow}`, `tfjs ${tfjs}`]),
    `  devices  ${joined(devices.filter((part) => part !== ''))}`,
    ...chosenLines({ numerics, memoryKept }),
    `  data     ${joined([
      dataset.name,
      `${dataset.train === null ? 'a sequence to' : count(dataset.train)} train`,
      `${validationText(dataset.validation)} validation`,
      `sha256 ${dataset.sha256.slice(0, 12)}`,
    ])}`,
    `  model    ${joined([model.name, `${count(model.trainedParameters)} trained parameters`])}`,
    `  plan     ${joined([
      `batch ${config.batch}${splitText(plan.shardSizes)}`,
      ...(plan.stepsPerEpoch === null ? [] : [`${plural(plan.stepsPerEpoch, 'step')}/epoch`]),
      epochs,
      optimizerText(config.optimizer),
      `all-reduce exact, ${megabytes} MB/step/replica`,
    ])}`,
    ...batchNormLines(plan, config),
    `  judged   ${joined([objective.loss, ...objective.metrics, `best is the ${bestText(objective.monitor)}`])}`,
    `  run      ${runFolder === '' ? 'nothing is kept' : runFolder}`,
  ];
}

/** What a reader who knows model.fit would not expect. */
function batchNormLines({ batchNormPerShard, shardSizes }: StartEvent['plan'], { batch }: StartEvent['config']): string[] {
  if (!batchNormPerShard) return [];
  const [first] = shardSizes;
  return [
    `  norm     batch norm over each shard of ${first}, not over the batch of ${batch} as model.fit on one device: that is --shards 1`,
  ];
}

function bestText({ name, direction }: StartEvent['objective']['monitor']): string {
  return `${direction === 'max' ? 'largest' : 'smallest'} ${name}`;
}

/** `130 epochs`; of a resumed run, those that remain. */
function epochsText({ firstEpoch, epochs }: StartEvent['plan']): string {
  if (firstEpoch <= 1) return plural(epochs, 'epoch');
  if (firstEpoch > epochs) return `${plural(epochs, 'epoch')}, all done`;
  return firstEpoch < epochs ? `epochs ${firstEpoch} to ${epochs}` : `epoch ${firstEpoch} of ${epochs}`;
}

/** ` = 67 + 67 + 66`, or ` = 8 × 25` beyond four shards; nothing for one. */
function splitText(sizes: readonly number[]): string {
  if (sizes.length < 2) return '';
  if (sizes.length <= 4) return ` = ${sizes.join(' + ')}`;
  const groups: { size: number; times: number }[] = [];
  for (const size of sizes) {
    const last = groups.at(-1);
    if (last?.size === size) last.times += 1;
    else groups.push({ size, times: 1 });
  }
  return ` = ${groups.map(({ size, times }) => `${times} × ${size}`).join(' + ')}`;
}

function optimizerText({ name, learningRate, momentum, nesterov, weightDecay, clipNorm, schedule }: OptimizerConfig): string {
  const parts = [`${name} ${learningRate}`];
  if (name === 'sgd' && momentum !== 0) parts.push(`${nesterov ? 'nesterov' : 'momentum'} ${momentum}`);
  if (weightDecay !== 0) parts.push(`weight decay ${weightDecay}`);
  if (clipNorm !== null) parts.push(`clip ${clipNorm}`);
  if (schedule.name === 'step') parts.push(`× ${schedule.decay} at epochs ${schedule.milestones.join(', ')}`);
  if (schedule.name === 'cosine') parts.push(`cosine to ${schedule.finalFraction}`);
  if (schedule.warmupEpochs !== 0) parts.push(`warm-up ${plural(schedule.warmupEpochs, 'epoch')}`);
  return parts.join(', ');
}

/** Names as they are up to eight replicas, then the first, the last and how many. */
function summarize(replicas: readonly string[]): string[] {
  if (replicas.length <= 8) return [...replicas];
  return [`${replicas[0]} … ${replicas[replicas.length - 1]}`, `${replicas.length} replicas`];
}

export interface Progress {
  step: StepEvent;
  epochs: number;
  /** Seconds to the run's end; null while unknown. */
  etaS: number | null;
}

/** Columns of the bar where there is room. */
const BAR_COLUMNS = 20;
const MIN_BAR_COLUMNS = 6;

/** `epoch   2/130 ━━━━━━━━━━━╸──── 214/300  loss 0.0431  acc 98.6 %  14,310 img/s  eta 10m 26s`, in at most `columns`: what is last goes first. */
export function progressLine({ step, epochs, etaS }: Progress, { columns }: { columns: number }): string {
  const head = `epoch ${String(step.epoch).padStart(String(epochs).length)}/${epochs} `;
  const { stepInEpoch, stepsPerEpoch: all } = step;
  const steps = all === null ? ` step ${stepInEpoch}` : ` ${String(stepInEpoch).padStart(String(all).length)}/${all}`;
  const details = progressDetails({ step, epochs, etaS }).map((detail) => `  ${detail}`);
  const fixed = head.length + steps.length;
  while (details.length > 0 && fixed + MIN_BAR_COLUMNS + lengthOf(details) > columns) details.pop();
  const bar = Math.min(BAR_COLUMNS, columns - fixed - lengthOf(details));
  const drawn = bar < MIN_BAR_COLUMNS || all === null ? '' : barText({ done: stepInEpoch, all, columns: bar });
  return `${head}${drawn}${steps}${details.join('')}`.slice(0, Math.max(0, columns));
}

/** `val_acc ▁▃▅▆▇█ 98.1 %  best 98.3 % at epoch 7`, in at most `columns`; null before the second epoch. */
export function curveLine(
  { name, direction }: StartEvent['objective']['monitor'],
  history: readonly { readonly epoch: number; readonly value: number }[],
  { columns }: { columns: number },
): string | null {
  const last = history.at(-1);
  if (last === undefined || history.length < 2) return null;
  const better = (a: number, b: number): boolean => (direction === 'max' ? a > b : a < b);
  const best = history.reduce((so, point) => (better(point.value, so.value) || Number.isNaN(so.value) ? point : so));
  const values = ` ${valueText(name, last.value)}  best ${valueText(name, best.value)}`;
  const roomBeside = (after: string): number => Math.min(CURVE_COLUMNS, columns - name.length - 1 - after.length);
  const whole = `${values} at epoch ${best.epoch}`;
  // A curve is worth more than the epoch's number.
  const after = roomBeside(whole) < LEAST_CURVE_COLUMNS ? values : whole;
  const room = roomBeside(after);
  const curve = sparkline(
    history.map(({ value }) => value),
    room,
  );
  return `${name} ${curve}${after}`.slice(0, Math.max(0, columns));
}

const CURVE_COLUMNS = 40;
const LEAST_CURVE_COLUMNS = 5;

/** The same without a bar, for logs. */
export function progressLogLine(progress: Progress): string {
  const { step, epochs } = progress;
  return joined([
    `epoch ${step.epoch}/${epochs}`,
    `step ${step.stepInEpoch}${step.stepsPerEpoch === null ? '' : `/${step.stepsPerEpoch}`}`,
    ...progressDetails(progress),
  ]);
}

function progressDetails({ step, etaS }: Progress): string[] {
  return [
    ...Object.entries(step.epochValues).map(([name, value]) => `${name} ${valueText(name, value, 1)}`),
    `${count(Math.round(step.imagesPerS))} img/s`,
    ...(etaS === null ? [] : [`eta ${duration(etaS)}`]),
  ];
}

/** `━━━━╸─────` */
export function barText({ done, all, columns }: { done: number; all: number; columns: number }): string {
  const halves = all === 0 ? 0 : Math.floor((2 * columns * done) / all);
  const full = Math.floor(halves / 2);
  const half = halves % 2 === 1 ? '╸' : '';
  return '━'.repeat(full) + half + '─'.repeat(columns - full - half.length);
}

const HOW_ENDED: Partial<Record<EndEvent['reason'], string>> = {
  done: 'done:',
  stopped_early: 'stopped early:',
  max_steps: 'max_steps reached:',
};

/** What a run leaves its user with. */
export function endLines(end: EndEvent): string[] {
  const best =
    end.best === null
      ? []
      : [`best ${valueName(end.best.monitor)} ${valueText(end.best.monitor, end.best.value)} at epoch ${end.best.epoch}`];
  const how = HOW_ENDED[end.reason] ?? `${end.reason} after`;
  return [
    joined([`${how} ${plural(end.epochs, 'epoch')}, ${plural(end.steps, 'step')}`, ...best]),
    ...(end.weightsSha256 === '' ? [] : [`weights_sha256 ${end.weightsSha256}`]),
  ];
}

function validationText(examples: number | null): string {
  if (examples === null) return 'a sequence of';
  return examples === 0 ? 'no' : count(examples);
}

/** As the report prints it: two decimals, `9.80` as wide as `94.99`. */
function reportPercent(fraction: number): string {
  return (100 * fraction).toFixed(2).padStart(5);
}

function joined(parts: readonly string[]): string {
  return parts.join(' · ');
}

function lengthOf(parts: readonly string[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0);
}
