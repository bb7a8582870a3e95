/** Owns: every named loss and metric against plain tfjs's own model.evaluate, or numbers that a reader can redo. */
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { installEngine, sigmoidCrossEntropy, softmaxCrossEntropy, type Engine } from '../../src/engine/index.js';
import { createObjective, type Objective } from '../../src/objective/create_objective.js';
import { noTotals, addBatch, valuesOf } from '../../src/objective/values.js';
import { TFJS_LOSSES } from '../../src/objective/tfjs_losses.js';
import { compiledOf, requireNames } from '../../src/objective/compiled.js';

let engine: Engine;
beforeAll(() => {
  engine = installEngine();
});
afterAll(() => engine.dispose());

interface Case {
  readonly model: tf.LayersModel;
  readonly x: number[][];
  readonly labels: number[];
  readonly labelShape: number[];
  readonly loss?: string | null;
  readonly metrics?: string[] | null;
}

function objectiveOf({ model, labels, labelShape, loss = null, metrics = null }: Case): Objective {
  const y = Float32Array.from(labels);
  const split = { x: new Float32Array(0), y, count: y.length / labelShape.reduce((a, b) => a * b, 1) };
  return createObjective(
    tf,
    { softmaxCrossEntropy, sigmoidCrossEntropy },
    {
      request: { loss, metrics },
      compiled: compiledOf(tf, model),
      model,
      inputShapes: [model.inputs[0].shape.slice(1) as number[]],
      dataset: {
        name: 'given',
        labelShape,
        train: split,
        validation: split,
      },
    },
  );
}

/** Values over all examples as one batch, in shards of one and two examples. */
function valuesIn(given: Case): Record<string, number> {
  const objective = objectiveOf(given);
  const width = given.labelShape.reduce((a, b) => a * b, 1);
  const shards = [given.x.slice(0, 1), given.x.slice(1)].map((rows, part) => {
    const own = part === 0 ? given.labels.slice(0, width) : given.labels.slice(width);
    const typed = tf.tensor(own, [rows.length, ...given.labelShape], objective.indices ? 'int32' : 'float32');
    const { sum, sums } = objective.evaluate(typed, given.model.predict(tf.tensor(rows)) as tf.Tensor);
    return { examples: rows.length, lossSum: sum.dataSync()[0], sums: sums.flatMap((of) => [...of.dataSync()]) };
  });
  return valuesOf(objective.description, addBatch(objective.description, noTotals(objective.description), shards));
}

const X = [
  [0.5, -1],
  [2, 0.25],
  [-1.5, 1],
];

function ending(activation: 'softmax' | 'sigmoid' | 'tanh' | 'linear', units = 3): tf.Sequential {
  const kernelInitializer = tf.initializers.glorotUniform({ seed: 7 });
  return tf.sequential({ layers: [tf.layers.dense({ units, activation, inputShape: [2], kernelInitializer })] });
}

const ONE_HOT = [1, 0, 0, 0, 0, 1, 0, 1, 0];
const SIGNS = ONE_HOT.map((value) => 2 * value - 1);

describe("a loss of tfjs's, by name", () => {
  it.each(Object.keys(TFJS_LOSSES))('%s is what model.evaluate says', (loss) => {
    const model = ending(loss.includes('ross') || loss === 'kullbackLeiblerDivergence' ? 'softmax' : 'sigmoid');
    const sparse = loss === 'sparseCategoricalCrossentropy';
    const labels = sparse ? [0, 2, 1] : loss === 'hinge' || loss === 'squaredHinge' ? SIGNS : ONE_HOT;
    const labelShape = sparse ? [] : [3];
    model.compile({ optimizer: 'sgd', loss });
    const plain = model.evaluate(tf.tensor(X), tf.tensor(labels, sparse ? [3, 1] : [3, 3])) as tf.Scalar;
    // Named, and as what the model is compiled with.
    for (const named of [loss, null]) {
      const { loss: value } = valuesIn({ model, x: X, labels, labelShape, loss: named });
      // Each is a mean of three float32 values, added in another order.
      expect(Math.abs(value / plain.dataSync()[0] - 1)).toBeLessThan(8 * 2 ** -24);
    }
  });

  it('of tf.losses and tf.metrics is known by identity', () => {
    const model = ending('sigmoid');
    const loss = tf.losses.huberLoss as unknown as (a: tf.Tensor, b: tf.Tensor) => tf.Tensor;
    model.compile({ optimizer: 'sgd', loss, metrics: [tf.metrics.meanAbsoluteError, 'accuracy'] });
    const compiled = compiledOf(tf, model);
    expect(compiled).toEqual({ loss: 'huber', metrics: ['meanAbsoluteError', 'accuracy'] });
    const labels = ONE_HOT.map((value) => 3 * value);
    const values = valuesIn({ model, x: X, labels, labelShape: [3] });
    const output = model.predict(tf.tensor(X)) as tf.Tensor;
    expect(values.loss).toBeCloseTo(tf.losses.huberLoss(tf.tensor(labels, [3, 3]), output).dataSync()[0] as number, 6);
    expect(Object.keys(values)).toEqual(['loss', 'meanAbsoluteError', 'acc']);
  });

  it('as a function of the program cannot reach a replica, and says what can', () => {
    const model = ending('linear');
    const loss = function mine(a: tf.Tensor, b: tf.Tensor): tf.Tensor {
      return tf.mean(tf.squaredDifference(a, b), -1);
    };
    model.compile({ optimizer: 'sgd', loss, metrics: [loss] });
    const compiled = compiledOf(tf, model)!;
    expect(() => requireNames(compiled, { loss: null, metrics: null })).toThrow(
      /compiled with the loss mine: replicas run in threads/,
    );
    expect(() => requireNames(compiled, { loss: 'mse', metrics: null })).toThrow(/compiled with the metric mine/);
    expect(requireNames(compiled, { loss: 'mse', metrics: ['mae'] })).toEqual({ loss: null, metrics: [] });
    // In a module it is itself; one value per example may be cut into shards.
    expect(objectiveOf({ model, x: X, labels: ONE_HOT, labelShape: [3] }).description).toMatchObject({
      loss: { name: 'mine' },
      metrics: [{ name: 'mine', direction: 'min' }],
      wholeBatch: [],
    });
    const whole = (a: tf.Tensor, b: tf.Tensor): tf.Tensor => tf.mean(tf.squaredDifference(a, b));
    model.compile({ optimizer: 'sgd', loss: whole });
    expect(objectiveOf({ model, x: X, labels: ONE_HOT, labelShape: [3] }).description.wholeBatch).toEqual(['whole']);
  });

  it('gives way to the run’s own setting in so many words', () => {
    const model = ending('softmax');
    model.compile({ optimizer: 'sgd', loss: 'categoricalCrossentropy', metrics: ['accuracy'] });
    const said = (loss: string | null): string[] =>
      objectiveOf({ model, x: X, labels: ONE_HOT, labelShape: [3], loss }).description.notes;
    expect([said(null), said('categorical_crossentropy')]).toEqual([[], []]);
    expect(said('mse')).toEqual([
      "the model is compiled with the loss categoricalCrossentropy; the run's setting loss, mse, is used instead",
    ]);
  });
});

describe('without a loss and without compile', () => {
  const chosen = (model: tf.LayersModel, labels: number[], labelShape: number[]): string => {
    try {
      return objectiveOf({ model, x: X, labels, labelShape }).description.loss.name;
    } catch (error) {
      return (error as { code: string }).code;
    }
  };
  it('one is chosen where no other fits, and refused elsewhere', () => {
    expect([
      chosen(ending('softmax'), [0, 2, 1], []),
      chosen(ending('linear'), [0, 2, 1], []),
      chosen(ending('softmax'), ONE_HOT, [3]),
      chosen(ending('sigmoid'), ONE_HOT, [3]),
      chosen(ending('sigmoid', 1), [0, 1, 1], []),
    ]).toEqual([
      'softmax_cross_entropy',
      'softmax_cross_entropy',
      'softmax_cross_entropy',
      'sigmoid_cross_entropy',
      'sigmoid_cross_entropy',
    ]);
    expect([
      chosen(ending('softmax', 1), [0, 1, 1], [1]),
      chosen(ending('linear'), ONE_HOT, [3]),
      chosen(ending('linear', 1), [0, 1, 1], [1]),
      chosen(ending('sigmoid', 1), [0.5, 1, 1], [1]),
      chosen(ending('softmax'), SIGNS, [3]),
      chosen(ending('sigmoid'), [0, 2, 1], []),
    ]).toEqual(['LOSS_UNFIT', 'LOSS_NEEDED', 'LOSS_NEEDED', 'LOSS_NEEDED', 'LOSS_NEEDED', 'LOSS_NEEDED']);
  });
});

describe('a metric', () => {
  /** A model that gives its input. */
  const identity = (width: number): tf.LayersModel =>
    tf.sequential({ layers: [tf.layers.dense({ units: width, inputShape: [width], kernelInitializer: 'identity' })] });

  it('accuracy of yes and no is of each output; of classes, one for each position', () => {
    const x = [
      [2, -1, 3],
      [-1, -1, 1],
      [1, 1, -2],
    ];
    // Right: 3, 2 and 1 of three.
    const labels = [1, 0, 1, 0, 1, 1, 1, 0, 1];
    const model = identity(3);
    expect(valuesIn({ model, x, labels, labelShape: [3], loss: 'sigmoid_cross_entropy' }).acc).toBe(6 / 9);
    const steps = tf.sequential({ layers: [tf.layers.reshape({ targetShape: [2, 2], inputShape: [4] })] });
    const pairs = [
      [0, 1, 5, 2],
      [3, 1, 0, 9],
      [1, 0, 0, 1],
    ];
    const wanted = [1, 0, 0, 0, 1, 1];
    for (const labelShape of [[2], [2, 1]])
      expect(valuesIn({ model: steps, x: pairs, labels: wanted, labelShape, loss: 'softmax_cross_entropy' }).acc).toBe(4 / 6);
  });

  it.each([
    ['mean_squared_error', [2, 1, 0.9, 0, -1, 1]],
    ['hinge', [1, -1, -1, 1, -1, 1]],
    ['mean_squared_error', [1, 0, 0, 0, 1, 1]],
  ])('accuracy of one output under %s with targets of %j is what model.evaluate says', async (loss, labels) => {
    const model = identity(1);
    model.compile({ optimizer: 'sgd', loss: loss === 'hinge' ? loss : 'meanSquaredError', metrics: ['accuracy'] });
    const x = [[2], [-1], [0.7], [0.2], [0.9], [0.6]];
    const [, truth] = model.evaluate(tf.tensor(x), tf.tensor(labels, [6, 1])) as tf.Scalar[];
    const values = valuesIn({ model, x, labels, labelShape: [1], loss, metrics: ['accuracy'] });
    expect(values.acc).toBeCloseTo((await truth.data())[0], 6);
  });

  it('r2Score is known by identity, is what model.evaluate says, and wants one shard', () => {
    const model = identity(2);
    model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', metrics: [tf.metrics.r2Score] });
    const [x, labels] = [
      [2, 1, 0.5, -1, 3, 2],
      [1e4, 1e4 + 1, 1e4 + 3, 1e4 - 1, 1e4, 1e4 + 2],
    ];
    const [output, target] = [x.map((value) => value + 1e4), labels].map((values) => tf.tensor(values, [3, 2]));
    const [, truth] = model.evaluate(output, target) as tf.Scalar[];
    const objective = objectiveOf({ model, x: [], labels, labelShape: [2] });
    expect(objective.asked).toEqual({ loss: 'mean_squared_error', metrics: ['r2Score'] });
    expect(objective.description.wholeBatch).toEqual(['r2Score']);
    const { sums } = objective.evaluate(target, output);
    expect(sums[0].dataSync()[0] / 3).toBeCloseTo(truth.dataSync()[0], 6);
    expect(requireNames(compiledOf(tf, model)!, { loss: null, metrics: null }).metrics).toEqual(['r2Score']);
  });

  it('top-5 accuracy counts an example with fewer than five classes ahead of the right one', () => {
    const row = [7, 6, 5, 4, 3, 2, 1];
    const given = { model: identity(7), x: [row, row, row], labels: [4, 5, 0], labelShape: [], loss: 'softmax_cross_entropy' };
    expect(valuesIn({ ...given, metrics: ['top_5_accuracy', 'accuracy'] })).toMatchObject({ top_5_acc: 2 / 3, acc: 1 / 3 });
  });

  it('precision, recall and area come from the sums of the whole batch, not of its shards', () => {
    // Probabilities .9 .8 .3 .6, of which the first, third and fourth are positive: 2 of 3 predicted, 2 of 3 found.
    const odds = [0.9, 0.8, 0.3, 0.6].map((p) => [Math.log(p / (1 - p))]);
    const given = { model: identity(1), x: odds, labels: [1, 0, 1, 1], labelShape: [1], loss: 'sigmoid_cross_entropy' };
    const values = valuesIn({ ...given, metrics: ['precision', 'recall', 'auc'] });
    expect([values.precision, values.recall]).toEqual([2 / 3, 2 / 3]);
    // Of three pairs of a positive and the negative, one is in order.
    expect(values.auc).toBeCloseTo(1 / 3, 12);
  });

  it("Huber's loss is half a square up to 1 and linear beyond", () => {
    const given = { model: identity(1), x: [[0.5], [3], [-2]], labels: [0, 0, 0], labelShape: [1] };
    // 0.125, 2.5, 1.5
    expect(valuesIn({ ...given, loss: 'huber', metrics: ['mae'] })).toEqual({ loss: 4.125 / 3, mae: 5.5 / 3 });
  });
});
