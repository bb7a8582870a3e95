/**
 * Owns: what the tests of the engine's training ops measure with: gradients, eager and compiled, finite differences, the distance between them.
 * Does not: know an op, or what its gradient should be.
 */
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, expect } from 'vitest';
import { installEngine, type Engine, type EngineOptions } from '../../src/engine/index.js';

/** Called once in a test file: an engine from before its first test until after its last one. */
export function engineForTests(options?: EngineOptions): () => Engine {
  let engine: Engine;
  beforeAll(() => {
    engine = installEngine(options);
  });
  afterAll(() => engine.dispose());
  return () => engine;
}

export const values = (tensor: tf.Tensor): number[] => Array.from(tensor.dataSync());

/** Norm of the difference over norm of the wanted. */
export function distance(got: number[], wanted: number[]): number {
  expect(got.length).toBe(wanted.length);
  const norm = (list: number[]): number => Math.sqrt(list.reduce((sum, value) => sum + value * value, 0));
  return norm(got.map((value, index) => value - wanted[index])) / Math.max(norm(wanted), 1e-12);
}

/** Central differences of a scalar function; float32 allows about 1e-3. */
export function finiteDifferences(f: (x: tf.Tensor) => tf.Tensor, x: tf.Tensor, h = 1e-2): number[] {
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
export function gradients(engine: Engine, f: (x: tf.Tensor) => tf.Tensor, x: tf.Tensor): [number[], number[]] {
  const gradient = tf.grad(f);
  const compiled = engine.compile((value: tf.Tensor) => gradient(value));
  const result: [number[], number[]] = [values(gradient(x)), values(compiled(x))];
  compiled.dispose();
  return result;
}

export const irregular = (shape: number[], scale = 1): tf.Tensor => {
  const size = shape.reduce((product, extent) => product * extent, 1);
  return tf.tensor(
    Array.from({ length: size }, (_, i) => scale * Math.sin(1.7 * i + 0.3)),
    shape,
  );
};

/** A scalar that weighs every element differently. */
export const weighed = (y: tf.Tensor): tf.Tensor => tf.sum(tf.mul(y, irregular(y.shape)));
