/** Owns: that convolutions by minimal filtering give what convolutions do, in whatever parts, and which these are. */
import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import type { Engine } from '../../../src/engine/index.js';
import { Uses } from '../../../src/engine/lowering/loop_plan.js';
import { partsOf, planWinograd, winogradFrom } from '../../../src/engine/lowering/winograd.js';
import { convolveAndDerive, convolved, outputShape, type Convolution, type Shape } from '../../support/convolution_truth.js';
import { engineForTests, irregular } from '../../support/gradient_checks.js';
import { magnitudes } from '../../support/minimal_filtering.js';
import { FUSES, recordedNodes, withContext } from '../../support/recorded_nodes.js';

const given = (x: Shape, filters: number, pad: 'same' | 'valid', pixels: [number, number] = [3, 3]): Convolution => ({
  ...{ x, filter: [...pixels, x[3], filters], strides: [1, 1], pad },
});

/** Five parts, the first two larger by one. */
const MANY = given([227, 13, 16, 32], 32, 'same');
/** First and last ones of some parts. */
const AT_EDGES = [0, 45, 46, 91, 92, 226];

const CASES: [string, Convolution][] = [
  ['one tile', given([1, 6, 6, 32], 32, 'valid')],
  ['whole tiles', given([2, 10, 14, 32], 33, 'valid')],
  ['tiles that are left over', given([1, 12, 9, 34], 32, 'valid')],
  ['zeros around whole tiles', given([1, 8, 4, 32], 35, 'same')],
  ['zeros around tiles that are left over', given([2, 7, 11, 33], 32, 'same')],
];

/** Groups of a function's nodes, by the kinds of their ops. */
function planned(
  engine: Engine,
  fn: (...args: tf.Tensor[]) => tf.Tensor[],
  shapes: readonly (readonly number[])[],
  { from = 0, precision = 'fp32' as 'fp32' | 'bf16' } = {},
): string[][] {
  const { nodes, results } = recordedNodes(engine, fn, shapes);
  return [...planWinograd(nodes, { uses: new Uses(nodes, results), from, precision }).values()].map((group) =>
    group.map(({ op }) => op).sort(),
  );
}

const FORWARD = ['Conv2D'];
const BACKWARD = ['Conv2DBackpropFilter', 'Conv2DBackpropInput'];
/** What tf.grads computes once more, and nothing uses, is none of them. */
const STEP = [FORWARD, BACKWARD];

interface Computed {
  readonly inputs: readonly Float32Array[];
  /** Maps, and gradients of pictures and of filters. */
  readonly results: readonly Float32Array[];
}

/** Of these numbers, or of some that differ all. `fuse`: as in training steps. */
function computed(
  engine: Engine,
  convolution: Convolution,
  options: { beside?: number; fuse?: boolean; inputs?: readonly Float32Array[] } = {},
): Computed {
  const { beside = 1, fuse = true, inputs } = options;
  const shapes = [convolution.x, convolution.filter, outputShape(convolution)];
  // tidy looks for tensors among what it is given back, number by number.
  let read: Computed = { inputs: [], results: [] };
  tf.tidy(() => {
    const given = shapes.map((shape, at) => (inputs === undefined ? irregular(shape, at + 1) : tf.tensor(inputs[at], shape)));
    const compiled = engine.compile(convolveAndDerive(convolution), { name: 'convolution', fuse });
    const all = { winogradFrom: 0, threads: beside };
    const results = withContext(engine, all, () => compiled(given[0], given[1], given[2]));
    read = { inputs: given.map(numbers), results: results.map(numbers) };
    compiled.dispose();
  });
  return read;
}

const numbers = (tensor: tf.Tensor): Float32Array => tensor.dataSync() as Float32Array;

/** For each kind of result the first number that is further from float64 than its arithmetic allows; −1: none is. */
function wrong(convolution: Convolution, { inputs, results }: Computed): number[] {
  const y = outputShape(convolution);
  const truth = convolved(convolution, [...inputs], y);
  const magnitude = magnitudes({ ...convolution, y }, [...inputs]);
  return (['y', 'dx', 'dw'] as const).map((kind, at) => {
    const { sum, terms } = truth[kind];
    // Two transforms of up to 12 roundings before and after, and as many products as a sum has terms.
    const limit = (i: number): number => magnitude[kind][i] * (terms[i] + 40) * 2 ** -24;
    return sum.findIndex((value, i) => !(Math.abs(results[at][i] - value) <= limit(i)));
  });
}

/** Whether each result has other bits than those of other results. */
const differ = (a: Computed, b: Computed): boolean[] =>
  a.results.map((result, at) => result.some((value, i) => value !== b.results[at][i]));

describe('convolutions by minimal filtering', () => {
  const engine = engineForTests({ device: 'CPU:0' });

  it.skipIf(!FUSES).each(CASES)('%s: as in float64', (_, convolution) => {
    const shapes = [convolution.x, convolution.filter, outputShape(convolution)];
    expect(planned(engine(), convolveAndDerive(convolution), shapes)).toEqual(STEP);
    const fused = computed(engine(), convolution);
    expect(wrong(convolution, fused)).toEqual([-1, -1, -1]);
    expect(differ(fused, computed(engine(), convolution, { fuse: false }))).toEqual([true, true, true]);
  });

  it.skipIf(!FUSES)('in parts of unequal sizes: as in float64', () => {
    const few: Convolution = { ...MANY, x: [AT_EDGES.length, MANY.x[1], MANY.x[2], MANY.x[3]] };
    const fewInputs = computed(engine(), few).inputs;
    const sizeOfOne = (values: Float32Array): number => values.length / AT_EDGES.length;
    // Zeros between them.
    const spread = (values: Float32Array): Float32Array => {
      const all = new Float32Array(MANY.x[0] * sizeOfOne(values));
      AT_EDGES.forEach((example, at) => all.set(one(values, at), example * sizeOfOne(values)));
      return all;
    };
    const one = (values: Float32Array, at: number, size = sizeOfOne(values)): Float32Array =>
      values.subarray(at * size, (at + 1) * size);
    const { results } = computed(engine(), MANY, { inputs: [spread(fewInputs[0]), fewInputs[1], spread(fewInputs[2])] });
    const gathered = (values: Float32Array): Float32Array =>
      Float32Array.from(AT_EDGES.flatMap((example) => [...one(values, example, values.length / MANY.x[0])]));
    expect(wrong(few, { inputs: fewInputs, results: [gathered(results[0]), gathered(results[1]), results[2]] })).toEqual([
      -1, -1, -1,
    ]);
  });

  it.skipIf(!FUSES)('the same bits however many parts are computed side by side', () => {
    const [one, ...others] = [1, 2, 3].map((beside) => computed(engine(), MANY, { beside }));
    for (const other of others) expect(differ(one, other)).toEqual([false, false, false]);
  });
});

describe('gradients of filters by minimal filtering in bf16', () => {
  const engine = engineForTests({ precision: 'bf16', device: 'CPU:0' });

  it.skipIf(!FUSES)('in float32, of what the convolution is given, and left so', ({ skip }) => {
    if (engine().context.bfloat16?.byOneDnn !== true) skip('oneDNN does not compute in bfloat16 here');
    const convolution = given([2, 10, 10, 64], 64, 'valid');
    const { inputs, results } = computed(engine(), convolution);
    const y = outputShape(convolution);
    const { sum, absolute, terms } = convolved(convolution, [...inputs], y).dw;
    const magnitude = magnitudes({ ...convolution, y }, [...inputs]).dw;
    // Both factors of each term may be bfloat16.
    const limit = (i: number): number => magnitude[i] * (terms[i] + 40) * 2 ** -24 + absolute[i] * 2 ** -7;
    expect(sum.findIndex((value, i) => !(Math.abs(results[2][i] - value) <= limit(i)))).toBe(-1);
    const isBfloat16 = (value: number): boolean => new Uint16Array(Float32Array.of(value).buffer)[0] === 0;
    expect(results[2].every(isBfloat16)).toBe(false);
    expect(results[1].every(isBfloat16)).toBe(true);
  });
});

describe('which convolutions are computed by minimal filtering', () => {
  const engine = engineForTests();
  const step = (convolution: Convolution, options?: { from?: number; precision?: 'fp32' | 'bf16' }): string[][] =>
    planned(engine(), convolveAndDerive(convolution), [convolution.x, convolution.filter, outputShape(convolution)], options);

  it.each([
    ['a filter of 3 × 3', given([1, 8, 8, 32], 32, 'same'), true],
    ['one of another size', given([1, 8, 8, 32], 32, 'same', [5, 5]), false],
    ['one that is no square', given([1, 8, 8, 32], 32, 'same', [3, 1]), false],
    ['strides', { ...given([1, 8, 8, 32], 32, 'same'), strides: [2, 2] }, false],
    ['strides along one axis', { ...given([1, 8, 8, 32], 32, 'same'), strides: [1, 2] }, false],
    ['few channels', given([1, 8, 8, 31], 32, 'same'), false],
    ['few filters', given([1, 8, 8, 32], 31, 'same'), false],
    ['maps of which a tile covers little more', given([1, 7, 7, 32], 32, 'same'), true],
    ['maps of 224 × 224, 64 channels', given([1, 224, 224, 64], 64, 'same'), true],
    ['larger ones, of which a single one takes much memory', given([1, 256, 256, 64], 64, 'same'), false],
    ['maps of which a tile covers much more', given([1, 5, 5, 32], 32, 'same'), false],
  ] as [string, Convolution, boolean][])('%s', (_, convolution, wanted) => {
    expect(step(convolution)).toEqual(wanted ? STEP : []);
  });

  it('those of many products', () => {
    const convolution = given([3, 8, 8, 32], 64, 'same');
    const products = 3 * 8 * 8 * 9 * 32 * 64;
    expect([products, products + 1].map((from) => step(convolution, { from }).length)).toEqual([2, 0]);
    expect([step(convolution, { from: Infinity })]).toEqual([[]]);
    const from = (precision: 'fp32' | 'bf16', oneDnn: 'on' | 'off', convolvesByProducts: boolean): number =>
      winogradFrom({ precision, oneDnn, convolvesByProducts });
    expect([from('fp32', 'off', true), from('bf16', 'off', true), from('bf16', 'on', false)]).toEqual(Array(3).fill(Infinity));
    const ofReferenceCnn = 100 * 9 * 8 * 8 * 128 * 128;
    for (const own of [from('fp32', 'on', false), from('bf16', 'on', true)]) expect(own).toBeLessThan(ofReferenceCnn);
  });

  it('in bf16 gradients of filters alone, of many channels and of maps that tiles cover', () => {
    const of = (x: Shape, filters: number, pad: 'same' | 'valid'): string[][] =>
      step(given(x, filters, pad), { precision: 'bf16' });
    expect(of([1, 8, 8, 64], 64, 'same')).toEqual([['Conv2DBackpropFilter']]);
    expect([of([1, 8, 8, 63], 64, 'same'), of([1, 12, 12, 64], 64, 'valid')]).toEqual([[], []]);
  });

  it('gradients of one convolution together, and of no other', () => {
    const shapes = [
      [1, 8, 8, 32],
      [3, 3, 32, 32],
      [1, 8, 8, 32],
    ];
    type Three = (x: tf.Tensor4D, w: tf.Tensor4D, dy: tf.Tensor4D) => tf.Tensor[];
    const of = (fn: Three): string[][] => planned(engine(), fn as never, shapes);
    const ofPictures = (dy: tf.Tensor4D, w: tf.Tensor4D): tf.Tensor4D => tf.conv2dTranspose(dy, w, [1, 8, 8, 32], 1, 'same');
    const ofFilter = (x: tf.Tensor4D, dy: tf.Tensor4D): tf.Tensor =>
      tf.grad((w: tf.Tensor) => tf.conv2d(x, w as tf.Tensor4D, 1, 'same'))(tf.zeros([3, 3, 32, 32]), dy);
    const [input, filter] = [['Conv2DBackpropInput'], ['Conv2DBackpropFilter']];
    expect(of((x, w, dy) => [ofPictures(dy, w), ofFilter(x, dy)])).toEqual([BACKWARD]);
    expect(of((_, w, dy) => [ofPictures(dy, w), ofPictures(dy, tf.neg(w))])).toEqual([input, input]);
    expect(of((x, w, dy) => [ofPictures(dy, w), ofFilter(x, tf.neg(dy))])).toEqual([input, filter]);
    // Of pictures that are the other's result.
    expect(of((_, w, dy) => [ofFilter(ofPictures(dy, w), dy)])).toEqual([input, filter]);
  });
});

describe('parts of a batch', () => {
  const parts = (examples: number, side: number, channels: number, threads = 1): ReturnType<typeof partsOf> =>
    partsOf(
      {
        ...{ x: [examples, side, side, channels], filter: [3, 3, channels, channels], y: [examples, side, side, channels] },
        ...{ tiles: [Math.ceil(side / 4), Math.ceil(side / 4)], before: [1, 1] },
      },
      threads,
    );

  it('as large as a cache, in equal parts where there are such', () => {
    expect(parts(100, 24, 64).examples).toEqual(Array(10).fill(10));
    expect(parts(8, 24, 64).examples).toEqual([8]);
    expect(parts(23, 24, 64).examples).toEqual([8, 8, 7]);
    expect(parts(127, 56, 64).examples).toHaveLength(64);
  });

  it('not smaller than a filter, and not many', () => {
    expect(parts(256, 8, 512).examples).toEqual(Array(4).fill(64));
    expect(parts(4096, 24, 64).examples).toEqual(Array(64).fill(64));
  });

  it('as many side by side as there are threads, while they take little memory', () => {
    expect([1, 4, 16, 64].map((threads) => parts(64, 24, 64, threads).beside)).toEqual([1, 4, 16, 36]);
    expect([1, 64].map((threads) => parts(8, 224, 64, threads).beside)).toEqual([1, 4]);
  });
});
