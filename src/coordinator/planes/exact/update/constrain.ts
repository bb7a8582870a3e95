/**
 * Owns: holding constrained weights to their constraints after each step, as Keras does (tfjs's fit never does).
 * Does not: decide which weights are constrained (the layout says), or look at gradients.
 *
 * Norms are summed in float64 in the order of the elements and every weight is rounded once: the same weights give the same bits anywhere.
 */
import type { BucketLayout } from '../../../../common/bucket_layout.js';
import type { WeightConstraint } from '../../../../common/weight_constraint.js';

/** tfjs's and Keras's own, for norms near 0. */
const EPSILON = 1e-7;
/** Elements between two turns. */
const STRETCH = 65_536;

/** Changes `parameters` in place; yields between stretches of elements. */
export function* constrain({ slots, constraints }: BucketLayout, parameters: Float32Array): Generator<void, void> {
  for (const { slot, constraint } of constraints) {
    const { shape, offset, size } = slots[slot];
    yield* constrainWeight(parameters.subarray(offset, offset + size), shape, constraint);
  }
}

export function* constrainWeight(
  values: Float32Array,
  shape: readonly number[],
  constraint: WeightConstraint,
): Generator<void, void> {
  if (constraint.kind === 'nonNeg') {
    for (let at = 0; at < values.length; at++) {
      if (values[at] < 0) values[at] = 0;
      if (at % STRETCH === STRETCH - 1) yield;
    }
    return;
  }
  const { group, groups } = groupsOf(shape, constraint.axes);
  const norms = new Float64Array(groups);
  for (let at = 0; at < values.length; at++) {
    norms[group(at)] += values[at] ** 2;
    if (at % STRETCH === STRETCH - 1) yield;
  }
  const factors = norms.map((sum) => factorFor(constraint, Math.sqrt(sum)));
  for (let at = 0; at < values.length; at++) {
    values[at] *= factors[group(at)];
    if (at % STRETCH === STRETCH - 1) yield;
  }
}

function factorFor(constraint: Exclude<WeightConstraint, { kind: 'nonNeg' }>, norm: number): number {
  switch (constraint.kind) {
    case 'unitNorm':
      return 1 / (EPSILON + norm);
    case 'maxNorm':
      return Math.min(norm, constraint.maxValue) / (EPSILON + norm);
    case 'minMaxNorm': {
      const { minValue, maxValue, rate } = constraint;
      const clipped = Math.min(Math.max(norm, minValue), maxValue);
      return (rate * clipped + (1 - rate) * norm) / (EPSILON + norm);
    }
  }
}

/** Which norm an element belongs to: its place in the tensor with `axes` taken out. */
function groupsOf(shape: readonly number[], axes: readonly number[]): { group: (at: number) => number; groups: number } {
  const kept: { extent: number; stride: number; step: number }[] = [];
  let stride = 1;
  let groups = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const extent = shape[axis];
    if (!axes.includes(axis)) {
      kept.push({ extent, stride, step: groups });
      groups *= extent;
    }
    stride *= extent;
  }
  const group = (at: number): number => {
    let index = 0;
    for (const axis of kept) index += (Math.floor(at / axis.stride) % axis.extent) * axis.step;
    return index;
  };
  return { group, groups };
}
