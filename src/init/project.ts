/**
 * Owns: the files that a first run of one's own data begins with, as text: settings, a model, and a data module where no file of data is named.
 * Does not: look at data (src/cli/commands/init.ts hands in what was found), word the model (model_module.ts) or write.
 */
import type { DataFacts, TargetFacts } from './data_facts.js';
import { modelModule } from './model_module.js';

export interface ProjectRequest {
  /** A file of data; null: a module is written. */
  readonly data: string | null;
  readonly inputs: readonly string[] | null;
  readonly labels: readonly string[] | null;
  readonly validationFile: string | null;
  /** Further settings that say how the data are read, by their names in a file: `image_size: 64`. */
  readonly reading?: Readonly<Record<string, string>>;
  readonly facts: DataFacts;
}

export interface ProjectFile {
  readonly name: string;
  readonly text: string;
}

/** Of the data module that is written. */
export const MODULE_FACTS: DataFacts = {
  name: 'data.mjs',
  inputs: [{ name: 'x', shape: [2] }],
  targets: [{ name: 'y', size: 1, classes: 3 }],
  train: 1500,
  validation: 300,
};

export function projectFiles(request: ProjectRequest): ProjectFile[] {
  return [
    { name: 'run.yaml', text: settings(request) },
    { name: 'model.mjs', text: modelModule(request.facts, described(request.facts)) },
    ...(request.data === null ? [{ name: 'data.mjs', text: DATA_MODULE }] : []),
  ];
}

/** An example in a batch of each, and several batches an epoch of a small set. */
function batchFor(examples: number): number {
  return Math.min(64, 2 ** Math.max(0, Math.floor(Math.log2(examples / 10))));
}

function settings({ data, inputs, labels, validationFile, reading = {}, facts }: ProjectRequest): string {
  const list = (names: readonly string[]): string => `[${names.map((name) => JSON.stringify(name)).join(', ')}]`;
  const lines = [
    '# Settings of a run: npx tfjs-parallel train --config run.yaml',
    '# Each can be given on the command line, too (--epochs 50, --set optimizer.learning_rate=0.01). All of them: docs/settings.md of the package.',
    '',
    'model: ./model.mjs # a module that exports createModel(tf)',
    ...(data === null
      ? ['data: ./data.mjs # a module that exports train, validation and inputShape']
      : [`data: ${JSON.stringify(data)} # ${described(facts)}`]),
    ...(inputs === null
      ? []
      : [`inputs: ${list(inputs)} # the columns or arrays that the model sees; without this line all but the labels`]),
    ...(labels === null ? [] : [`labels: ${list(labels)} # those that it shall answer`]),
    ...(data === null
      ? []
      : validationFile === null
        ? ['# validation_file: another file of the same form, of examples that the model never learns from']
        : [`validation_file: ${JSON.stringify(validationFile)} # examples that the model never learns from`]),
    ...Object.entries(reading).map(([name, value]) => `${name}: ${JSON.stringify(value)}`),
    '',
    ...judged(facts),
    'epochs: 20',
    `batch: ${batchFor(facts.train)} # examples in a step, over all devices together; larger is faster and takes a larger rate`,
    'seed: 1 # the same seed gives the same weights, to the bit',
    'optimizer:',
    '  name: adam',
    '  learning_rate: 0.003 # the first thing to try other values of: ten times more, ten times less',
    '',
    '# gpus: 0,1 # default: all GPUs, or one replica on the CPU where there is none',
    '# workers: 2 # replicas on the CPU',
    '# precision: bf16 # faster on processors that have it (tfjs-parallel doctor says)',
    '',
    facts.validation > 0
      ? '# early_stopping: { patience: 5 } # end when the validation loss or accuracy was no better for five epochs'
      : '# early_stopping: { patience: 5 } # end when the loss was no better for five epochs',
    facts.validation > 0 && isClasses(facts)
      ? 'save_above: 0 # keep the model of each epoch whose validation accuracy is the best so far'
      : '# save_above: 0.5 # keep the model of each epoch whose value is the best so far, and better than this',
  ];
  return `${lines.join('\n')}\n`;
}

/** Said and not left to be guessed: one column of numbers may be a price, or a yes or no. */
function judged({ targets }: DataFacts): string[] {
  const [{ classes }] = targets;
  const lossOf = (target: TargetFacts): string => (target.classes === undefined ? 'mean_squared_error' : 'softmax_cross_entropy');
  const says = classes === undefined ? 'numbers' : 'one class of several';
  if (targets.length === 1)
    return [
      `loss: ${lossOf(targets[0])} # ${says}; docs/models.md has all`,
      ...(classes === undefined
        ? ['metrics: [mean_absolute_error] # by how much an answer is wrong, in the unit of the labels']
        : []),
    ];
  return [
    'loss: # of each output; docs/models.md has all',
    ...targets.map((target) => `  ${JSON.stringify(target.name)}: ${lossOf(target)}`),
  ];
}

const isClasses = ({ targets }: DataFacts): boolean => targets.some(({ classes }) => classes !== undefined);

function described({ inputs, targets, train, validation }: DataFacts): string {
  const shapes = inputs.map(({ shape }) => `[${shape.join(', ')}]`).join(' and ');
  const answers = targets.map(({ size, classes }) =>
    classes === undefined ? `${size} number${size === 1 ? '' : 's'}` : `${classes} classes`,
  );
  return `${train} examples of ${shapes} to ${answers.join(' and ')}${validation === 0 ? '' : `, ${validation} for validation`}`;
}

const DATA_MODULE = `/**
 * The data: typed arrays, one example after the other. Here three kinds of drawn points, so that it runs at once; put your own in their place:
 * read files with node:fs, or a database, and return numbers. For data that do not fit into memory export { count, read(rows) } (docs/data.md of the package).
 */
export const inputShape = [2]; // of one example: [28, 28, 1] for gray images, [columns] for a table
export const classes = 3; // a regression: leave this out, make y a Float32Array, its loss in run.yaml mean_squared_error, and the model's last layer as wide as an answer

export const train = points(${MODULE_FACTS.train}, 7);
export const validation = points(${MODULE_FACTS.validation}, 13); // examples that the model never learns from

function points(count, stride) {
  const x = new Float32Array(count * 2);
  const y = new Int32Array(count);
  for (let i = 0; i < count; i++) {
    const angle = (((i * stride) % 1009) / 1009) * 2 * Math.PI;
    const radius = 0.3 + 0.7 * (((i * stride * 17) % 499) / 499);
    x.set([radius * Math.cos(angle), radius * Math.sin(angle)], 2 * i);
    y[i] = Math.floor((3 * angle) / (2 * Math.PI));
  }
  return { x, y };
}
`;
