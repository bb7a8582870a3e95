/** Owns: that the golden files and this side's formulas belong together, and that the measure finds a planted error. */
import { describe, expect, it } from 'vitest';
import { furthestTensor, loadGolden, normwiseDifference } from '../support/golden.js';
import type { GoldenTensor } from '../support/golden.js';
import { goldenProjections, goldenTensors, mix, sizeOf } from '../support/golden_formula.js';

const whole = loadGolden('gluon_cnn_eighth');
const full = loadGolden('gluon_cnn');

describe('the golden problem', () => {
  it('hashes as lowbias32 does: 0 stays 0, 1 becomes 0x688990c0', () => {
    expect(mix(0)).toBe(0);
    expect(mix(1).toString(16)).toBe('688990c0');
  });

  it('is the reference network: 1,085,002 trained of 1,085,898 values', () => {
    const { trained, moving } = goldenTensors(1);
    const count = (tensors: readonly { shape: readonly number[] }[]): number =>
      tensors.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
    expect(count(trained)).toBe(1_085_002);
    expect(count([...trained, ...moving])).toBe(1_085_898);
    expect(full.initial.length).toBe(1_085_898);
  });

  it('starts each tensor with its own values, gamma near 1 and moving variance at 1', () => {
    const gamma = whole.tensors.findIndex(({ name }) => name === 'norm1/gamma');
    const before = whole.tensors.slice(0, gamma).reduce((sum, { shape }) => sum + sizeOf(shape), 0);
    for (const value of whole.initial.subarray(before, before + 8)) expect(Math.abs(value - 1)).toBeLessThanOrEqual(0.1);
    expect([...whole.initial.subarray(-4)]).toEqual([1, 1, 1, 1]);
  });

  it('stores norms and projections that its whole tensors have', () => {
    for (const tensor of [...whole.gradients, ...whole.weights]) {
      const values = tensor.values as Float32Array;
      expect(Math.hypot(...values) / tensor.norm).toBeCloseTo(1, 6);
      const projections = goldenProjections(whole.seed, tensor.index, values);
      projections.forEach((value, k) =>
        expect(Math.abs(value - tensor.projections[k])).toBeLessThan(1e-6 * tensor.norm * Math.sqrt(values.length)),
      );
    }
  });

  it('moves every weight by more than ten tolerances, so that an update wrong by a tenth shows', () => {
    for (const golden of [whole, full]) {
      for (const { moved, norm } of golden.weights) expect((moved as number) / norm).toBeGreaterThan(10 * 1e-4);
    }
  });
});

describe('the norm-wise measure', () => {
  const small = whole.gradients[0];
  const asProjected: GoldenTensor = {
    ...small,
    values: undefined,
    samples: { at: [0], values: [(small.values as Float32Array)[0]] },
  };

  it('is 0 for the golden values, and 1 for zeros', () => {
    expect(normwiseDifference(whole, small, small.values as Float32Array)).toBe(0);
    expect(normwiseDifference(whole, small, new Float32Array(sizeOf(small.shape)))).toBeCloseTo(1, 6);
  });

  it('estimates from projections what it measures on the whole tensor: 1 % in one element, 1 % in all', () => {
    const values = small.values as Float32Array;
    const oneWrong = Float32Array.from(values, (value, index) => value + (index === 5 ? 0.01 * small.norm : 0));
    expect(normwiseDifference(whole, small, oneWrong)).toBeCloseTo(0.01, 6);
    expect(normwiseDifference(whole, asProjected, oneWrong)).toBeCloseTo(0.01, 5);
    const allWrong = values.map((value) => 1.01 * value);
    const estimated = normwiseDifference(whole, asProjected, allWrong);
    expect(estimated).toBeGreaterThan(0.0065);
    expect(estimated).toBeLessThan(0.0135);
  });

  it('sees two swapped elements of a tensor known by its projections alone', () => {
    const tensor = whole.gradients.find(({ name }) => name === 'dense1/kernel') as GoldenTensor;
    const values = tensor.values as Float32Array; // 128 inputs · 64 outputs
    const projected: GoldenTensor = { ...tensor, values: undefined, samples: { at: [0], values: [values[0]] } };
    expect(normwiseDifference(whole, projected, values)).toBeLessThan(1e-6);
    const swapped = values.slice();
    [swapped[1000], swapped[7000]] = [values[7000], values[1000]];
    const truth = normwiseDifference(whole, tensor, swapped);
    expect(truth).toBeCloseTo((Math.SQRT2 * Math.abs(values[1000] - values[7000])) / tensor.norm, 6);
    const estimated = normwiseDifference(whole, projected, swapped);
    expect(estimated / truth).toBeGreaterThan(0.65);
    expect(estimated / truth).toBeLessThan(1.45);
  });

  it('reads 64 samples of each large tensor, first and last element among them', () => {
    const { samples } = full.gradients.find(({ name }) => name === 'dense1/kernel') as GoldenTensor;
    expect(samples?.at.length).toBe(64);
    expect([samples?.at[0], samples?.at[63]]).toEqual([0, 1024 * 512 - 1]);
    expect(samples?.values.every((value) => Number.isFinite(value) && value !== 0)).toBe(true);
  });

  it('names the tensor that is wrong in a packed array, and a NaN above all', () => {
    const packed = Float32Array.from(whole.gradients.flatMap(({ values }) => [...(values as Float32Array)]));
    expect(furthestTensor(whole, whole.gradients, packed).difference).toBe(0);
    const wrong = packed.map((value, index) => (index === 72 ? value + 1 : value)); // conv1/kernel has 9 · 8 = 72 values
    expect(furthestTensor(whole, whole.gradients, wrong).name).toBe('conv1/bias');
    packed[packed.length - 1] = NaN;
    expect(furthestTensor(whole, whole.gradients, packed)).toEqual({ name: 'dense2/bias', difference: NaN });
  });
});
