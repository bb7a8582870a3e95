/** The compiled training step of a LayersModel against the same step op by op, and the fused ops against tfjs's own on another backend. */
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
} from '../../src/engine/index.js';
import { createGluonCnn } from '../../src/models/gluon_cnn.js';

interface StepResult {
  loss: tf.Tensor;
  gradients: tf.Tensor[];
  statistics: tf.Tensor[];
}

describe('a compiled training step of a LayersModel', () => {
  let engine: Engine;
  beforeAll(() => {
    engine = installEngine();
  });
  afterAll(() => engine.dispose());

  const values = (tensor: tf.Tensor): number[] => Array.from(tensor.dataSync());
  const norm = (list: number[]): number => Math.sqrt(list.reduce((sum, value) => sum + value * value, 0));
  const distance = (got: tf.Tensor, wanted: tf.Tensor): number => {
    const reference = values(wanted);
    return norm(values(got).map((value, index) => value - reference[index])) / Math.max(norm(reference), 1e-6);
  };

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
          (layer) => ({ key: { low: layer.name.length, high: 5 }, position }),
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
      expect(distance(got.loss, wanted.loss)).toBeLessThan(1e-5);
      got.gradients.forEach((gradient, index) => expect(distance(gradient, wanted.gradients[index])).toBeLessThan(1e-4));
      got.statistics.forEach((statistic, index) => expect(distance(statistic, wanted.statistics[index])).toBeLessThan(1e-5));
      expect(got.statistics.length).toBe(6);
      tf.dispose([args, got, wanted] as unknown as tf.TensorContainer);
    }
    compiled.dispose();
    model.dispose();
  });

  it("agrees with tfjs's own composed ops on its cpu backend", async () => {
    const classes = [3, 1, 4, 1, 5, 9, 2, 6];
    const pixels = Float32Array.from({ length: classes.length * 784 }, (_, i) => ((i * 7919) % 256) / 255);
    const gradientsOn = async (backend: string, compile = false): Promise<number[][]> => {
      await tf.setBackend(backend);
      const model = createGluonCnn(tf, { width: 1 / 32, dropout: false });
      fixWeights(model);
      const variables = trainedVariables(model);
      const step = (x: tf.Tensor): tf.Tensor[] => {
        const { value, grads } = tf.variableGrads(() => {
          const logits = model.apply(x, { training: true }) as tf.Tensor2D;
          if (backend !== 'cpu') return tf.sum(softmaxCrossEntropy(tf.tensor1d(classes, 'int32'), logits)) as tf.Scalar;
          return tf.neg(tf.sum(tf.mul(tf.oneHot(tf.tensor1d(classes, 'int32'), 10), tf.logSoftmax(logits)))) as tf.Scalar;
        }, variables);
        return [value, ...variables.map((variable) => grads[variable.name])];
      };
      const x = tf.tensor(pixels, [classes.length, 28, 28, 1]);
      const got = (compile ? engine.compile(step)(x) : step(x)).map(values);
      // Moving statistics were updated in the step.
      const after = model.getWeights().map(values);
      return [...got, ...after];
    };
    const composed = await gradientsOn('cpu');
    // Before batch norm a bias has a gradient of nearly nothing, the difference of large sums: it cannot be exact to its own size.
    const cancelled = norm(composed.flat()) / 100;
    for (const compile of [false, true]) {
      const got = await gradientsOn('tensorflow', compile);
      expect(got.length).toBe(composed.length);
      got.forEach((tensor, index) => {
        const difference = norm(tensor.map((value, at) => value - composed[index][at]));
        expect(difference / (norm(composed[index]) + cancelled)).toBeLessThan(1e-4);
      });
    }
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

  it('trains a model with moving statistics, an optimiser and relu, elu and sigmoid layers as the step op by op does', () => {
    const train = (compile: boolean): tf.Tensor[] => {
      const model = tf.sequential({
        layers: [
          tf.layers.dense({
            units: 6,
            activation: 'relu',
            inputShape: [4],
            kernelInitializer: tf.initializers.glorotUniform({ seed: 1 }),
          }),
          tf.layers.batchNormalization({ momentum: 0.5 }),
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
    train(true).forEach((weight, index) => expect(distance(weight, wanted[index])).toBeLessThan(1e-4));
  });
});
