/** Layer normalization over the last axis: values and gradients beside the definition in float64, eager and compiled; and how few ops it takes. */
import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { engineForTests, gradients, irregular, values, weighed } from '../../support/gradient_checks.js';

const engine = engineForTests();

/** Half a unit in the last place of float32, relative: the error of one operation. */
const ROUNDING = 2 ** -24;
const EPSILON = 1e-2;
const CHANNELS = 5;
const GAMMA = [1, -2, 0.5, 0, 3];
const BETA = [0.1, 0.2, 0.3, -0.4, 0];

interface Parts {
  scale: boolean;
  center: boolean;
}

function layerOf({ scale, center }: Parts, shape: number[], axis: number | number[] = -1): tf.layers.Layer {
  const layer = tf.layers.layerNormalization({ epsilon: EPSILON, scale, center, axis });
  layer.build(shape);
  layer.setWeights([...(scale ? [tf.tensor1d(GAMMA)] : []), ...(center ? [tf.tensor1d(BETA)] : [])]);
  return layer;
}

/** What a layer that was never applied symbolically cannot dispose itself. */
const variablesOf = (layer: tf.layers.Layer): tf.Variable[] =>
  layer.weights.map((weight) => (weight as unknown as { val: tf.Variable }).val);

const norm = (list: number[]): number => Math.hypot(...list);
const sumOf = (list: number[]): number => list.reduce((sum, value) => sum + value, 0);

/**
 * In float64, each with the norm of the terms that it is the sum of. With n the normalized row, g = weight · γ and r = √(variance + ε):
 * y = n · γ + β, dx = (g − mean(g) − n · mean(g · n)) / r, dγ = Σ weight · n, dβ = Σ weight.
 */
function reference(x: number[], weights: number[], { scale, center }: Parts) {
  const gamma = scale ? GAMMA : GAMMA.map(() => 1);
  const beta = center ? BETA : BETA.map(() => 0);
  const [y, dx, parts]: number[][] = [[], [], []];
  const dGamma = gamma.map(() => 0);
  const ofGamma = gamma.map(() => 0);
  const dBeta = gamma.map(() => 0);
  const ofBeta = gamma.map(() => 0);
  for (let start = 0; start < x.length; start += CHANNELS) {
    const row = x.slice(start, start + CHANNELS);
    const dy = weights.slice(start, start + CHANNELS);
    const mean = sumOf(row) / CHANNELS;
    const r = Math.sqrt(sumOf(row.map((value) => (value - mean) ** 2)) / CHANNELS + EPSILON);
    const n = row.map((value) => (value - mean) / r);
    const g = dy.map((value, c) => value * gamma[c]);
    const [meanG, meanGn] = [sumOf(g) / CHANNELS, sumOf(g.map((value, c) => value * n[c])) / CHANNELS];
    y.push(...n.map((value, c) => value * gamma[c] + beta[c]));
    dx.push(...g.map((value, c) => (value - meanG - n[c] * meanGn) / r));
    const most = sumOf(g.map(Math.abs));
    parts.push(...g.map((_, c) => (most + Math.abs(n[c]) * most) / r));
    dy.forEach((value, c) => {
      dGamma[c] += value * n[c];
      ofGamma[c] += Math.abs(value * n[c]);
      dBeta[c] += value;
      ofBeta[c] += Math.abs(value);
    });
  }
  return { y, dx, ofX: norm(parts), dGamma, ofGamma: norm(ofGamma), dBeta, ofBeta: norm(ofBeta) };
}

const PARTS: Parts[] = [
  { scale: true, center: true },
  { scale: true, center: false },
  { scale: false, center: true },
  { scale: false, center: false },
];
/** Some twenty operations and sums of five in a row of them. */
const OPERATIONS = 40;

describe.each(PARTS)('layer normalization, scale $scale, center $center', (parts) => {
  it.each([[[3, CHANNELS]], [[2, 3, CHANNELS]], [[2, 1, 3, CHANNELS]], [[1, CHANNELS]]])(
    'of %j is its definition, and its gradients too',
    (shape) => {
      tf.tidy(() => {
        const x = irregular(shape, 2);
        const weights = values(irregular(shape));
        const layer = layerOf(parts, shape);
        const truth = reference(values(x), weights, parts);
        const f = (v: tf.Tensor): tf.Tensor => weighed(layer.apply(v, { training: true }) as tf.Tensor);
        const off = (got: number[], wanted: number[]): number => norm(got.map((value, i) => value - wanted[i]));

        for (const training of [true, false])
          expect(off(values(layer.apply(x, { training }) as tf.Tensor), truth.y)).toBeLessThan(
            OPERATIONS * ROUNDING * norm(truth.y),
          );
        for (const got of gradients(engine(), f, x)) expect(off(got, truth.dx)).toBeLessThan(OPERATIONS * ROUNDING * truth.ofX);
        const grads = parts.scale || parts.center ? tf.variableGrads(() => f(x) as tf.Scalar).grads : {};
        const rows = x.size / CHANNELS;
        for (const [name, gradient] of Object.entries(grads)) {
          const [wanted, ofTerms] = name.includes('gamma') ? [truth.dGamma, truth.ofGamma] : [truth.dBeta, truth.ofBeta];
          expect(gradient.shape).toEqual([CHANNELS]);
          expect(off(values(gradient), wanted)).toBeLessThan((OPERATIONS + rows) * ROUNDING * ofTerms);
        }
        expect(Object.keys(grads).length).toBe(Number(parts.scale) + Number(parts.center));
        tf.dispose(variablesOf(layer));
      });
    },
  );
});

describe('layer normalization', () => {
  it('of numbers far from 0 loses no more than they do by their own rounding', () => {
    tf.tidy(() => {
      const around = 1000;
      const x = tf.add(irregular([4, CHANNELS]), around);
      const layer = layerOf(PARTS[0], [4, CHANNELS]);
      const { y } = reference(values(x), values(x), PARTS[0]);
      // Mean and differences are off by some roundings of 1000, and are divided by no less than a tenth (ε).
      const bound = 10 * ROUNDING * around * 10 * Math.max(...GAMMA.map(Math.abs));
      values(layer.apply(x) as tf.Tensor).forEach((value, i) => expect(Math.abs(value - y[i])).toBeLessThan(bound));
      tf.dispose(variablesOf(layer));
    });
  });

  it('over other axes, of nothing, and in gradients of gradients is that of tfjs', () => {
    tf.tidy(() => {
      const first = layerOf(PARTS[0], [CHANNELS, 3], 0);
      const x = irregular([CHANNELS, 3]);
      const { y } = reference(values(tf.transpose(x)), values(x), PARTS[0]);
      const got = values(tf.transpose(first.apply(x) as tf.Tensor));
      got.forEach((value, i) => expect(Math.abs(value - y[i])).toBeLessThan(1e-5));

      const last = layerOf(PARTS[0], [2, CHANNELS]);
      expect((last.apply(tf.zeros([0, CHANNELS])) as tf.Tensor).shape).toEqual([0, CHANNELS]);
      const gradient = tf.grad((v: tf.Tensor) => weighed(last.apply(v) as tf.Tensor));
      const along = irregular([2, CHANNELS], 3);
      const second = values(tf.grad((v: tf.Tensor) => tf.sum(tf.mul(gradient(v), along)))(irregular([2, CHANNELS])));
      const h = 1e-2;
      const there = (at: number): number => {
        const moved = tf.add(
          irregular([2, CHANNELS]),
          tf
            .oneHot([at], 2 * CHANNELS)
            .reshape([2, CHANNELS])
            .mul(h),
        );
        const back = tf.sub(
          irregular([2, CHANNELS]),
          tf
            .oneHot([at], 2 * CHANNELS)
            .reshape([2, CHANNELS])
            .mul(h),
        );
        return values(tf.sum(tf.mul(tf.sub(gradient(moved), gradient(back)), along)))[0] / (2 * h);
      };
      second.forEach((value, at) => expect(Math.abs(value - there(at))).toBeLessThan(2e-2 * Math.max(...second.map(Math.abs))));
      tf.dispose([first, last].map(variablesOf));
    });
  });

  it('makes a step of some dozens of ops, of the size of the data at most', () => {
    const model = tf.sequential({ layers: [tf.layers.layerNormalization({ inputShape: [384] })] });
    const squares = (x: tf.Tensor): tf.Scalar => tf.sum(tf.square(model.apply(x, { training: true }) as tf.Tensor));
    const compiled = engine().compile((x: tf.Tensor) => Object.values(tf.variableGrads(() => squares(x)).grads), {
      name: 'normalized',
    });
    const x = tf.ones([2, 384]);
    const printed = compiled.print(x);
    expect(printed.split('\n').length).toBeLessThan(50);
    expect(printed).not.toMatch(/Tile/);
    compiled.dispose();
    tf.dispose(x);
    model.dispose();
  });
});
