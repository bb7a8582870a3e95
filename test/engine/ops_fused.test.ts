import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  installEngine,
  sigmoidCrossEntropy,
  softmaxCrossEntropy,
  upload,
  withBatchStatistics,
  type Engine,
} from '../../src/engine/index.js';

type Values = number[];

describe('fused training ops', () => {
  let engine: Engine;
  beforeAll(() => {
    engine = installEngine();
  });
  afterAll(() => engine.dispose());

  const values = (tensor: tf.Tensor): Values => Array.from(tensor.dataSync());

  /** Norm of the difference over norm of the wanted. */
  function distance(got: Values, wanted: Values): number {
    expect(got.length).toBe(wanted.length);
    const norm = (list: Values): number => Math.sqrt(list.reduce((sum, value) => sum + value * value, 0));
    return norm(got.map((value, index) => value - wanted[index])) / Math.max(norm(wanted), 1e-12);
  }

  /** Central differences of a scalar function; float32 allows about 1e-3. */
  function finiteDifferences(f: (x: tf.Tensor) => tf.Tensor, x: tf.Tensor, h = 1e-2): Values {
    const base = values(x);
    return base.map((_, index) => {
      const at = (delta: number): number =>
        tf.tidy(
          () =>
            values(
              f(
                tf.tensor(
                  base.map((value, other) => (other === index ? value + delta : value)),
                  x.shape,
                ),
              ),
            )[0],
        );
      return (at(h) - at(-h)) / (2 * h);
    });
  }

  /** The gradient eagerly and in a compiled function. */
  function gradients(f: (x: tf.Tensor) => tf.Tensor, x: tf.Tensor): [Values, Values] {
    const gradient = tf.grad(f);
    const compiled = engine.compile((value: tf.Tensor) => gradient(value));
    const result: [Values, Values] = [values(gradient(x)), values(compiled(x))];
    compiled.dispose();
    return result;
  }

  const irregular = (shape: number[], scale = 1): tf.Tensor => {
    const size = shape.reduce((product, extent) => product * extent, 1);
    return tf.tensor(
      Array.from({ length: size }, (_, i) => scale * Math.sin(1.7 * i + 0.3)),
      shape,
    );
  };
  /** A scalar that weighs every element differently. */
  const weighed = (y: tf.Tensor): tf.Tensor => tf.sum(tf.mul(y, irregular(y.shape)));

  describe('activations', () => {
    const activations: [string, (x: tf.Tensor) => tf.Tensor, (dy: number, x: number) => number][] = [
      ['tanh', tf.tanh, (dy, x) => dy * (1 - Math.tanh(x) ** 2)],
      ['relu', tf.relu, (dy, x) => (x > 0 ? dy : 0)],
      ['relu6', tf.relu6, (dy, x) => (x > 0 && x < 6 ? dy : 0)],
      ['sigmoid', tf.sigmoid, (dy, x) => (dy * Math.exp(-x)) / (1 + Math.exp(-x)) ** 2],
      ['elu', tf.elu, (dy, x) => (x > 0 ? dy : dy * Math.exp(x))],
      ['selu', tf.selu, (dy, x) => dy * 1.0507009873554805 * (x > 0 ? 1 : 1.6732632423543772 * Math.exp(x))],
      ['softplus', tf.softplus, (dy, x) => dy / (1 + Math.exp(-x))],
      ['leaky relu', (x) => tf.leakyRelu(x, 0.1), (dy, x) => (x > 0 ? dy : 0.1 * dy)],
      ['sqrt', (x) => tf.sqrt(tf.add(x, 9)), (dy, x) => dy / (2 * Math.sqrt(x + 9))],
      ['rsqrt', (x) => tf.rsqrt(tf.add(x, 9)), (dy, x) => dy * -0.5 * (x + 9) ** -1.5],
    ];
    for (const [name, f, derivative] of activations) {
      it(`${name}: the gradient is the derivative, eager and compiled`, () => {
        tf.tidy(() => {
          const x = irregular([3, 1, 7], 8);
          const weights = values(irregular([3, 1, 7]));
          const wanted = values(x).map((value, index) => derivative(weights[index], value));
          for (const got of gradients((v) => weighed(f(v)), x)) expect(distance(got, wanted)).toBeLessThan(1e-5);
        });
      });
    }
  });

  describe('bias', () => {
    for (const shape of [
      [1, 5],
      [3, 5],
      [2, 3, 5],
      [2, 3, 4, 5],
    ]) {
      it(`is added along the last axis of [${shape.join(', ')}], with its gradient`, () => {
        tf.tidy(() => {
          const x = irregular(shape);
          for (const biasShape of [[5], [...shape.slice(1).map(() => 1), 5].slice(-shape.length)]) {
            const bias = irregular(biasShape, 2);
            const flat = values(bias);
            expect(
              distance(
                values(tf.add(x, bias)),
                values(x).map((value, i) => value + flat[i % 5]),
              ),
            ).toBeLessThan(1e-6);
            const weights = values(irregular(shape));
            const wanted = flat.map((_, c) => weights.reduce((sum, weight, i) => sum + (i % 5 === c ? weight : 0), 0));
            const size = biasShape.reduce((product, extent) => product * extent, 1);
            expect(size).toBe(5);
            for (const got of gradients((b) => weighed(tf.add(x, b)), bias)) expect(distance(got, wanted)).toBeLessThan(1e-5);
            for (const got of gradients((v) => weighed(tf.add(v, bias)), x)) expect(distance(got, weights)).toBeLessThan(1e-6);
          }
        });
      });
    }

    it('leaves other additions alone: a vector first, integers, an inner broadcast', () => {
      tf.tidy(() => {
        expect(
          values(
            tf.add(
              tf.tensor1d([1, 2]),
              tf.tensor2d([
                [10, 20],
                [30, 40],
              ]),
            ),
          ),
        ).toEqual([11, 22, 31, 42]);
        expect(
          values(
            tf.add(
              tf.tensor2d(
                [
                  [1, 2],
                  [3, 4],
                ],
                [2, 2],
                'int32',
              ),
              tf.tensor1d([10, 20], 'int32'),
            ),
          ),
        ).toEqual([11, 22, 13, 24]);
        expect(values(tf.add(tf.ones([2, 2]), tf.tensor2d([[1], [2]])))).toEqual([2, 2, 3, 3]);
      });
    });
  });

  describe('batch norm in training', () => {
    /** The definition, in float64. */
    function reference(
      x: Values,
      channels: number,
      gamma: Values,
      beta: Values,
      epsilon: number,
    ): { y: Values; mean: Values; variance: Values } {
      const count = x.length / channels;
      const mean = gamma.map((_, c) => x.reduce((sum, value, i) => sum + (i % channels === c ? value : 0), 0) / count);
      const variance = gamma.map(
        (_, c) => x.reduce((sum, value, i) => sum + (i % channels === c ? (value - mean[c]) ** 2 : 0), 0) / count,
      );
      const y = x.map((value, i) => {
        const c = i % channels;
        return ((value - mean[c]) / Math.sqrt(variance[c] + epsilon)) * gamma[c] + beta[c];
      });
      return { y, mean, variance };
    }

    for (const shape of [
      [5, 3],
      [1, 2, 3],
      [4, 2, 3],
      [3, 2, 2, 3],
      [7, 1, 1, 3],
      [2, 2, 1, 2, 3],
    ]) {
      it(`normalises [${shape.join(', ')}] and reports mean and biased variance`, () => {
        tf.tidy(() => {
          const x = irregular(shape, 3);
          const layer = tf.layers.batchNormalization({ epsilon: 1e-3, momentum: 0.9 });
          layer.build(shape);
          layer.setWeights([tf.tensor1d([1, 2, 3]), tf.tensor1d([0.1, 0.2, 0.3]), tf.zeros([3]), tf.ones([3])]);
          const { y, mean, variance } = reference(values(x), 3, [1, 2, 3], [0.1, 0.2, 0.3], 1e-3);
          const reported: Values[] = [];
          const got = withBatchStatistics(
            (_, batchMean, biased) => reported.push(values(batchMean), values(biased)),
            () => values(layer.apply(x, { training: true }) as tf.Tensor),
          );
          expect(distance(got, y)).toBeLessThan(1e-5);
          expect(distance(reported[0], mean)).toBeLessThan(1e-5);
          expect(distance(reported[1], variance)).toBeLessThan(1e-5);
          const moving = (): Values[] => layer.getWeights().slice(2).map(values);
          expect(moving()).toEqual([
            [0, 0, 0],
            [1, 1, 1],
          ]);
          // Without a sink the layer moves its statistics as tfjs does: 0.9 · old + 0.1 · new.
          layer.apply(x, { training: true });
          expect(
            distance(
              moving()[0],
              mean.map((m) => 0.1 * m),
            ),
          ).toBeLessThan(1e-5);
          expect(
            distance(
              moving()[1],
              variance.map((v) => 0.9 + 0.1 * v),
            ),
          ).toBeLessThan(1e-5);
        });
      });
    }

    it('has the gradients of its definition, in x, gamma and beta', () => {
      tf.tidy(() => {
        const x = irregular([5, 2, 1, 3], 2);
        const layer = tf.layers.batchNormalization({ epsilon: 1e-2 });
        layer.build([5, 2, 1, 3]);
        const apply = (v: tf.Tensor): tf.Tensor =>
          withBatchStatistics(
            () => undefined,
            () => weighed(layer.apply(v, { training: true }) as tf.Tensor),
          );
        const composed = (v: tf.Tensor): tf.Tensor => {
          const { mean, variance } = tf.moments(v, [0, 1, 2], true);
          return weighed(tf.div(tf.sub(v, mean), tf.sqrt(tf.add(variance, 1e-2))));
        };
        for (const got of gradients(apply, x)) {
          expect(distance(got, gradients(composed, x)[0])).toBeLessThan(1e-4);
          // Rounding of float32, divided by h, is all that is left.
          expect(distance(got, finiteDifferences(apply, x, 5e-2))).toBeLessThan(2e-2);
        }
        const weights = layer.trainableWeights.map((weight) => (weight as unknown as { val: tf.Variable }).val);
        const { grads } = tf.variableGrads(() => apply(x) as tf.Scalar, weights);
        for (const variable of weights) {
          const start = variable.clone();
          const wanted = finiteDifferences((v) => {
            variable.assign(v);
            return apply(x);
          }, start);
          variable.assign(start);
          expect(distance(values(grads[variable.name]), wanted)).toBeLessThan(5e-3);
        }
      });
    });

    it('normalises another axis, and works without scale or offset', () => {
      tf.tidy(() => {
        const x = irregular([4, 3, 2], 2);
        const first = tf.layers.batchNormalization({ axis: 1, epsilon: 1e-3 });
        const last = tf.layers.batchNormalization({ axis: -1, epsilon: 1e-3, scale: false, center: false });
        const wanted = tf.transpose(last.apply(tf.transpose(x, [0, 2, 1]), { training: true }) as tf.Tensor, [0, 2, 1]);
        expect(distance(values(first.apply(x, { training: true }) as tf.Tensor), values(wanted))).toBeLessThan(1e-5);
      });
    });
  });

  describe('cross-entropy from logits', () => {
    const logits = [
      [2, -1, 0.5],
      [1000, 0, -1000],
      [0, 0, 0],
      [-3, 4, 1],
    ];
    const classes = [0, 1, 2, 1];

    it("softmax: −log of the label's probability, for indices, bytes and distributions", () => {
      tf.tidy(() => {
        const wanted = logits.map((row, i) => {
          const top = Math.max(...row);
          return top + Math.log(row.reduce((sum, value) => sum + Math.exp(value - top), 0)) - row[classes[i]];
        });
        const x = tf.tensor2d(logits);
        const labels = [
          tf.tensor1d(classes, 'int32'),
          upload(engine, Uint8Array.from(classes), [4]),
          tf.oneHot(tf.tensor1d(classes, 'int32'), 3),
        ];
        for (const label of labels) {
          expect(distance(values(softmaxCrossEntropy(label, x)), wanted)).toBeLessThan(1e-6);
          const f = (v: tf.Tensor): tf.Tensor =>
            tf.sum(tf.mul(softmaxCrossEntropy(label, v as tf.Tensor2D), tf.tensor1d([1, 2, 3, 4])));
          const probabilities = tf.softmax(x).arraySync() as number[][];
          const gradient = probabilities.flatMap((row, i) => row.map((p, c) => (i + 1) * (p - (c === classes[i] ? 1 : 0))));
          for (const got of gradients(f, x)) expect(distance(got, gradient)).toBeLessThan(1e-5);
        }
      });
    });

    it('sigmoid: finite for large logits, gradient σ(x) − z', () => {
      tf.tidy(() => {
        const x = tf.tensor2d([
          [0, 3, -100],
          [100, -0.5, 2],
        ]);
        const z = tf.tensor2d([
          [1, 0, 1],
          [0, 0.25, 1],
        ]);
        const wanted = values(x).map(
          (value, i) => Math.max(value, 0) - value * values(z)[i] + Math.log1p(Math.exp(-Math.abs(value))),
        );
        expect(distance(values(sigmoidCrossEntropy(z, x)), wanted)).toBeLessThan(1e-6);
        const gradient = values(x).map((value, i) => 1 / (1 + Math.exp(-value)) - values(z)[i]);
        for (const got of gradients((v) => tf.sum(sigmoidCrossEntropy(z, v)), x))
          expect(distance(got, gradient)).toBeLessThan(1e-5);
      });
    });
  });

  describe('pooling', () => {
    for (const [name, pool] of [
      ['max', tf.maxPool],
      ['average', tf.avgPool],
    ] as const) {
      for (const padding of ['valid', 'same'] as const) {
        it(`${name}, ${padding}: the gradient is that of finite differences, eager and compiled`, () => {
          tf.tidy(() => {
            // Steps far larger than the differences' h, so that the maximum stays where it is.
            const x = irregular([2, 5, 5, 2], 4) as tf.Tensor4D;
            const f = (v: tf.Tensor): tf.Tensor => weighed(pool(v as tf.Tensor4D, 2, 2, padding));
            const wanted = finiteDifferences(f, x, 1e-3);
            for (const got of gradients(f, x)) expect(distance(got, wanted)).toBeLessThan(2e-2);
          });
        });
      }
    }
  });
});
