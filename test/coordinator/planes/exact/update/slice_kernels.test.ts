/** Owns: that the update's WebAssembly equals plain JavaScript (test/support/scalar_update.ts) to the bit. */
import { expect, test } from 'vitest';
import { createBucketLayout } from '../../../../../src/common/bucket_layout.js';
import { LIMITS } from '../../../../../src/common/limits.js';
import { deriveKey, PURPOSE, wordStream } from '../../../../../src/common/random.js';
import { DEFAULT_TRAIN_CONFIG, type OptimizerConfig } from '../../../../../src/common/train_config.js';
import {
  addAndDivideSlices,
  addSlices,
  divideSlice,
  moveSlice,
  scaleSlice,
} from '../../../../../src/coordinator/planes/exact/update/basic_kernels.js';
import { createOptimizer, OPERANDS } from '../../../../../src/coordinator/planes/exact/update/optimizer.js';
import { rateSpans } from '../../../../../src/coordinator/planes/exact/update/layer_rates.js';
import { ShardSum } from '../../../../../src/coordinator/planes/exact/update/reducer.js';
import {
  contents,
  load,
  register,
  SLICE_ELEMENTS,
  store,
} from '../../../../../src/coordinator/planes/exact/update/slice_kernels.js';
import { applyStep, type NonFinite, type StepInput } from '../../../../../src/coordinator/planes/exact/update/step_update.js';
import { float32, meanOf, scalarStep } from '../../../../support/scalar_update.js';

const words = wordStream({ key: deriveKey({ seed: 7, purpose: PURPOSE.synthetic, layer: 0 }), stream: 0 });
const unit = () => words() / 2 ** 31 - 1;

/** What training meets, and what it hardly does: zeros of both signs, numbers whose squares or products are subnormal or 0. */
function tame(size: number): Float32Array {
  const draw = [
    unit,
    unit,
    () => unit() * 1e-3,
    () => unit() * 1e3,
    () => unit() * 1e-20,
    () => unit() * 1e-39,
    () => 0,
    () => -0,
  ];
  return Float32Array.from({ length: size }, () => draw[words() % draw.length]());
}

/** Products and quotients around 2^-126, where the smallest normal number ends. */
function edge(size: number): Float32Array {
  const significand = () => 1 - (words() % 2 ** 12) * 2 ** -24;
  return Float32Array.from({ length: size }, (_, i) => {
    if (i % 4 === 3) return significand() * 2 ** (-126 + (words() % 3));
    return (words() % 2 === 0 ? 1 : -1) * significand() * 2 ** (-63 + (words() % 3));
  });
}

/** Any of the 2^32 bit patterns: most exponents, infinities and NaN too. */
function wild(size: number): Float32Array {
  return new Float32Array(Uint32Array.from({ length: size }, words).buffer);
}

/** The bits; a NaN has no meaning in its own. */
function bits(values: Float32Array): Uint32Array {
  return new Uint32Array(values.map((value) => (Number.isNaN(value) ? NaN : value)).buffer);
}

/** `toEqual` on long arrays is slow, and says too much. */
function expectSameBits(found: Float32Array, expected: Float32Array, what: string): void {
  const [a, b] = [bits(found), bits(expected)];
  expect(a.length, what).toBe(b.length);
  const at = a.findIndex((word, i) => word !== b[i]);
  expect(at, `${what}: ${found[at]} and not ${expected[at]} at ${at}`).toBe(-1);
}

const LENGTHS = [0, 1, 2, 3, 4, 5, 7, 8, 997, SLICE_ELEMENTS - 1, SLICE_ELEMENTS];

test.each([tame, wild, edge])('each kernel computes what its comment says, and nothing beside its operand: %o', (draw) => {
  const [a, b, c, after] = [0, 1, 2, 3].map(register);
  const untouched = draw(SLICE_ELEMENTS);
  for (const length of LENGTHS) {
    const [x, y] = [draw(length), draw(length)];
    const computed = (into: number, compute: () => void): Float32Array => {
      load(a, x);
      load(b, y);
      load(after, untouched);
      compute();
      const found = new Float32Array(length);
      store(into, found);
      expectSameBits(contents(after, SLICE_ELEMENTS), untouched, 'the register behind');
      return found;
    };
    const expectKernel = (name: string, found: Float32Array, expected: (i: number) => number) =>
      expectSameBits(
        found,
        Float32Array.from({ length }, (_, i) => expected(i)),
        `${name} of ${length}`,
      );

    expectKernel(
      'load',
      computed(a, () => undefined),
      (i) => x[i],
    );
    expectKernel(
      'add',
      computed(c, () => addSlices(c, a, b, length)),
      (i) => float32(float32(x[i]) + float32(y[i])),
    );
    expectKernel(
      'add',
      computed(a, () => addSlices(a, a, b, length)),
      (i) => float32(float32(x[i]) + float32(y[i])),
    );
    const divided = computed(c, () => addAndDivideSlices(c, [a, b], 200, length));
    expectKernel('addAndDivide', divided, (i) => float32(float32(float32(x[i]) + float32(y[i])) / 200));
    expectKernel(
      'divide',
      computed(a, () => divideSlice(a, 3, length)),
      (i) => float32(float32(x[i]) / 3),
    );
    expectKernel(
      'scale',
      computed(a, () => scaleSlice(a, 0.1, length)),
      (i) => float32(float32(0.1) * float32(x[i])),
    );
    const moved = computed(a, () => moveSlice(a, b, 0.9, length));
    expectKernel('moveSlice', moved, (i) =>
      float32(float32(float32(0.9) * float32(x[i])) + float32(float32(1 - 0.9) * float32(y[i]))),
    );
  }
});

test('a number that is not finite is seen in any place, and none is seen where an earlier slice left one', () => {
  const { update } = createOptimizer({ ...DEFAULT_TRAIN_CONFIG.optimizer, name: 'adam' });
  const { gradient, weights, slot } = OPERANDS;
  for (const length of [1, 2, 3, 4, 5, 6, 7, 8, 13]) {
    const run = (planted: Float32Array) => {
      for (const at of [weights, gradient, slot(0), slot(1)]) load(at, new Float32Array(16).fill(NaN));
      load(gradient, planted);
      for (const at of [weights, slot(0), slot(1)]) load(at, new Float32Array(length));
      const moved = moveSlice(slot(0), gradient, 0, length);
      load(slot(0), new Float32Array(length));
      return [moved, update({ length, learningRate: 0.1, step: 0 })];
    };
    expect(run(new Float32Array(length))).toEqual([true, true]);
    // Its square is too large, and the step it makes is 0.
    for (let at = 0; at < length; at++) expect(run(new Float32Array(length).fill(1e30, at, at + 1))).toEqual([true, false]);
    for (const bad of [NaN, Infinity, -Infinity])
      for (let at = 0; at < length; at++) expect(run(new Float32Array(length).fill(bad, at, at + 1))).toEqual([false, false]);
  }
});

test('nothing is finite: all of no elements is', () => {
  expect(moveSlice(register(0), register(1), 0.9, 0)).toBe(true);
});

test('a slice that is too long, and a tree too deep, are said', () => {
  expect(() => load(register(0), new Float32Array(SLICE_ELEMENTS + 1))).toThrow('internal: a slice fits in a register');
  expect(() => register(16)).toThrow('internal: the sum tree fits in the registers');
});

/** x: a shard, -: an empty one. */
const SHARDS = ['x', 'xx', 'xxx', 'x-x', '-xx-x', 'xxxxx'];

test.each(SHARDS)('the shards %s have the mean of plain JavaScript', (pattern) => {
  for (const draw of [tame, wild, edge]) {
    for (const size of [...LENGTHS, 2 * SLICE_ELEMENTS + 3]) {
      const shards = [...pattern].map((shard) => (shard === 'x' ? draw(size) : undefined));
      const sum = new ShardSum(shards);
      const expected = meanOf(shards, size, 200);
      for (let start = 0; start < size; start += SLICE_ELEMENTS) {
        const into = new Float32Array(Math.min(SLICE_ELEMENTS, size - start));
        sum.divided(start, 200, into);
        expectSameBits(into, expected.subarray(start, start + into.length), `${size} elements from ${start}`);
      }
    }
  }
});

test('the most shards there may be have registers for their tree', () => {
  const shards = Array.from({ length: LIMITS.maxShards }, () => tame(5));
  const into = new Float32Array(5);
  new ShardSum(shards).divided(0, 1000, into);
  expectSameBits(into, meanOf(shards, 5, 1000), 'the sum');
});

const OPTIMIZERS: [string, Partial<OptimizerConfig>][] = [
  ['sgd', {}],
  ['sgd, decay', { weightDecay: 5e-4 }],
  ['momentum', { momentum: 0.9 }],
  ['momentum, decay', { momentum: 0.9, weightDecay: 0.3 }],
  ['nesterov', { momentum: 0.9, nesterov: true }],
  ['nesterov, decay', { momentum: 0.9, nesterov: true, weightDecay: 0.3 }],
  ['nesterov without momentum', { nesterov: true }],
  ['adam', { name: 'adam' }],
  ['adam, decay', { name: 'adam', weightDecay: 0.01, epsilon: 1e-3 }],
  ['adamw', { name: 'adamw', weightDecay: 0.01 }],
];

function run(input: StepInput): NonFinite | undefined {
  const work = applyStep(input);
  for (;;) {
    const { done, value } = work.next();
    if (done) return value.nonFinite;
  }
}

function frozenAt<B extends { parameters: Float32Array }>(offset: number, buffers: B): B {
  buffers.parameters.set([0.5, -0, 2], offset);
  return buffers;
}

test.each(OPTIMIZERS)('%s: steps are those of plain JavaScript, good ones and bad ones', (_, change) => {
  let bad = 0;
  for (const clipNorm of [null, 0.5, 1e30]) {
    const config = { ...DEFAULT_TRAIN_CONFIG.optimizer, ...change, clipNorm };
    for (const size of [0, 1, 3, 4, 5, 997, SLICE_ELEMENTS - 1, SLICE_ELEMENTS + 1, 2 * SLICE_ELEMENTS + 3]) {
      for (const [draw, pattern] of [
        [tame, 'x'],
        [tame, '-xx-x'],
        [wild, 'xx'],
        [edge, 'x'],
      ] as const) {
        const layout = createBucketLayout({
          weights: [
            { name: 'a', shape: [size] },
            { name: 'b', shape: [2] },
            { name: 'mean', shape: [size], statisticMomentum: 0.9 },
            { name: 'frozen', shape: [3] },
            { name: 'variance', shape: [1], statisticMomentum: 0.99 },
          ],
          trained: 2,
        });
        const optimizer = createOptimizer(config);
        const shards = (length: number) => [...pattern].map((shard) => (shard === 'x' ? draw(length) : undefined));
        const buffers = (fill: (length: number) => Float32Array) => ({
          parameters: fill(layout.totalSize),
          // The second moment is a mean of squares.
          slots: optimizer.slots.map(({ name }) => (name === 'second_moment' ? fill(size + 2).map(Math.abs) : fill(size + 2))),
        });
        const input = {
          layout,
          rates: rateSpans(layout, []),
          gradients: shards(size + 2),
          statistics: shards(size + 1),
          globalBatch: 200,
          learningRate: 0.1,
          step: 3,
          // A frozen weight is carried over as it is: one that is not finite was not made here.
          current: frozenAt(size + 2 + size, buffers(draw)),
        };
        const [found, expected] = [buffers(wild), buffers(wild)];
        const where = run({ ...input, optimizer, clipNorm, next: found });
        expect(where).toEqual(scalarStep({ ...input, config, next: expected }));
        if (draw === tame) expect(where).toBeUndefined();
        if (where !== undefined) bad++;
        expectSameBits(found.parameters, expected.parameters, `weights of ${size}`);
        found.slots.forEach((slot, i) => expectSameBits(slot, expected.slots[i], `slot ${i} of ${size}`));
      }
    }
  }
  expect(bad).toBeGreaterThan(9);
});
