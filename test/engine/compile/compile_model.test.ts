/** The compiled training step of a LayersModel against the same step op by op, and against float64. */
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  installEngine,
  scaledFloat,
  softmaxCrossEntropy,
  upload,
  withBatchStatistics,
  withDropout,
  type Engine,
} from '../../../src/engine/index.js';
import { createGluonCnn } from '../../../src/models/gluon_cnn.js';
import { furthestTensor, loadGolden } from '../../support/golden.js';
import { sizeOf } from '../../support/golden_formula.js';

/** Of float32 against float64, per tensor: test/golden/README.md says where it comes from. */
const GOLDEN_TOLERANCE = 1e-4;

interface StepResult {
  loss: tf.Tensor;
  gradients: tf.Tensor[];
  statistics: tf.Tensor[];
}

describe('a compiled training step of a LayersModel', () => {
  let engine: Engine;
  beforeAll(() => {
    // As replicas have it; on a GPU alone it makes a difference.
    engine = installEngine({ deterministicGpu: true });
  });
  afterAll(() => engine.dispose());

  const values = (tensor: tf.Tensor): number[] => Array.from(tensor.dataSync());
  const norm = (list: number[]): number => Math.sqrt(list.reduce((sum, value) => sum + value * value, 0));
  const distance = (got: number[], wanted: number[]): number =>
    norm(got.map((value, index) => value - wanted[index])) / Math.max(norm(wanted), 1e-6);

  /**
   * Kernel and bias of a layer as the one matrix that their gradient is: a bias is the kernel's row for an input of 1. Before batch norm the
   * sums of that row nearly cancel, so its rounding is in proportion to the matrix and not to what is left of the row.
   */
  function byLayer(model: tf.LayersModel, gradients: tf.Tensor[]): number[][] {
    const layers = new Map<string, number[]>();
    model.trainableWeights.forEach(({ name }, index) => {
      const layer = name.split('/')[0];
      layers.set(layer, [...(layers.get(layer) ?? []), ...values(gradients[index])]);
    });
    return [...layers.values()];
  }

  function trainedVariables(model: tf.LayersModel): tf.Variable[] {
    return model.trainableWeights.map((weight) => (weight as unknown as { val: tf.Variable }).val);
  }

  /** The same at each run: how much rounding is magnified depends on the weights. */
  function fixWeights(model: tf.LayersModel): void {
    const fixed = model
      .getWeights()
      .map((weight, index) => (weight.rank > 1 ? tf.randomUniform(weight.shape, -0.3, 0.3, 'float32', index) : weight));
    model.setWeights(fixed);
  }

  function createStep(model: tf.LayersModel): (x: tf.Tensor, y: tf.Tensor, position: tf.Tensor) => StepResult {
    const variables = trainedVariables(model);
    return (x, y, position) => {
      const statistics: tf.Tensor[] = [];
      const { value, grads } = tf.variableGrads(() => {
        const logits = withDropout(
          (layer) => ({ key: { low: layer?.name.length ?? 0, high: 5 }, position }),
          () =>
            withBatchStatistics(
              (_, mean, variance) => void statistics.push(tf.keep(mean), tf.keep(variance)),
              () => model.apply(scaledFloat(x, 1 / 255), { training: true }) as tf.Tensor2D,
            ),
        );
        return tf.sum(softmaxCrossEntropy(y, logits)) as tf.Scalar;
      }, variables);
      return { loss: value, gradients: variables.map((variable) => grads[variable.name]), statistics };
    };
  }

  function batch(count: number, step: number, firstExample: number): [tf.Tensor, tf.Tensor, tf.Tensor] {
    return [
      upload(
        engine,
        Uint8Array.from({ length: count * 784 }, (_, i) => (i * 7919 + step) % 256),
        [count, 28, 28, 1],
      ),
      upload(
        engine,
        Int32Array.from({ length: count }, (_, i) => (i + step) % 10),
        [count],
      ),
      upload(engine, Int32Array.of(step, 0, firstExample, 0), [4]),
    ];
  }

  it('agrees with the step op by op: loss, gradients, batch statistics, for several batch sizes', () => {
    const model = createGluonCnn(tf, { width: 1 / 8 });
    fixWeights(model);
    const step = createStep(model);
    const compiled = engine.compile(step, { name: 'step' });
    for (const [count, number] of [
      [7, 1],
      [7, 2],
      [1, 3],
    ]) {
      const args = batch(count, number, 3);
      const [got, wanted] = [compiled(...args), step(...args)];
      expect(distance(values(got.loss), values(wanted.loss))).toBeLessThan(1e-5);
      const wantedLayers = byLayer(model, wanted.gradients);
      byLayer(model, got.gradients).forEach((gradient, index) =>
        expect(distance(gradient, wantedLayers[index])).toBeLessThan(1e-4),
      );
      got.statistics.forEach((statistic, index) =>
        expect(distance(values(statistic), values(wanted.statistics[index]))).toBeLessThan(1e-5),
      );
      expect(got.statistics.length).toBe(6);
      tf.dispose([args, got, wanted] as unknown as tf.TensorContainer);
    }
    compiled.dispose();
    model.dispose();
  });

  it.each([false, true])('takes the golden step as float64 does, moving statistics too (compiled: %s)', (compile) => {
    const golden = loadGolden('gluon_cnn_eighth');
    const model = createGluonCnn(tf, { width: golden.width, dropout: false });
    let offset = 0;
    model.setWeights(
      golden.tensors.map(({ shape }) => tf.tensor(golden.initial.slice(offset, (offset += sizeOf(shape))), [...shape])),
    );
    const variables = trainedVariables(model);
    const step = (x: tf.Tensor, y: tf.Tensor): tf.Tensor[] => {
      const { value, grads } = tf.variableGrads(
        () =>
          tf.sum(softmaxCrossEntropy(y, model.apply(scaledFloat(x, 1 / 255), { training: true }) as tf.Tensor2D)) as tf.Scalar,
        variables,
      );
      return [value, ...variables.map((variable) => grads[variable.name])];
    };
    const run = compile ? engine.compile(step) : step;
    const x = upload(engine, golden.images, [golden.batch, 28, 28, 1]);
    const [loss, ...gradients] = run(x, upload(engine, golden.labels, [golden.batch]));
    expect(values(loss)[0] / golden.lossSums[0]).toBeCloseTo(1, 5);
    const flat = (tensors: tf.Tensor[]): Float32Array => Float32Array.from(tensors.flatMap(values));
    expect(furthestTensor(golden, golden.gradients, flat(gradients)).difference).toBeLessThan(GOLDEN_TOLERANCE);
    // The layers themselves moved them: 0.9 · 0 + 0.1 · mean, 0.9 · 1 + 0.1 · variance.
    const moved = model.weights.slice(golden.trainedTensors).map((weight) => values(weight.read()));
    golden.statistics.forEach((statistic, index) => {
      const start = index % 2 === 0 ? 0 : 1;
      expect(
        norm(Array.from(statistic.values!, (value, c) => moved[index][c] - (0.9 * start + 0.1 * value))) / norm(moved[index]),
      ).toBeLessThan(GOLDEN_TOLERANCE);
    });
  });

  it('gives the same bits again, and holds nothing after 20 calls that it did not hold after 5', () => {
    const model = createGluonCnn(tf, { width: 1 / 16 });
    const compiled = engine.compile(createStep(model));
    const run = (): string => {
      const args = batch(5, 1, 0);
      const result = compiled(...args);
      const text = [result.loss, ...result.gradients]
        .map((tensor) => Buffer.from(new Float32Array(tensor.dataSync()).buffer).toString('base64'))
        .join();
      tf.dispose([args, result] as unknown as tf.TensorContainer);
      return text;
    };
    const first = run();
    for (let call = 1; call < 5; call++) run();
    const held = { handles: engine.liveHandles(), tensors: tf.memory().numTensors };
    for (let call = 5; call < 20; call++) expect(run()).toBe(first);
    expect({ handles: engine.liveHandles(), tensors: tf.memory().numTensors }).toEqual(held);
    compiled.dispose();
    model.dispose();
  });

  it('trains a model with moving statistics, an optimizer and relu, elu and sigmoid layers as the step op by op does', () => {
    const train = (compile: boolean): tf.Tensor[] => {
      const model = tf.sequential({
        layers: [
          // Before the first dense layer: after it, a bias would have a gradient of rounding alone, which Adam makes a whole step of.
          tf.layers.batchNormalization({ momentum: 0.5, inputShape: [4] }),
          tf.layers.dense({ units: 6, activation: 'relu', kernelInitializer: tf.initializers.glorotUniform({ seed: 1 }) }),
          tf.layers.dense({ units: 5, activation: 'elu', kernelInitializer: tf.initializers.glorotUniform({ seed: 2 }) }),
          tf.layers.dense({ units: 3, activation: 'sigmoid', kernelInitializer: tf.initializers.glorotUniform({ seed: 3 }) }),
        ],
      });
      const optimizer = tf.train.adam(0.01);
      const variables = trainedVariables(model);
      const step = (x: tf.Tensor, y: tf.Tensor): tf.Scalar =>
        optimizer.minimize(
          () => tf.losses.meanSquaredError(y, model.apply(x, { training: true }) as tf.Tensor) as tf.Scalar,
          true,
          variables,
        )!;
      const run = compile ? engine.compile(step) : step;
      for (let k = 0; k < 5; k++) {
        tf.tidy(() => {
          const x = tf.sin(tf.add(tf.reshape(tf.range(0, 32), [8, 4]), k));
          run(x, tf.reshape(tf.cos(tf.range(0, 24)), [8, 3]));
        });
      }
      return model.getWeights();
    };
    const wanted = train(false);
    train(true).forEach((weight, index) => expect(distance(values(weight), values(wanted[index]))).toBeLessThan(1e-4));
  });
});
