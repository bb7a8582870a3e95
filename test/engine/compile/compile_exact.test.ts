/**
 * A compiled function gives what the function gives: TensorFlow's graph optimizer may join and reorder, but not calculate as if numbers were real.
 * Element-wise kernels are the same ones either way, so their results are compared to the bit; what oneDNN may compute by another kernel, to rounding.
 */
import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { engineForTests, values } from '../../support/gradient_checks.js';
import { xorshift } from '../../support/xorshift.js';

/** An expression over the argument x, as code that a failure prints and as a function. */
interface Expression {
  text: string;
  of(x: tf.Tensor): tf.Tensor;
}
type Draw = (below: number) => number;

const CONSTANTS = [0, 1, -1, 3, 0.1, 255, 1e-8, 1e-30, 1e30, -1e30, 3e38, 1.2e-38, 2 ** 23, 2 ** 24, 12582912, Infinity, NaN];
const INPUTS = [0, -0, 1, -1, 0.3, 2.6, -7, 1e-10, 1e-40, 1e10, -1e20, 3e38, 89, -104, Infinity, -Infinity, NaN];

const UNARY: Record<string, (a: tf.Tensor) => tf.Tensor> = {
  neg: tf.neg,
  abs: tf.abs,
  square: tf.square,
  sqrt: tf.sqrt,
  rsqrt: tf.rsqrt,
  exp: tf.exp,
  expm1: tf.expm1,
  log: tf.log,
  log1p: tf.log1p,
  reciprocal: tf.reciprocal,
  relu: tf.relu,
  sign: tf.sign,
  round: tf.round,
  identity: tf.clone,
  reshape: (a) => tf.reshape(a, [-1]),
  not: (a) => tf.cast(tf.logicalNot(tf.greater(a, 0.5)), 'float32'),
  self: (a) => tf.sub(a, a),
  thrice: (a) => tf.addN([a, a, a]),
  below: (a) => tf.add(a, tf.max(a)),
  first: (a) => tf.add(a, tf.cast(tf.argMax(tf.relu(a)), 'float32')),
};
const BINARY: Record<string, (a: tf.Tensor, b: tf.Tensor) => tf.Tensor> = {
  add: tf.add,
  sub: tf.sub,
  mul: tf.mul,
  div: tf.div,
  maximum: tf.maximum,
  minimum: tf.minimum,
  squaredDifference: tf.squaredDifference,
  pick: (a, b) => tf.where(tf.less(a, b), a, b),
};
const POWERS = [-1, -0.5, 0, 0.5, 1, 2, 3];

function draw<T>(list: readonly T[], next: Draw): T {
  return list[next(list.length)];
}

function generate(depth: number, next: Draw): Expression {
  if (depth === 0) return { text: 'x', of: (x) => x };
  const a = generate(depth - 1, next);
  switch (next(5)) {
    case 0:
    case 1: {
      // A chain over constants is what a graph optimizer likes to shorten.
      const [name, op] = draw(Object.entries(BINARY), next);
      const constant = draw(CONSTANTS, next);
      return next(3) === 0
        ? { text: `${name}(${constant}, ${a.text})`, of: (x) => op(tf.scalar(constant), a.of(x)) }
        : { text: `${name}(${a.text}, ${constant})`, of: (x) => op(a.of(x), tf.scalar(constant)) };
    }
    case 2: {
      const [name, op] = draw(Object.entries(BINARY), next);
      const b = generate(next(depth), next);
      return { text: `${name}(${a.text}, ${b.text})`, of: (x) => op(a.of(x), b.of(x)) };
    }
    case 3: {
      const power = draw(POWERS, next);
      return { text: `pow(${a.text}, ${power})`, of: (x) => tf.pow(a.of(x), power) };
    }
    default: {
      const [name, op] = draw(Object.entries(UNARY), next);
      return { text: `${name}(${a.text})`, of: (x) => op(a.of(x)) };
    }
  }
}

describe('a compiled function gives what the function gives', () => {
  const engine = engineForTests();
  const compiledValues = (f: (x: tf.Tensor) => tf.Tensor, x: tf.Tensor): number[] => {
    const compiled = engine().compile((input: tf.Tensor) => f(input), { verify: false });
    const result = values(compiled(x));
    compiled.dispose();
    return result;
  };

  it('over 320 generated expressions with extreme constants and inputs, to the bit', () => {
    const word = xorshift(20_260_713);
    const next: Draw = (below) => word() % below;
    const x = tf.tensor1d(INPUTS);
    for (let round = 0; round < 20; round++) {
      const expressions = Array.from({ length: 16 }, () => generate(2 + next(5), next));
      const all = engine().compile((input: tf.Tensor) => expressions.map(({ of }) => of(input)), { verify: false });
      const got = all(x).map(values);
      all.dispose();
      const wanted = expressions.map(({ of }) => values(tf.tidy(() => of(x))));
      expressions.forEach(({ text }, index) => expect({ text, values: got[index] }).toEqual({ text, values: wanted[index] }));
    }
    x.dispose();
  });

  // What each wrong value was: test/engine/compile/compile_exact.test.ts is the list of rewritings that are off.
  it.each<[string, (x: tf.Tensor) => tf.Tensor, number[], number[]]>([
    ['the guard of a logarithm', (x) => tf.log(tf.add(tf.sub(1, x), 1e-8)), [1, 0.5], [Math.log(1e-8), Math.log(0.5)]],
    ['rounding by adding 1.5 · 2^23', (x) => tf.sub(tf.add(x, 12582912), 12582912), [1.3, 2.6], [1, 3]],
    ['an activation before argMax', (x) => tf.cast(tf.argMax(tf.relu(x)), 'float32'), [-3, -1], [0]],
    ['an overflow between two factors', (x) => tf.mul(tf.mul(x, 1e30), 1e-30), [1e10, 2], [Infinity, 2]],
    ['a common factor', (x) => tf.add(tf.mul(x, 1e30), tf.mul(tf.neg(x), 1e30)), [1e10, 2], [NaN, 0]],
    ['the logarithm of a softmax', (x) => tf.log(tf.softmax(x)), [200, 0], [0, -Infinity]],
    ['1 added before a logarithm', (x) => tf.log(tf.add(x, 1)), [1e-10, 0], [0, 0]],
    ['1 taken from a power of e', (x) => tf.sub(tf.exp(x), 1), [1e-10, 0], [0, 0]],
    ['the reciprocal of a reciprocal', (x) => tf.reciprocal(tf.reciprocal(x)), [3e38, 2], [Infinity, 2]],
    ['a comparison with NaN, negated', (x) => tf.cast(tf.logicalNot(tf.less(x, 1)), 'float32'), [NaN, 3], [1, 1]],
    ['0 times infinity', (x) => tf.mul(x, 0), [Infinity, 2], [NaN, 0]],
    ['a square root as a power', (x) => tf.pow(x, 0.5), [-Infinity, 4], [Infinity, 2]],
  ])('keeps %s', (_, f, input, wanted) => {
    const x = tf.tensor1d(input);
    const got = compiledValues(f, x);
    wanted.forEach((value, index) => {
      if (Number.isFinite(value)) expect(Math.abs(got[index] - value)).toBeLessThanOrEqual(2 ** -20 * Math.abs(value));
      else expect(got[index]).toBe(value);
    });
    x.dispose();
  });

  it('divides by 3: every quotient is the nearest float32', () => {
    const x = tf.tensor1d(Array.from({ length: 1000 }, (_, i) => i + 1));
    const wanted = Array.from({ length: 1000 }, (_, i) => Math.fround((i + 1) / 3));
    expect(compiledValues((input) => tf.div(input, 3), x)).toEqual(wanted);
    x.dispose();
  });
});
