/**
 * Owns: that a weight is held to its constraint as tfjs's own constraint classes hold it.
 */
import * as tf from '@tensorflow/tfjs';
import { expect, it } from 'vitest';
import type { WeightConstraint } from '../../../../../src/common/weight_constraint.js';
import { constrainWeight } from '../../../../../src/coordinator/planes/exact/update/constrain.js';

function constrained(values: Float32Array, shape: number[], constraint: WeightConstraint): number[] {
  const copy = values.slice();
  for (const turn of constrainWeight(copy, shape, constraint)) expect(turn).toBeUndefined();
  return [...copy];
}

/** A column of 3 and 4 has norm 5: to 1 it is 0.6 and 0.8; one of 0.3 and 0.4 stays under 1, and zeros stay zeros. */
it('by numbers that a reader can redo', () => {
  const columns = Float32Array.of(3, 0.3, 0, 4, 0.4, 0);
  const axes = [0];
  const near = (got: number[], wanted: number[]) => got.forEach((value, at) => expect(value).toBeCloseTo(wanted[at], 6));
  near(constrained(columns, [2, 3], { kind: 'maxNorm', axes, maxValue: 1 }), [0.6, 0.3, 0, 0.8, 0.4, 0]);
  near(constrained(columns, [2, 3], { kind: 'unitNorm', axes }), [0.6, 0.6, 0, 0.8, 0.8, 0]);
  // Half of the way from 5 to 1 and from 0.5 to 1: norms of 3 and 0.75.
  const half = { kind: 'minMaxNorm', axes, minValue: 1, maxValue: 1, rate: 0.5 } as const;
  near(constrained(columns, [2, 3], half), [1.8, 0.45, 0, 2.4, 0.6, 0]);
  expect(constrained(Float32Array.of(-1, 0, 2), [3], { kind: 'nonNeg' })).toEqual([0, 0, 2]);
});

const SHAPES: readonly [shape: number[], axis: number | number[]][] = [
  [[7], 0],
  [[5, 3], 0],
  [[5, 3], 1],
  [
    [3, 2, 4, 5],
    [0, 1, 2],
  ],
  [[3, 2, 4, 5], 2],
  [[1, 1], 0],
];

it.each(SHAPES)('%j over %j as tfjs does', async (shape, axis) => {
  await tf.setBackend('cpu');
  const size = shape.reduce((a, b) => a * b, 1);
  const values = Float32Array.from({ length: size }, (_, at) => Math.sin(at * 1.7) * (at % 5));
  const axes = [axis].flat();
  const cases: readonly [WeightConstraint, { apply(w: tf.Tensor): tf.Tensor }][] = [
    [{ kind: 'maxNorm', axes, maxValue: 1.5 }, tf.constraints.maxNorm({ maxValue: 1.5, axis: axis as number })],
    [{ kind: 'unitNorm', axes }, tf.constraints.unitNorm({ axis: axis as number })],
    [
      { kind: 'minMaxNorm', axes, minValue: 0.5, maxValue: 2, rate: 0.3 },
      tf.constraints.minMaxNorm({ minValue: 0.5, maxValue: 2, rate: 0.3, axis: axis as number }),
    ],
    [{ kind: 'nonNeg' }, tf.constraints.nonNeg()],
  ];
  for (const [constraint, truth] of cases) {
    const wanted = truth.apply(tf.tensor(values, shape)).dataSync();
    // tfjs rounds each of at most 24 sums and 6 operations to float32: 30 · 2^-24 of the value.
    constrained(values, shape, constraint).forEach((value, at) =>
      expect(Math.abs(value - wanted[at])).toBeLessThanOrEqual(30 * 2 ** -24 * Math.abs(wanted[at])),
    );
  }
});
