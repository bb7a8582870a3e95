/** Owns: the module of a first model, as text: layers by the shape of an example, and a last one by what is to be answered. */
import type { DataFacts, TargetFacts } from './data_facts.js';

/** Moving statistics that follow within a few hundred steps: tfjs's own, 0.99, are far behind in short runs, and validation is then judged by wrong ones. */
const NORMALIZATION = 'momentum: 0.9';

/** `says`: what the data are, for the head of the file. */
export function modelModule(facts: DataFacts, says: string): string {
  const body = facts.inputs.length === 1 && facts.targets.length === 1 ? sequential(facts) : functional(facts);
  return `/**
 * The model: ${says}.
 * \`createModel\` gets tfjs and returns a tf.LayersModel; initial weights are drawn from the run's seed. Try layers here, then train again.
 * What can be used, and losses and metrics: docs/models.md of the package.
 */
export function createModel(tf) {
${body}
}
`;
}

function sequential({ inputs: [{ shape }], targets: [target] }: DataFacts): string {
  const layers = [
    ...hiddenLayers(shape, `inputShape: ${json(shape)}`).map(({ code, note }) => `${code},${comment(note)}`),
    ...lastLayers(target, '').map(({ code, note }) => `${code},${comment(note)}`),
  ];
  return `  return tf.sequential({\n    layers: [\n${layers.map((layer) => `      ${layer}`).join('\n')}\n    ],\n  });`;
}

/** Several inputs or outputs: each input has layers of its own, which are joined. */
function functional({ inputs, targets }: DataFacts): string {
  const lines = inputs.flatMap(({ name, shape }, at) => [
    `  const input${at} = tf.input({ shape: ${json(shape)}, name: ${JSON.stringify(name)} });`,
    `  let x${at} = input${at};`,
    ...hiddenLayers(shape, '').map(({ code, note }) => `  x${at} = ${code}.apply(x${at});${comment(note)}`),
  ]);
  const joined = inputs.length === 1 ? 'x0' : `tf.layers.concatenate().apply([${inputs.map((_, at) => `x${at}`).join(', ')}])`;
  const answers = targets.flatMap((target, at) => {
    const layers = lastLayers(target, JSON.stringify(target.name));
    const applied = layers.reduce((before, { code }) => `${code}.apply(${before})`, 'joined');
    return [...layers.map(({ note }) => `  // ${note}`), `  const output${at} = ${applied};`];
  });
  return [
    ...lines,
    `  const joined = ${joined};`,
    ...answers,
    `  return tf.model({ inputs: [${inputs.map((_, at) => `input${at}`).join(', ')}], outputs: [${targets.map((_, at) => `output${at}`).join(', ')}] });`,
  ].join('\n');
}

interface WrittenLayer {
  readonly code: string;
  readonly note?: string;
}

const comment = (note?: string): string => (note === undefined ? '' : ` // ${note}`);

/** By the shape of an example: images, sequences, vectors. `first`: what the first layer is told besides. */
function hiddenLayers(shape: readonly number[], first: string): WrittenLayer[] {
  const also = first === '' ? '' : `, ${first}`;
  const normalized = { code: `tf.layers.batchNormalization({ ${NORMALIZATION} })` };
  const dense = { code: "tf.layers.dense({ units: 64, activation: 'relu' })" };
  if (shape.length === 3 && Math.min(shape[0], shape[1]) >= 8)
    return [
      { code: `tf.layers.conv2d({ filters: 16, kernelSize: 3${also} })` },
      ...[normalized, { code: 'tf.layers.reLU()' }, { code: 'tf.layers.maxPooling2d({ poolSize: 2 })' }],
      { code: "tf.layers.conv2d({ filters: 32, kernelSize: 3, padding: 'same' })" },
      ...[normalized, { code: 'tf.layers.reLU()' }, { code: 'tf.layers.globalAveragePooling2d({})' }, dense],
    ];
  if (shape.length === 2 && shape[0] >= 8)
    return [
      { code: `tf.layers.conv1d({ filters: 32, kernelSize: 5, activation: 'relu', padding: 'same'${also} })` },
      ...[{ code: 'tf.layers.globalAveragePooling1d({})' }, dense],
    ];
  const isVector = shape.length === 1;
  return [
    ...(isVector ? [] : [{ code: first === '' ? 'tf.layers.flatten()' : `tf.layers.flatten({ ${first} })` }]),
    {
      code: `tf.layers.batchNormalization({ ${NORMALIZATION}${isVector ? also : ''} })`,
      note: 'columns of any size: brings each to mean 0 and spread 1',
    },
    ...[dense, dense],
  ];
}

/** `named`: the output's name as it stands in a program, or nothing. */
function lastLayers({ size, classes, scale }: TargetFacts, named: string): WrittenLayer[] {
  const also = named === '' ? '' : `, name: ${named}`;
  if (classes !== undefined)
    return [
      {
        code: `tf.layers.dense({ units: ${classes}${also} })`,
        note: 'a score for each class: the loss is softmax_cross_entropy',
      },
    ];
  const note = 'numbers: the loss is mean_squared_error';
  if (scale === undefined) return [{ code: `tf.layers.dense({ units: ${size}${also} })`, note }];
  const spreads = scale.map(({ spread }, row) => `[${scale.map((_, column) => (row === column ? spread : 0)).join(', ')}]`);
  const weights = `[tf.tensor2d([${spreads.join(', ')}]), tf.tensor1d([${scale.map(({ mean }) => mean).join(', ')}])]`;
  return [
    { code: `tf.layers.dense({ units: ${size} })`, note },
    {
      code: `tf.layers.dense({ units: ${size}, trainable: false, weights: ${weights}${also} })`,
      note: 'times the spread of the labels, plus their mean: the layers before answer numbers around 0',
    },
  ];
}

const json = (shape: readonly number[]): string => `[${shape.join(', ')}]`;
