import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { philoxBlock } from '../../../src/common/random.js';
import { keyedRandom, upload, withDropout, type DropoutProvider } from '../../../src/engine/index.js';
import { keyedNumbers } from '../../../src/engine/ops/keyed_random.js';
import { engineForTests, irregular, values } from '../../support/gradient_checks.js';

const key = { low: 0x9abcdef0, high: 0x12345678 };

describe('keyed random numbers', () => {
  const engine = engineForTests();
  const positionTensor = (step: number, firstExample: number): tf.Tensor =>
    upload(engine(), Int32Array.of(step | 0, Math.floor(step / 2 ** 32), firstExample, 0), [4]);

  /** The n-th draw of a step has the key (n, 7). */
  const inStep = <Result>(step: number, firstExample: number, body: () => Result): Result => {
    const position = positionTensor(step, firstExample);
    let draws = 0;
    const provider: DropoutProvider = () => ({ key: { low: draws++, high: 7 }, position });
    try {
      return withDropout(provider, body);
    } finally {
      position.dispose();
    }
  };

  /** Four words of each block, as TensorFlow makes numbers of them (tensorflow/core/lib/random/random_distributions.h). */
  function reference(step: number, example: number, elements: number, make: (words: Uint32Array) => number[]): number[] {
    const blocks = Math.ceil(elements / 4);
    const words = new Uint32Array(4);
    return Array.from({ length: blocks }, (_, block) => {
      const counter = example * blocks + block;
      philoxBlock(key, counter >>> 0, Math.floor(counter / 2 ** 32), step >>> 0, Math.floor(step / 2 ** 32), words, 0);
      return make(words);
    })
      .flat()
      .slice(0, elements);
  }
  const uniforms = (words: Uint32Array): number[] => Array.from(words, (word) => (word & 0x7fffff) / 2 ** 23);
  const normals = (words: Uint32Array): number[] => {
    const u = uniforms(words);
    return [0, 2].flatMap((at) => {
      const radius = Math.sqrt(-2 * Math.log(Math.max(u[at], 1e-7)));
      return [Math.sin(2 * Math.PI * u[at + 1]) * radius, Math.cos(2 * Math.PI * u[at + 1]) * radius];
    });
  };

  it.each([1, 4, 7])('are the specified ones, %i elements per example', (elements) => {
    const step = 5 * 2 ** 32 + 3;
    const drawn = (distribution: 'uniform' | 'normal'): number[] =>
      tf.tidy(() => values(keyedNumbers([2, elements], distribution, { key, position: positionTensor(step, 11) })));
    const wanted = (make: typeof uniforms): number[] => [11, 12].flatMap((example) => reference(step, example, elements, make));
    expect(drawn('uniform')).toEqual(wanted(uniforms));
    // Float32 logarithm, square root and sine, each right to a few of its last digits; the largest radius is 5.7.
    drawn('normal').forEach((value, index) => expect(Math.abs(value - wanted(normals)[index])).toBeLessThan(8 * 5.7 * 2 ** -23));
  });

  const LAYERS: [string, number[], () => tf.layers.Layer][] = [
    ['dropout', [3, 5], () => tf.layers.dropout({ rate: 0.4 })],
    ['dropout with a noise shape', [3, 5], () => tf.layers.dropout({ rate: 0.4, noiseShape: [null as never, 1, 5] })],
    ['dropout of one mask for all examples', [3, 5], () => tf.layers.dropout({ rate: 0.4, noiseShape: [1, 3, 5] })],
    ['spatialDropout1d', [3, 5], () => tf.layers.spatialDropout1d({ rate: 0.4 })],
    ['gaussianNoise', [3, 5], () => tf.layers.gaussianNoise({ stddev: 2 })],
    ['gaussianDropout', [3, 5], () => tf.layers.gaussianDropout({ rate: 0.3 })],
    ['alphaDropout', [3, 5], () => tf.layers.alphaDropout({ rate: 0.4 })],
    ['alphaDropout of one mask for all examples', [3, 5], () => tf.layers.alphaDropout({ rate: 0.4, noiseShape: [1, 3, 5] })],
    ['simpleRNN', [3, 5], () => tf.layers.simpleRNN({ units: 4, dropout: 0.3, recurrentDropout: 0.4 })],
    ['gru', [3, 5], () => tf.layers.gru({ units: 4, dropout: 0.3, recurrentDropout: 0.4 })],
    ['lstm', [3, 5], () => tf.layers.lstm({ units: 4, dropout: 0.3, recurrentDropout: 0.4 })],
    [
      'rnn of cells',
      [3, 5],
      () => tf.layers.rnn({ cell: [tf.layers.gruCell({ units: 3 }), tf.layers.lstmCell({ units: 4, dropout: 0.5 })] }),
    ],
    [
      'bidirectional',
      [3, 5],
      () => tf.layers.bidirectional({ layer: tf.layers.gru({ units: 4, dropout: 0.5 }) as tf.RNN, mergeMode: 'concat' }),
    ],
    ['timeDistributed dropout', [3, 5], () => tf.layers.timeDistributed({ layer: tf.layers.dropout({ rate: 0.4 }) })],
    [
      'convLstm2d',
      [2, 4, 4, 2],
      () => tf.layers.convLstm2d({ filters: 2, kernelSize: 3, dropout: 0.3, recurrentDropout: 0.4 }) as never,
    ],
  ];

  const modelOf = (layer: tf.layers.Layer, shape: number[]): tf.LayersModel => {
    const input = tf.input({ shape });
    return tf.model({ inputs: input, outputs: layer.apply(input) as tf.SymbolicTensor });
  };

  describe.each(LAYERS)('%s', (name, shape, create) => {
    it('draws for a slice of a batch what the whole draws, anew in each step, compiled as op by op, and leaves nothing', () => {
      const model = modelOf(create(), shape);
      const x = tf.add(irregular([6, ...shape]), 2);
      const call = (input: tf.Tensor): tf.Tensor => model.apply(input, { training: true }) as tf.Tensor;
      tf.dispose(call(x));
      const before = tf.memory().numTensors;
      const at = (step: number, first: number, end: number): number[] =>
        tf.tidy(() => inStep(step, first, () => values(call(tf.slice(x, first, end - first)))));
      const whole = at(1, 0, 6);
      const close = (got: number[], wanted: number[]): void =>
        got.forEach((value, index) =>
          expect(Math.abs(value - wanted[index])).toBeLessThanOrEqual(1e-5 * (1 + Math.abs(wanted[index]))),
        );
      const size = whole.length / 6;
      close(at(1, 0, 2), whole.slice(0, 2 * size));
      close(at(1, 2, 5), whole.slice(2 * size, 5 * size));
      expect(at(2, 0, 6)).not.toEqual(whole);
      expect(at(1, 0, 6)).toEqual(whole);

      const compiled = engine().compile((input: tf.Tensor, position: tf.Tensor) => {
        let draws = 0;
        return withDropout(
          () => ({ key: { low: draws++, high: 7 }, position }),
          () => call(input),
        );
      });
      tf.tidy(() => close(values(compiled(x, positionTensor(1, 0))), whole));
      compiled.dispose();
      // tfjs's own recurrent layers keep their latest masks; ours none.
      expect(tf.memory().numTensors).toBeLessThanOrEqual(before);
      x.dispose();
    });

    it('is a matter of training: in evaluation, compiled too, it changes nothing', () => {
      const model = modelOf(create(), shape);
      const x = irregular([2, ...shape]);
      const call = (input: tf.Tensor): tf.Tensor => model.apply(input, { training: false }) as tf.Tensor;
      const compiled = engine().compile(call);
      tf.tidy(() => {
        const wanted = values(call(x));
        const got = values(compiled(x));
        got.forEach((value, index) => expect(Math.abs(value - wanted[index])).toBeLessThanOrEqual(1e-6));
        if (!/rnn|gru|lstm|bidirectional/i.test(name)) expect(wanted).toEqual(values(x));
      });
      compiled.dispose();
      x.dispose();
    });
  });

  it('noise has the deviation asked for: of 40,000 numbers within five standard errors', () => {
    tf.tidy(() => {
      const noise = inStep(
        1,
        0,
        () => tf.layers.gaussianNoise({ stddev: 2 }).apply(tf.zeros([400, 100]), { training: true }) as tf.Tensor,
      );
      const { mean, variance } = tf.moments(noise);
      expect(Math.abs(values(mean)[0])).toBeLessThan((5 * 2) / 200);
      expect(Math.abs(values(variance)[0] - 4)).toBeLessThan(5 * 4 * Math.sqrt(2 / 40_000));
    });
  });

  it("keyedRandom: a layer's own numbers, by example and step; the same for all where the first axis is 1; tfjs's outside of a step", () => {
    tf.tidy(() => {
      const whole = inStep(3, 0, () => values(keyedRandom([4, 3], { minval: -2, maxval: 2 })));
      expect(inStep(3, 2, () => values(keyedRandom([2, 3], { minval: -2, maxval: 2 })))).toEqual(whole.slice(6));
      expect(Math.min(...whole)).toBeGreaterThanOrEqual(-2);
      expect(Math.max(...whole)).toBeLessThan(2);
      const shared = (first: number): number[] =>
        inStep(3, first, () => values(keyedRandom([1, 3], { distribution: 'normal', mean: 5 })));
      expect(shared(2)).toEqual(shared(0));
      expect(keyedRandom([2, 2]).shape).toEqual([2, 2]);
      expect(keyedRandom([2, 2], { distribution: 'normal' }).shape).toEqual([2, 2]);
    });
  });

  it('refuses numbers drawn in JavaScript in a step that is not compiled: they would depend on who computes', () => {
    expect(() => inStep(1, 0, () => tf.randomNormal([2]))).toThrowError(
      expect.objectContaining({ code: 'LAYER_DRAWS_RANDOM', next: expect.stringContaining('keyedRandom') as string }),
    );
    expect(Math.random()).toBeLessThan(1);
  });

  it("tf.multinomial takes probabilities, as on tfjs's own backends, and draws by example in a step", () => {
    tf.tidy(() => {
      const sure = tf.tensor2d([
        [0, 1],
        [1, 0],
      ]);
      expect(values(tf.multinomial(sure, 3, 1, true))).toEqual([1, 1, 1, 0, 0, 0]);
      expect(inStep(1, 0, () => values(tf.multinomial(sure, 3, undefined, true)))).toEqual([1, 1, 1, 0, 0, 0]);
      const rows = tf.tile(tf.tensor2d([[0.2, 0.3, 0.5]]), [4, 1]);
      const whole = inStep(1, 0, () => values(tf.multinomial(rows, 5000, undefined, true)));
      expect(inStep(1, 1, () => values(tf.multinomial(tf.slice(rows, 1, 2), 5000, undefined, true)))).toEqual(
        whole.slice(5000, 15_000),
      );
      // Standard error of a share of 20,000 draws: at most 0.0036.
      [0.2, 0.3, 0.5].forEach((share, outcome) =>
        expect(Math.abs(whole.filter((drawn) => drawn === outcome).length / 20_000 - share)).toBeLessThan(5 * 0.0036),
      );
    });
  });
});
