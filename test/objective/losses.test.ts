/**
 * Owns: the losses against numbers computed here by their formulas, and against tfjs's own; which labels fit which outputs.
 */
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import type { UsageError } from '../../src/common/errors.js';
import { installEngine, sigmoidCrossEntropy, softmaxCrossEntropy, type Engine } from '../../src/engine/index.js';
import { createObjective, type Objective } from '../../src/objective/create_objective.js';

let engine: Engine;
beforeAll(() => {
  engine = installEngine();
});
afterAll(() => engine.dispose());

const FUSED = { softmaxCrossEntropy, sigmoidCrossEntropy };

/** A model whose last layer has `units` outputs and this activation. */
function ending(activation: 'linear' | 'softmax' | 'sigmoid' | 'tanh', units: number): tf.LayersModel {
  return tf.sequential({ layers: [tf.layers.dense({ units, activation, inputShape: [3] })] });
}

/** For labels of this shape, which are all zero: their values are judged elsewhere. */
function lossFor(loss: string, model: tf.LayersModel, labelShape: number[], classes?: number, inputShape?: number[]): Objective {
  const size = labelShape.reduce((a, b) => a * b, 1);
  const split = { x: new Float32Array(0), y: new Float32Array(size), count: 1 };
  return createObjective(tf, FUSED, {
    request: { loss, metrics: null },
    compiled: null,
    model,
    inputShapes: [inputShape ?? (model.inputs[0].shape.slice(1) as number[])],
    dataset: {
      name: 'zeros',
      labelShape,
      classes,
      train: split,
      validation: split,
    },
  });
}

/** `correct`: null where there is no accuracy. */
function valuesOf(objective: Objective, labels: tf.Tensor, output: tf.Tensor): { sum: number; correct: number | null } {
  const { sum, sums } = objective.evaluate(labels, output);
  expect([sum.dtype, sum.rank, sums.map(({ dtype, rank }) => `${dtype} ${rank}`)]).toEqual([
    'float32',
    0,
    objective.description.metrics.map(() => 'int32 0'),
  ]);
  return { sum: sum.dataSync()[0], correct: sums[0]?.dataSync()[0] ?? null };
}

const LOGITS = [
  [2, 0, -1],
  [0, 0, 0],
  [-3, 1, 4],
  [50, -50, 0],
];
const CLASSES = [0, 1, 1, 1];

/** −log softmax(row)[wanted], in float64. */
function crossEntropy(row: number[], wanted: number): number {
  const most = Math.max(...row);
  return most + Math.log(row.reduce((sum, logit) => sum + Math.exp(logit - most), 0)) - row[wanted];
}
const EXPECTED = LOGITS.reduce((sum, row, i) => sum + crossEntropy(row, CLASSES[i]), 0);

describe('softmax cross-entropy', () => {
  it('is summed over examples from logits, for class indices and one-hot rows alike', () => {
    const logits = tf.tensor2d(LOGITS);
    const sparse = lossFor('softmax_cross_entropy', ending('linear', 3), [], 3);
    const dense = lossFor('softmax_cross_entropy', ending('tanh', 3), [3]);
    // 0.1698 + 1.0986 + 3.0495 + 100; right in the first row only: in the second the classes tie, and the first of them counts.
    expect(EXPECTED).toBeCloseTo(104.3179, 3);
    for (const { sum, correct } of [
      valuesOf(sparse, tf.tensor1d(CLASSES, 'int32'), logits),
      valuesOf(dense, tf.oneHot(CLASSES, 3), logits),
      valuesOf(dense, tf.cast(tf.oneHot(CLASSES, 3), 'float32'), logits),
    ]) {
      expect(sum).toBeCloseTo(EXPECTED, 4);
      expect(correct).toBe(1);
    }
    const own = tf.losses.softmaxCrossEntropy(tf.oneHot(CLASSES, 3), logits, undefined, undefined, tf.Reduction.SUM);
    expect(valuesOf(sparse, tf.tensor1d(CLASSES, 'int32'), logits).sum).toBeCloseTo(own.dataSync()[0] as number, 4);
  });

  it('takes the output of a softmax for what it is', () => {
    const probabilities = tf.softmax(tf.tensor2d(LOGITS.slice(0, 3)));
    const wanted = LOGITS.slice(0, 3).reduce((sum, row, i) => sum + crossEntropy(row, CLASSES[i]), 0);
    const loss = lossFor('softmax_cross_entropy', ending('softmax', 3), [], 3);
    expect(valuesOf(loss, tf.tensor1d(CLASSES.slice(0, 3), 'int32'), probabilities).sum).toBeCloseTo(wanted, 5);
    const own = tf.metrics.categoricalCrossentropy(tf.oneHot(CLASSES.slice(0, 3), 3), probabilities);
    expect(own.sum().dataSync()[0]).toBeCloseTo(wanted, 5);
  });

  it('takes sigmoids for shares of their sum, as tfjs does', () => {
    const outputs = tf.sigmoid(tf.tensor2d(LOGITS.slice(0, 2)));
    const loss = lossFor('softmax_cross_entropy', ending('sigmoid', 3), [], 3);
    const own = tf.metrics.categoricalCrossentropy(tf.oneHot(CLASSES.slice(0, 2), 3), outputs);
    const { sum } = valuesOf(loss, tf.tensor1d(CLASSES.slice(0, 2), 'int32'), outputs as tf.Tensor2D);
    expect(sum).toBeCloseTo(own.sum().dataSync()[0], 5);
  });

  it('has the gradient softmax − one-hot, through a softmax layer too', () => {
    const labels = tf.tensor1d(CLASSES.slice(0, 3), 'int32');
    const logits = tf.tensor2d(LOGITS.slice(0, 3));
    const wanted = tf.sub(tf.softmax(logits), tf.oneHot(labels, 3)).dataSync();
    const fromLogits = lossFor('softmax_cross_entropy', ending('linear', 3), [], 3);
    const fromSoftmax = lossFor('softmax_cross_entropy', ending('softmax', 3), [], 3);
    const direct = tf
      .grad((x) => fromLogits.evaluate(labels, x).sum)(logits)
      .dataSync();
    const through = tf
      .grad((x) => fromSoftmax.evaluate(labels, tf.softmax(x as tf.Tensor2D)).sum)(logits)
      .dataSync();
    wanted.forEach((value, i) => {
      expect(direct[i]).toBeCloseTo(value, 6);
      expect(through[i]).toBeCloseTo(value, 5);
    });
  });

  it('of rows that do not add up to 1 has the gradient of the value that is shown: Σ row · softmax − row', () => {
    const logits = tf.tensor2d(LOGITS.slice(0, 3));
    // A weight of 0.25 on the wanted class, an example left out, two classes at once.
    const rows = [
      [0.25, 0, 0],
      [0, 0, 0],
      [0, 1, 1],
    ];
    const labels = tf.tensor2d(rows);
    const values = rows.map((row, i) => row.reduce((sum, share, c) => sum + share * crossEntropy(LOGITS[i], c), 0));
    const wanted = rows.flatMap((row, i) => {
      const weight = row.reduce((a, b) => a + b);
      return row.map((share, c) => weight * Math.exp(-crossEntropy(LOGITS[i], c)) - share);
    });
    const fromLogits = lossFor('softmax_cross_entropy', ending('linear', 3), [3]);
    const fromSoftmax = lossFor('softmax_cross_entropy', ending('softmax', 3), [3]);
    for (const [loss, output] of [
      [fromLogits, (x: tf.Tensor) => x],
      [fromSoftmax, (x: tf.Tensor) => tf.softmax(x as tf.Tensor2D)],
    ] as const) {
      expect(valuesOf(loss, labels, output(logits)).sum).toBeCloseTo(values[0] + values[1] + values[2], 5);
      const got = tf
        .grad((x) => loss.evaluate(labels, output(x)).sum)(logits)
        .dataSync();
      wanted.forEach((value, i) => expect(got[i]).toBeCloseTo(value, 5));
    }
  });

  it('stays finite where a softmax is certain and wrong', () => {
    const loss = lossFor('softmax_cross_entropy', ending('softmax', 2), [], 2);
    const { sum, correct } = valuesOf(loss, tf.tensor1d([1], 'int32'), tf.tensor2d([[1, 0]]));
    expect(sum).toBeCloseTo(-Math.log(1e-7), 2);
    expect(correct).toBe(0);
  });
});

describe('sigmoid cross-entropy', () => {
  const logits = [
    [2, -1],
    [0.5, 3],
    [-4, 0.25],
  ];
  const wanted = [
    [1, 0],
    [0, 1],
    [0, 1],
  ];
  const each = logits.map((row, i) => row.reduce((sum, x, j) => sum + Math.log1p(Math.exp(-x)) + (1 - wanted[i][j]) * x, 0));
  const expected = each.reduce((sum, value) => sum + value / 2, 0);

  it('is the mean over outputs, summed over examples; each output is right or wrong by itself', () => {
    const { sum, correct } = valuesOf(
      lossFor('sigmoid_cross_entropy', ending('linear', 2), [2]),
      tf.tensor2d(wanted),
      tf.tensor2d(logits),
    );
    expect(sum).toBeCloseTo(expected, 5);
    expect(correct).toBe(5);
    const own = tf.losses.sigmoidCrossEntropy(tf.tensor2d(wanted), tf.tensor2d(logits), undefined, undefined, tf.Reduction.SUM);
    expect(sum).toBeCloseTo((own.dataSync()[0] as number) / 2, 5);
  });

  it('takes the output of a sigmoid for what it is', () => {
    const loss = lossFor('sigmoid_cross_entropy', ending('sigmoid', 2), [2]);
    const { sum, correct } = valuesOf(loss, tf.tensor2d(wanted), tf.sigmoid(tf.tensor2d(logits)));
    expect(sum).toBeCloseTo(expected, 4);
    expect(correct).toBe(5);
    const own = tf.metrics.binaryCrossentropy(tf.tensor2d(wanted), tf.sigmoid(tf.tensor2d(logits)));
    expect(sum).toBeCloseTo(own.sum().dataSync()[0], 4);
  });

  it('takes yes-or-no labels as class indices of a model with one output', () => {
    const loss = lossFor('sigmoid_cross_entropy', ending('linear', 1), [], 2);
    const { sum, correct } = valuesOf(loss, tf.tensor1d([1, 0, 1], 'int32'), tf.tensor2d([[0], [0], [2]]));
    expect(sum).toBeCloseTo(2 * Math.log(2) + Math.log1p(Math.exp(-2)), 6);
    // A logit of 0 is no yes.
    expect(correct).toBe(2);
  });
});

describe('mean squared error', () => {
  it('is the mean over targets, summed over examples, and knows no correct answers', () => {
    const loss = lossFor('mean_squared_error', ending('linear', 2), [2]);
    const labels = tf.tensor2d([
      [1, 2],
      [3, 4],
    ]);
    const output = tf.tensor2d([
      [1, 4],
      [0, 4],
    ]);
    // (0 + 4) / 2 + (9 + 0) / 2
    expect(valuesOf(loss, labels, output)).toEqual({ sum: 6.5, correct: null });
    expect(tf.metrics.meanSquaredError(labels, output).sum().dataSync()[0]).toBe(6.5);
  });

  it('takes whole targets of one value per example', () => {
    const loss = lossFor('mean_squared_error', ending('linear', 1), []);
    expect(valuesOf(loss, tf.tensor1d([3, 1], 'int32'), tf.tensor2d([[1], [1]]))).toEqual({ sum: 4, correct: null });
  });
});

describe('where the output comes from', () => {
  const PROBABILITIES = tf.tensor2d([[0.7, 0.3]], undefined, 'float32');
  const asProbabilities = -Math.log(0.7);
  const asLogits = crossEntropy([0.7, 0.3], 0);
  const lossOfModel = (model: tf.LayersModel): number =>
    valuesOf(lossFor('softmax_cross_entropy', model, [], 2), tf.tensor1d([0], 'int32'), PROBABILITIES).sum;

  it('is looked for inside nested models', () => {
    const inner = tf.sequential({ layers: [tf.layers.dense({ units: 2, activation: 'softmax', inputShape: [3] })] });
    const outer = tf.sequential({ layers: [tf.layers.dense({ units: 3, inputShape: [3] }), inner] });
    const input = tf.input({ shape: [3] });
    const functional = tf.model({ inputs: input, outputs: outer.apply(input) as tf.SymbolicTensor });
    expect(lossOfModel(outer)).toBeCloseTo(asProbabilities, 5);
    expect(lossOfModel(functional)).toBeCloseTo(asProbabilities, 5);
  });

  it('is looked for behind layers that only reshape, and is the output even where other layers come later in the list', () => {
    const input = tf.input({ shape: [3] });
    const soft = tf.layers.softmax({}).apply(tf.layers.dense({ units: 2 }).apply(input)) as tf.SymbolicTensor;
    const flat = tf.layers.flatten().apply(tf.layers.reshape({ targetShape: [2, 1] }).apply(soft)) as tf.SymbolicTensor;
    expect(lossOfModel(tf.model({ inputs: input, outputs: flat }))).toBeCloseTo(asProbabilities, 5);
    const activated = tf.layers
      .activation({ activation: 'softmax' })
      .apply(tf.layers.dense({ units: 2 }).apply(input)) as tf.SymbolicTensor;
    expect(lossOfModel(tf.model({ inputs: input, outputs: activated }))).toBeCloseTo(asProbabilities, 5);
  });

  it('is no softmax where a softmax is followed by something else', () => {
    const model = tf.sequential({
      layers: [tf.layers.dense({ units: 2, activation: 'softmax', inputShape: [3] }), tf.layers.dense({ units: 2 })],
    });
    expect(lossOfModel(model)).toBeCloseTo(asLogits, 5);
  });
});

test('a model of any size is asked what it gives for the examples at hand', () => {
  const any = tf.sequential({ layers: [tf.layers.conv2d({ filters: 2, kernelSize: 3, inputShape: [null, null, 1] })] });
  const lossOf = (labelShape: number[]): Objective => lossFor('mean_squared_error', any, labelShape, undefined, [5, 6, 1]);
  const output = tf.ones([2, 3, 4, 2]);
  expect(valuesOf(lossOf([3, 4, 2]), tf.zeros([2, 3, 4, 2]), output)).toEqual({ sum: 2, correct: null });
  expect(() => lossOf([1])).toThrow('the model gives 24 values per example, a label has 1 ([1])');
});

test('labels that do not fit the output are refused with both sizes', () => {
  const refusal = (loss: string, model: tf.LayersModel, labelShape: number[], classes?: number): string => {
    try {
      lossFor(loss, model, labelShape, classes);
    } catch (error) {
      const { code, message, exitCode } = error as UsageError;
      return `${exitCode} ${code}: ${message}`;
    }
    return 'taken';
  };
  const image = tf.sequential({ layers: [tf.layers.conv2d({ filters: 2, kernelSize: 1, inputShape: [3, 3, 1] })] });
  expect([
    refusal('softmax_cross_entropy', image, []),
    refusal('softmax_cross_entropy', ending('linear', 3), [4]),
    refusal('softmax_cross_entropy', ending('linear', 3), [], 10),
    refusal('sigmoid_cross_entropy', ending('linear', 3), []),
    refusal('mean_squared_error', ending('linear', 3), [2, 2]),
    refusal('mean_squared_error', ending('linear', 4), [2, 2]),
    refusal('softmax_cross_entropy', ending('linear', 12), [], 10),
    refusal('softmax_cross_entropy', ending('sigmoid', 1), [1]),
    refusal('softmax_cross_entropy', ending('linear', 1), [], 2),
  ]).toMatchInlineSnapshot(`
    [
      "2 LABELS_SHAPE: the model gives 18 values per example, a label has 1 ([])",
      "2 LABELS_SHAPE: the model gives 3 values per example, a label has 4 ([4])",
      "2 LABELS_SHAPE: the model tells 3 classes apart, the labels have 10",
      "2 LABELS_SHAPE: the model gives 3 values per example, a label has 1 ([])",
      "2 LABELS_SHAPE: the model gives 3 values per example, a label has 4 ([2, 2])",
      "taken",
      "taken",
      "2 LOSS_UNFIT: the model gives one value per example, and the share of a class among one is 1 whatever the model learns (softmax_cross_entropy)",
      "2 LOSS_UNFIT: the model gives one value per example, and the share of a class among one is 1 whatever the model learns (softmax_cross_entropy)",
    ]
  `);
});
