/** That the gradient of tile is what tfjs's own backend says, of shapes that it can and of one that it cannot; and that it takes few ops. */
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { installEngine, type Engine } from '../../src/engine/index.js';

describe('the gradient of tile', () => {
  let engine: Engine;
  beforeAll(() => {
    engine = installEngine();
  });
  afterAll(() => engine.dispose());

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
    const ours = gradientOf(shape, reps);
    const backend = tf.getBackend();
    await tf.setBackend('cpu');
    const plain = gradientOf(shape, reps);
    await tf.setBackend(backend);
    expect(ours).toEqual(plain);
  });

  it('is there for five axes, which plain tfjs refuses: each of two numbers is there 2 × 3 times', () => {
    const gradient = tf.grad((x: tf.Tensor) => tf.sum(tf.tile(x, [2, 1, 1, 1, 3])))(tf.ones([1, 2, 1, 1, 1]));
    expect([...gradient.dataSync()]).toEqual([6, 6]);
  });

  it('makes a layer normalization of 384 numbers a step of some dozens of ops, not of thousands', () => {
    const model = tf.sequential({ layers: [tf.layers.layerNormalization({ inputShape: [384] })] });
    const squares = (x: tf.Tensor): tf.Scalar => tf.sum(tf.square(model.apply(x, { training: true }) as tf.Tensor));
    const compiled = engine.compile((x: tf.Tensor) => Object.values(tf.variableGrads(() => squares(x)).grads), {
      name: 'normalized',
    });
    const nodes = compiled.print(tf.ones([2, 384])).split('\n').length;
    compiled.dispose();
    model.dispose();
    expect(nodes).toBeLessThan(150);
  });
});
