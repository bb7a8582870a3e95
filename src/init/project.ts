/**
 * Owns: the files that a first run of one's own data begins with, as text: settings, a model, and a data module where no file of data is named.
 * Does not: look at data (src/cli/commands/init.ts hands in what was found) or write.
 */

/** What the model must take and answer. */
export interface DataFacts {
  /** For people: `points.csv`. */
  readonly name: string;
  /** Of one example, channels last. */
  readonly inputs: readonly { readonly name: string; readonly shape: readonly number[] }[];
  readonly targets: readonly { readonly name: string; readonly size: number; readonly classes?: number }[];
  readonly train: number;
  /** 0 where there is none. */
  readonly validation: number;
}

export interface ProjectRequest {
  /** A file of data; null: a module is written. */
  readonly data: string | null;
  readonly inputs: readonly string[] | null;
  readonly labels: readonly string[] | null;
  readonly validationFile: string | null;
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
    { name: 'model.mjs', text: model(request.facts) },
    ...(request.data === null ? [{ name: 'data.mjs', text: DATA_MODULE }] : []),
  ];
}

/** An example in a batch of each, and several batches an epoch of a small set. */
function batchFor(examples: number): number {
  return Math.min(64, 2 ** Math.max(0, Math.floor(Math.log2(examples / 10))));
}

function settings({ data, inputs, labels, validationFile, facts }: ProjectRequest): string {
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
    '',
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

const isClasses = ({ targets }: DataFacts): boolean => targets.some(({ classes }) => classes !== undefined);

function described({ inputs, targets, train, validation }: DataFacts): string {
  const shapes = inputs.map(({ shape }) => `[${shape.join(', ')}]`).join(' and ');
  const answers = targets.map(({ size, classes }) =>
    classes === undefined ? `${size} number${size === 1 ? '' : 's'}` : `${classes} classes`,
  );
  return `${train} examples of ${shapes} to ${answers.join(' and ')}${validation === 0 ? '' : `, ${validation} for validation`}`;
}

function model(facts: DataFacts): string {
  const body = facts.inputs.length === 1 && facts.targets.length === 1 ? sequential(facts) : functional(facts);
  return `/**
 * The model: ${described(facts)}.
 * \`createModel\` gets tfjs and returns a tf.LayersModel; initial weights are drawn from the run's seed. Try layers here, then train again.
 * What can be used, and losses and metrics: docs/models.md of the package.
 */
export function createModel(tf) {
${body}
}
`;
}

function sequential({ inputs: [{ shape }], targets: [target] }: DataFacts): string {
  const layers = [...hiddenLayers(shape, true), lastLayer(target)];
  return `  return tf.sequential({\n    layers: [\n${layers.map((layer) => `      ${layer}`).join('\n')}\n    ],\n  });`;
}

/** Several inputs or outputs: each input has layers of its own, which are joined. */
function functional({ inputs, targets }: DataFacts): string {
  const lines = inputs.flatMap(({ name, shape }, at) => {
    const steps = hiddenLayers(shape, false).map((layer) => `  x${at} = ${layer.replace(/,?( \/\/.*)?$/, '')}.apply(x${at});`);
    return [
      `  const input${at} = tf.input({ shape: ${json(shape)}, name: ${JSON.stringify(name)} });`,
      `  let x${at} = input${at};`,
      ...steps,
    ];
  });
  const joined = inputs.length === 1 ? 'x0' : `tf.layers.concatenate().apply([${inputs.map((_, at) => `x${at}`).join(', ')}])`;
  const outputs = targets.map((target) => {
    const layer = lastLayer(target)
      .replace(/,?( \/\/.*)?$/, '')
      .replace(' })', `, name: ${JSON.stringify(target.name)} })`);
    return `${layer}.apply(joined)`;
  });
  return [
    ...lines,
    `  const joined = ${joined};`,
    `  return tf.model({ inputs: [${inputs.map((_, at) => `input${at}`).join(', ')}], outputs: [${outputs.join(', ')}] });`,
  ].join('\n');
}

/** By the shape of an example: images, sequences, vectors. `named`: the first layer says what comes in. */
function hiddenLayers(shape: readonly number[], named: boolean): string[] {
  const first = named ? `inputShape: ${json(shape)}` : '';
  const also = named ? `, ${first}` : '';
  if (shape.length === 3 && Math.min(shape[0], shape[1]) >= 8)
    return [
      `tf.layers.conv2d({ filters: 16, kernelSize: 3, activation: 'relu'${also} }),`,
      'tf.layers.maxPooling2d({ poolSize: 2 }),',
      "tf.layers.conv2d({ filters: 32, kernelSize: 3, activation: 'relu', padding: 'same' }),",
      'tf.layers.globalAveragePooling2d({}),',
      "tf.layers.dense({ units: 64, activation: 'relu' }),",
    ];
  if (shape.length === 2 && shape[0] >= 8)
    return [
      `tf.layers.conv1d({ filters: 32, kernelSize: 5, activation: 'relu', padding: 'same'${also} }),`,
      'tf.layers.globalAveragePooling1d({}),',
      "tf.layers.dense({ units: 64, activation: 'relu' }),",
    ];
  const flat = shape.length === 1 ? [] : [`tf.layers.flatten({ ${first} }),`];
  const start = shape.length === 1 ? `{ ${first} }` : '{}';
  return [
    ...flat,
    `tf.layers.batchNormalization(${start.replace('{  }', '{}')}), // columns of any size: brings each to mean 0 and spread 1`,
    "tf.layers.dense({ units: 64, activation: 'relu' }),",
    "tf.layers.dense({ units: 64, activation: 'relu' }),",
  ].map((layer) => layer.replace('{  }', '{}'));
}

function lastLayer({ size, classes }: DataFacts['targets'][number]): string {
  if (classes === undefined) return `tf.layers.dense({ units: ${size} }), // numbers: the loss is mean_squared_error`;
  return `tf.layers.dense({ units: ${classes} }), // a score for each class: the loss is softmax_cross_entropy`;
}

const json = (shape: readonly number[]): string => `[${shape.join(', ')}]`;

const DATA_MODULE = `/**
 * The data: typed arrays, one example after the other. Here three kinds of drawn points, so that it runs at once; put your own in their place:
 * read files with node:fs, or a database, and return numbers. For data that do not fit into memory export { count, read(rows) } (docs/data.md of the package).
 */
export const inputShape = [2]; // of one example: [28, 28, 1] for gray images, [columns] for a table
export const classes = 3; // leave this out for a regression, and make y a Float32Array

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
