/** Owns: that convolutions by minimal filtering give what convolutions do, with the same bits however many threads there are, and which these are. */
import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { TF_FLOAT } from '../../src/engine/data_types.js';
import type { Engine } from '../../src/engine/index.js';
import { record } from '../../src/engine/record.js';
import { examplesTogether, planWinograd, winogradFrom } from '../../src/engine/winograd.js';
import { convolveAndDerive, convolved, type Convolution, type Shape } from '../support/convolution_truth.js';
import { engineForTests, irregular } from '../support/gradient_checks.js';
import { magnitudes } from '../support/minimal_filtering.js';

const given = (x: Shape, filters: number, pad: 'same' | 'valid', pixels: [number, number] = [3, 3]): Convolution => ({
  ...{ x, filter: [...pixels, x[3], filters], strides: [1, 1], pad },
});

/** Two times 130. */
const MANY = given([260, 7, 7, 32], 40, 'same');

const CASES: [string, Convolution][] = [
  ['one tile', given([1, 6, 6, 32], 32, 'valid')],
  ['whole tiles', given([2, 10, 14, 32], 33, 'valid')],
  ['tiles that are left over', given([1, 12, 9, 34], 32, 'valid')],
  ['zeros around whole tiles', given([1, 8, 4, 32], 35, 'same')],
  ['zeros around tiles that are left over', given([2, 7, 11, 33], 32, 'same')],
  ['more examples than are computed at a time', MANY],
];

/** Groups of a function's nodes, by the kinds of their ops. */
function planned(
  engine: Engine,
  fn: (...args: tf.Tensor[]) => tf.Tensor[],
  shapes: readonly (readonly number[])[],
  { from = 0, precision = 'fp32' as 'fp32' | 'bf16' } = {},
): string[][] {
  const structure = { kind: 'list', items: shapes.map((_, index) => ({ kind: 'tensor', index })) };
  const spec = { structure: structure as never, tensors: shapes.map((shape) => ({ shape, dtype: TF_FLOAT })) };
  const { recording } = record(engine, 'planned', fn as never, spec, false);
  const groups = [...planWinograd(recording.nodes, { from, precision }).values()].map((group) =>
    group.map(({ op }) => op).sort(),
  );
  recording.dispose();
  return groups;
}

/** Where loops are (context.ts). */
const FUSES = process.platform === 'linux' && process.arch === 'x64';

const FORWARD = ['Conv2D'];
const BACKWARD = ['Conv2DBackpropFilter', 'Conv2DBackpropInput'];
/** tf.grads computes once more what it derives. */
const STEP = [FORWARD, FORWARD, BACKWARD];

function outputShape({ x, filter, strides, pad }: Convolution): number[] {
  return tf.tidy(() => tf.conv2d(tf.zeros<tf.Rank.R4>(x), tf.zeros<tf.Rank.R4>(filter), strides, pad).shape);
}

/** A function with every convolution that may be one by minimal filtering, on so many threads. */
function byWinograd<Result>(engine: Engine, threads: number, body: () => Result): Result {
  const context = engine.context as { winogradFrom: number; threads: number };
  const own = { winogradFrom: context.winogradFrom, threads: context.threads };
  Object.assign(context, { winogradFrom: 0, threads });
  try {
    return body();
  } finally {
    Object.assign(context, own);
  }
}

/** Maps, and gradients of pictures and of filters, of numbers that differ all. */
function computed(engine: Engine, convolution: Convolution, threads = 1): { inputs: Float32Array[]; results: Float32Array[] } {
  // tidy looks for tensors among what it is given back, number by number.
  let read: { inputs: Float32Array[]; results: Float32Array[] } = { inputs: [], results: [] };
  tf.tidy(() => {
    const inputs = [convolution.x, convolution.filter, outputShape(convolution)].map((shape, seed) => irregular(shape, seed + 1));
    const compiled = engine.compile(convolveAndDerive(convolution), { name: 'convolution', fuse: true });
    const results = byWinograd(engine, threads, () => compiled(inputs[0], inputs[1], inputs[2]));
    read = { inputs: inputs.map(numbers), results: results.map(numbers) };
    compiled.dispose();
  });
  return read;
}

const numbers = (tensor: tf.Tensor): Float32Array => tensor.dataSync() as Float32Array;

describe('convolutions by minimal filtering', () => {
  const engine = engineForTests();

  it.skipIf(!FUSES).each(CASES)('%s: as in float64', (_, convolution) => {
    const y = outputShape(convolution);
    expect(planned(engine(), convolveAndDerive(convolution), [convolution.x, convolution.filter, y])).toEqual(STEP);
    const { inputs, results } = computed(engine(), convolution);
    const truth = convolved(convolution, inputs, y);
    const magnitude = magnitudes({ ...convolution, y }, inputs);
    for (const [at, kind] of (['y', 'dx', 'dw'] as const).entries()) {
      const { sum, terms } = truth[kind];
      // Two transforms of up to 12 roundings before and after, and as many products as a sum has terms.
      const limit = (i: number): number => magnitude[kind][i] * (terms[i] + 40) * 2 ** -24;
      const wrong = sum.findIndex((value, i) => !(Math.abs(results[at][i] - value) <= limit(i)));
      expect([kind, wrong]).toEqual([kind, -1]);
      expect(results[at].some((value, i) => value !== Math.fround(sum[i]))).toBe(true);
    }
  });

  it.skipIf(!FUSES)('the same bits on one thread and on several, which compute examples side by side', () => {
    const [one, ...others] = [1, 2, 3].map((threads) => computed(engine(), MANY, threads).results);
    for (const results of others)
      results.forEach((result, at) => expect([at, result.findIndex((value, i) => value !== one[at][i])]).toEqual([at, -1]));
  });

  it.skipIf(!FUSES)('not outside of training steps', () => {
    const { inputs, results } = computed(engine(), CASES[0][1]);
    const direct = tf.tidy(() => {
      const [x, filter, dy] = inputs.map((values, at) =>
        tf.tensor(values, [CASES[0][1].x, CASES[0][1].filter, [1, 4, 4, 32]][at]),
      );
      const compiled = engine().compile(convolveAndDerive(CASES[0][1]), { name: 'evaluation' });
      const read = byWinograd(engine(), 1, () => compiled(x, filter, dy)).map(numbers);
      compiled.dispose();
      return read;
    });
    results.forEach((result, at) => expect(result.some((value, i) => value !== direct[at][i])).toBe(true));
  });
});

describe('gradients of filters by minimal filtering in bf16', () => {
  const engine = engineForTests({ precision: 'bf16' });

  it.skipIf(!FUSES)('in float32, of what the convolution is given', () => {
    const convolution = given([2, 10, 10, 64], 64, 'valid');
    const { inputs, results } = computed(engine(), convolution);
    const y = outputShape(convolution);
    const { sum, absolute, terms } = convolved(convolution, inputs, y).dw;
    const magnitude = magnitudes({ ...convolution, y }, inputs).dw;
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
    expect([products, products + 1].map((from) => step(convolution, { from }).length)).toEqual([3, 0]);
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
    expect(of((x, w, dy) => [ofPictures(dy, w), ofFilter(x, dy)])).toEqual([BACKWARD, FORWARD]);
    expect(of((_, w, dy) => [ofPictures(dy, w), ofPictures(dy, tf.neg(w))])).toEqual([input, input]);
    expect(of((x, w, dy) => [ofPictures(dy, w), ofFilter(x, tf.neg(dy))])).toEqual([input, FORWARD, filter]);
    // Of pictures that are the other's result.
    expect(of((_, w, dy) => [ofFilter(ofPictures(dy, w), dy)])).toEqual([input, FORWARD, filter]);
  });
});

describe('examples that are computed at a time', () => {
  const together = (examples: number, side: number, channels: number): number[] =>
    examplesTogether({
      ...{ x: [examples, side, side, channels], filter: [3, 3, channels, channels], y: [examples, side, side, channels] },
      ...{ tiles: [Math.ceil(side / 4), Math.ceil(side / 4)], before: [1, 1] },
    });

  it('as many as stay in a cache, in equal parts where there are such', () => {
    expect(together(100, 24, 64)).toEqual(Array(10).fill(10));
    expect(together(8, 24, 64)).toEqual([8]);
    expect(together(23, 24, 64)).toEqual([8, 8, 7]);
    expect(together(2, 400, 64)).toEqual([1, 1]);
  });
});
