/** That the gradients of tile, sum and mean are what tfjs's own backend says, of shapes that it can and of one that it cannot; and that they take few ops. */
import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { engineForTests, gradients, irregular, values, weighed } from '../../support/gradient_checks.js';

const engine = engineForTests();

/** What `body` gives under plain tfjs. */
async function plainly<Result>(body: () => Result): Promise<Result> {
  const backend = tf.getBackend();
  await tf.setBackend('cpu');
  try {
    return body();
  } finally {
    await tf.setBackend(backend);
  }
}

describe('the gradient of tile', () => {
  /** Weights that tell the copies apart, small whole numbers: every order of adding gives the same sums. */
  const gradientOf = (shape: number[], reps: number[]): { shape: number[]; values: number[] } => {
    const size = shape.reduce((a, b) => a * b, 1) * reps.reduce((a, b) => a * b, 1);
    const weights = Array.from({ length: size }, (_, at) => (at * 7) % 11);
    const tiled = shape.map((extent, axis) => extent * reps[axis]);
    const gradient = tf.grad((x: tf.Tensor) => tf.sum(tf.mul(tf.tile(x, reps), tf.tensor(weights, tiled))))(tf.ones(shape));
    return { shape: gradient.shape, values: [...gradient.dataSync()] };
  };

  it.each([
    { shape: [3], reps: [4] },
    { shape: [3], reps: [1] },
    { shape: [2, 3], reps: [5, 1] },
    { shape: [2, 1], reps: [1, 6] },
    { shape: [2, 3, 1], reps: [2, 1, 3] },
    { shape: [1, 2, 3, 2], reps: [2, 3, 1, 2] },
  ])('of $shape, $reps times, is that of plain tfjs', async ({ shape, reps }) => {
    expect(gradientOf(shape, reps)).toEqual(await plainly(() => gradientOf(shape, reps)));
  });

  it('is there for five axes, which plain tfjs refuses: each of two numbers is there 2 × 3 times', () => {
    const gradient = tf.grad((x: tf.Tensor) => tf.sum(tf.tile(x, [2, 1, 1, 1, 3])))(tf.ones([1, 2, 1, 1, 1]));
    expect([...gradient.dataSync()]).toEqual([6, 6]);
  });
});

describe('the gradients of sum and mean', () => {
  const SHAPE = [2, 3, 4];
  const OPS: [string, typeof tf.sum][] = [
    ['sum', tf.sum],
    ['mean', tf.mean],
  ];
  /** One product of what is weighed, and one division: two roundings. */
  const TWO_ROUNDINGS = 2 * 2 ** -24;

  describe.each(OPS)('%s', (_, reduce) => {
    it.each([
      { axis: undefined, keepDims: false },
      { axis: [], keepDims: false },
      { axis: 1, keepDims: false },
      { axis: -1, keepDims: true },
      { axis: [0, 2], keepDims: false },
      { axis: [2, 0, 1], keepDims: true },
    ])('over $axis, keepDims $keepDims, is that of plain tfjs', async ({ axis, keepDims }) => {
      const f = (x: tf.Tensor): tf.Tensor => weighed(reduce(x, axis, keepDims));
      const wanted = await plainly(() => tf.tidy(() => values(tf.grad(f)(irregular(SHAPE)))));
      tf.tidy(() => {
        for (const got of gradients(engine(), f, irregular(SHAPE)))
          got.forEach((value, at) =>
            expect(Math.abs(value - wanted[at])).toBeLessThanOrEqual(TWO_ROUNDINGS * Math.abs(wanted[at])),
          );
      });
    });

    it('of integers is float32', () => {
      tf.tidy(() => {
        const f = (x: tf.Tensor): tf.Tensor => tf.sum(tf.cast(reduce(tf.cast(x, 'int32'), 1), 'float32'));
        for (const got of gradients(engine(), f, tf.ones([2, 3]))) expect(got.every((value) => value > 0)).toBe(true);
      });
    });

    it('of nothing is nothing', () => {
      tf.tidy(() => {
        const gradient = tf.grad((x: tf.Tensor) => tf.sum(reduce(x, 1)));
        expect(gradient(tf.zeros([2, 0, 3])).shape).toEqual([2, 0, 3]);
      });
    });

    it('can be differentiated again', () => {
      tf.tidy(() => {
        const first = tf.grad((x: tf.Tensor) => tf.sum(tf.square(reduce(x, 1))));
        const second = tf.grad((x: tf.Tensor) => tf.sum(first(x)));
        const count = reduce === tf.mean ? 3 : 1;
        for (const value of values(second(irregular([2, 3])))) expect(Math.abs(value - (2 * 3) / count ** 2)).toBeLessThan(1e-6);
      });
    });

    it('leaves no constant as large as the input in a compiled function', () => {
      let told = new Uint8Array();
      const compiled = engine().compile((x: tf.Tensor) => tf.grad((v: tf.Tensor) => tf.sum(tf.square(reduce(v, 1))))(x), {
        onGraph: (graphDef) => (told = graphDef as Uint8Array<ArrayBuffer>),
      });
      tf.tidy(() => compiled(tf.ones([64, 512])));
      compiled.dispose();
      expect(told.length).toBeGreaterThan(0);
      expect(told.length).toBeLessThan(64 * 512);
    });
  });
});

describe('a sum over all axes but the last', () => {
  /** TensorFlow adds rows one after the other, in one thread or some: at most as many roundings as there are rows. */
  it.each([
    { shape: [3000, 8], axis: [0] },
    { shape: [20, 5, 5, 32], axis: [0, 1, 2] },
    { shape: [20, 5, 5, 32], axis: [-2, 0, -3] },
    { shape: [1, 9], axis: 0 },
    { shape: [4, 3], axis: [0] },
  ])('of $shape is the sum of its rows', ({ shape, axis }) => {
    tf.tidy(() => {
      const x = irregular(shape);
      const [columns, list] = [shape[shape.length - 1], values(x)];
      const rows = list.length / columns;
      const truth = (of: (value: number) => number): number[] =>
        Array.from({ length: columns }, (_, c) => list.reduce((sum, value, i) => sum + (i % columns === c ? of(value) : 0), 0));
      const [wanted, ofTerms] = [truth((value) => value), truth(Math.abs)];
      const compiled = engine().compile((v: tf.Tensor) => tf.sum(v, axis));
      for (const got of [tf.sum(x, axis), compiled(x)]) {
        expect(got.shape).toEqual([columns]);
        values(got).forEach((value, c) => expect(Math.abs(value - wanted[c])).toBeLessThanOrEqual(rows * 2 ** -24 * ofTerms[c]));
      }
      compiled.dispose();
    });
  });

  it.each([
    ['dense', [6, 5], () => tf.layers.dense({ units: 16 })],
    ['conv2d', [8, 8, 2], () => tf.layers.conv2d({ filters: 16, kernelSize: 3 })],
    ['depthwiseConv2d', [8, 8, 16], () => tf.layers.depthwiseConv2d({ kernelSize: 3 })],
  ] as const)('is what the bias of a %s layer without an activation has for a gradient, as one op', (_, inputShape, layer) => {
    const model = tf.sequential({ layers: [tf.layers.inputLayer({ inputShape: [...inputShape] }), layer()] });
    const compiled = engine().compile((x: tf.Tensor) =>
      Object.values(tf.variableGrads(() => weighed(model.apply(x, { training: true }) as tf.Tensor) as tf.Scalar).grads),
    );
    const x = tf.ones([2, ...inputShape]);
    expect(compiled.print(x)).toMatch(/BiasAddGrad/);
    tf.dispose(x);
    compiled.dispose();
    model.dispose();
  });
});
