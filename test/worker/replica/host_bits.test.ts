/** Owns: that a device whose arithmetic is not the host's is told from one whose is. */
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { installEngine, type Engine } from '../../../src/engine/index.js';
import { givesHostBits } from '../../../src/worker/replica/host_bits.js';

describe("a device's arithmetic", () => {
  let engine: Engine;
  beforeAll(() => {
    engine = installEngine({ device: 'CPU:0' });
  });
  afterAll(() => engine.dispose());

  it("is the host's on a processor, and nothing is left behind", () => {
    const before = [tf.memory().numTensors, engine.liveHandles()];
    expect(givesHostBits(engine)).toBe(true);
    expect([tf.memory().numTensors, engine.liveHandles()]).toEqual(before);
  });

  type Operation = (a: tf.Tensor, b: tf.Tensor) => tf.Tensor;
  const RIGHT: Record<string, Operation> = {
    add: tf.add,
    subtract: tf.sub,
    multiply: tf.mul,
    divide: tf.div,
    maximum: (a, b) => tf.maximum(tf.abs(a), tf.abs(b)),
    squareRoot: (a) => tf.sqrt(a),
  };
  const ulp = 2 ** -23;
  const WRONG: [string, string, Operation][] = [
    ['a quotient by a reciprocal', 'divide', (a, b) => tf.mul(a, tf.reciprocal(b))],
    ['a root by its reciprocal', 'squareRoot', (a) => tf.mul(a, tf.rsqrt(a))],
    ['sums that are off by the last bit', 'add', (a, b) => tf.mul(tf.add(a, b), 1 + ulp)],
    [
      'products that are cut off early',
      'multiply',
      (a, b) => tf.where(tf.less(tf.abs(tf.mul(a, b)), 2 ** -125), 0, tf.mul(a, b)),
    ],
    ['zeros without a sign', 'subtract', (a, b) => tf.add(tf.sub(a, b), 0)],
  ];

  it.each(WRONG)("is not the host's with %s", (_, operator, wrong) => {
    const compute = (operations: Record<string, Operation>) => (values: readonly tf.Tensor[]) =>
      Object.values(operations).map((operation) => operation(values[0], values[1]));
    expect(givesHostBits(engine, compute(RIGHT))).toBe(true);
    expect(givesHostBits(engine, compute({ ...RIGHT, [operator]: wrong }))).toBe(false);
  });
});
