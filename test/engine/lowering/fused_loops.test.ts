/**
 * Owns: that loops of element-wise ops round as bfloat16 does and compute what the ops do, and that functions with them free what they made.
 */
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TF_BFLOAT16, TF_FLOAT, TF_INT32, TF_UINT16 } from '../../../src/engine/capi/data_types.js';
import { setNativeDefaults } from '../../../src/engine/capi/ffi.js';
import { FusedLoops, type MakeFunction } from '../../../src/engine/lowering/fused_loops.js';
import { GraphFunction } from '../../../src/engine/compile/graph_function.js';
import { bfloat16Support, installEngine, intoFloat32, keyedDropout, type Engine } from '../../../src/engine/index.js';
import { bitcast, cast, typeAttr, withRawOps } from '../../../src/engine/backend/raw_ops.js';
import type { RecordedNode, RecordedValue } from '../../../src/engine/compile/recorded.js';
import { irregular, values } from '../../support/gradient_checks.js';
import { xorshift } from '../../support/xorshift.js';

const FLOAT = typeAttr('T', TF_FLOAT);
const EXPONENT = 0x7f80;
const NONE = 0x7fc0;

const value = (name: string, count: number): RecordedValue => ({
  ...{ name, shape: [count], dtype: TF_FLOAT, output: { oper: 0n as never, index: 0 } },
});
const node = (op: string, inputs: RecordedValue[], output: RecordedValue): RecordedNode => ({
  ...{ op, attributes: [FLOAT], inputs, outputs: [output] },
});
const isNone = (bits: number): boolean => (bits & EXPONENT) === EXPONENT && (bits & 0x7f) !== 0;

const words = new DataView(new ArrayBuffer(4));
const numberOf = (bits: number): number => {
  words.setUint32(0, bits * 2 ** 16);
  return words.getFloat32(0);
};
/** The nearest of the numbers around it that bfloat16 has, of two the one whose last bit is 0; by float64. */
function nearest(x: number): number {
  words.setFloat32(0, x);
  const below = words.getUint16(0);
  const [low, high] = [numberOf(below), numberOf(below + 1)];
  const [toLow, toHigh] = [Math.abs(x - low), Math.abs(high - x)];
  return toLow < toHigh || (toLow === toHigh && below % 2 === 0) ? below : below + 1;
}

describe('loops of element-wise ops in bf16', () => {
  let engine: Engine;
  let computed: boolean;
  beforeAll(() => {
    setNativeDefaults({ TF_ENABLE_ONEDNN_OPTS: '1' });
    engine = installEngine({ precision: 'bf16', intraOpThreads: 1 });
    computed = bfloat16Support(engine).computed && engine.context.fuses;
    if (!computed) console.log('skipped: there are no loops here: bf16 is not computed, or this is not x64 and Linux');
  });
  afterAll(() => engine.dispose());

  const make: MakeFunction = (recording, output) => new GraphFunction(engine, recording, 'loop', [output], { asRecorded: true });

  /** What a loop of these nodes makes of values given as the bits of their bfloat16 numbers. */
  function run(nodes: readonly RecordedNode[], inputs: readonly RecordedValue[], given: readonly Int32Array[]): number[] {
    const loop = new FusedLoops(engine, make).elementWise(nodes, inputs, () => TF_BFLOAT16);
    const result = withRawOps((ops) => {
      const ids = given.map((bits) => {
        const halves = cast(ops, ops.constant(bits, [bits.length], TF_INT32), TF_INT32, TF_UINT16);
        return bitcast(ops, halves, TF_UINT16, TF_BFLOAT16).id;
      });
      const [rounded] = (loop.called as GraphFunction).call(ids);
      const bits = ops.keep(cast(ops, bitcast(ops, rounded, TF_BFLOAT16, TF_UINT16), TF_UINT16, TF_INT32));
      engine.binding.deleteTensor(rounded.id);
      return bits;
    });
    (loop.called as GraphFunction).dispose();
    const bits = Array.from(result.dataSync());
    result.dispose();
    return bits;
  }

  it('take and give every bfloat16 number as it is, and what is none as none', ({ skip }) => {
    if (!computed) skip();
    const all = Int32Array.from({ length: 2 ** 16 }, (_, bits) => bits);
    const [x, y, z] = ['x', 'y', 'z'].map((name) => value(name, all.length));
    const twice = run([node('Neg', [x], y), node('Neg', [y], z)], [x], [all]);
    const wrong = [...all].filter((bits) => (isNone(bits) ? !isNone(twice[bits]) : twice[bits] !== bits));
    // Numbers with no exponent may be flushed to a zero of their sign, as a step's are (docs/reproducibility.md).
    expect(wrong.filter((bits) => (bits & EXPONENT) !== 0 || (twice[bits] & 0x7fff) !== 0).slice(0, 5)).toEqual([]);
    expect(run([node('Neg', [x], y)], [x], [all])[NONE] & NONE).toBe(NONE);
  });

  it('round a sum once, to the nearest, of two to the even one', ({ skip }) => {
    if (!computed) skip();
    const draw = xorshift(7);
    const random = (): number => draw() / 2 ** 32;
    const count = 2 ** 17;
    // Exponents so near each other that a float32 has the whole sum; every second pair is half a step apart: a tie.
    const a = Int32Array.from({ length: count }, () => 0x3f00 + Math.floor(random() * 0x180) + (random() < 0.5 ? 0x8000 : 0));
    const b = Int32Array.from(a, (bits, at) =>
      at % 2 === 0 ? ((bits & 0xff80) - 0x400) & 0xffff : 0x3c00 + Math.floor(random() * 0x300),
    );
    const [x, y, sum] = ['x', 'y', 'sum'].map((name) => value(name, count));
    const got = run([node('AddV2', [x, y], sum)], [x, y], [a, b]);
    const wanted = Array.from(a, (bits, at) => nearest(numberOf(bits) + numberOf(b[at])));
    expect(got.filter((bits, at) => bits !== wanted[at]).slice(0, 5)).toEqual([]);
    const ties = wanted.filter(
      (_, at) => numberOf(nearest(numberOf(a[at]) + numberOf(b[at]))) !== numberOf(a[at]) + numberOf(b[at]),
    );
    expect(ties.length).toBeGreaterThan(count / 4);
  });

  const ACTIVATIONS: [string, (x: tf.Tensor) => tf.Tensor][] = [
    ['tanh', tf.tanh],
    ['sigmoid', tf.sigmoid],
    ['elu', tf.elu],
    ['selu', tf.selu],
    ['relu', tf.relu],
    ['relu6', tf.relu6],
    ['leakyRelu', (x) => tf.leakyRelu(x, 0.2)],
    ['softplus', tf.softplus],
    ['x · sigmoid(x)', (x) => tf.mul(x, tf.sigmoid(x))],
    ['the average of tanh and x', (x) => tf.mul(tf.add(tf.tanh(x), x), 0.5)],
  ];
  it.each(ACTIVATIONS)('%s and its gradient are off by roundings', (_name, activation) => {
    const rows = 512;
    const eye = tf.eye(256);
    const pass = (x: tf.Tensor): tf.Tensor => tf.matMul(x as tf.Tensor2D, eye);
    const f = (x: tf.Tensor): tf.Tensor[] => {
      const { value: result, grad } = tf.valueAndGrad((given: tf.Tensor) => intoFloat32(pass(activation(pass(given)))))(x);
      return [result, grad];
    };
    const compiled = engine.compile(f, { verify: false, fuse: true });
    const x = tf.mul(irregular([rows, 256]), 4);
    const before = engine.liveHandles();
    const [got, wanted] = [compiled(x), f(x)].map((results) => results.map(values));
    // Each rounding moves a number by at most 2^-8 of it, and what is computed from it by at most 1.8 times as much, selu's slope; there are four.
    const largest = (numbers: readonly number[]): number => numbers.reduce((most, number) => Math.max(most, Math.abs(number)), 0);
    const size = Math.max(largest(values(x)), 1);
    for (const [at, result] of got.entries())
      expect(largest(result.map((number, index) => number - wanted[at][index]))).toBeLessThan(4 * 1.8 * size * 2 ** -8);
    compiled.dispose();
    expect(engine.liveHandles() - before).toBe(4);
  });

  it('selu has the gradient of numbers above 0 at 0', () => {
    const scale = 1.0507009873554805;
    const eye = tf.eye(512);
    const gradient = tf.grad((x: tf.Tensor) => intoFloat32(tf.matMul(tf.selu(tf.matMul(x as tf.Tensor2D, eye)), eye)));
    const compiled = engine.compile((x: tf.Tensor) => gradient(x), { verify: false, fuse: true });
    expect(Math.abs(values(compiled(tf.zeros([512, 512])))[0] - scale)).toBeLessThan(scale * 2 ** -8);
    compiled.dispose();
  });

  it('dropout inside of a loop drops what its mask drops, forward and backward', ({ skip }) => {
    if (!computed) skip();
    const [rows, columns, rate] = [512, 512, 0.2];
    const eye = tf.eye(columns);
    const key = { low: 5, high: 6 };
    const f = (x: tf.Tensor2D, position: tf.Tensor): tf.Tensor[] => {
      const dropped = (given: tf.Tensor): tf.Tensor =>
        keyedDropout(tf.relu(tf.matMul(given as tf.Tensor2D, eye)), rate, key, position);
      const { value: result, grad } = tf.valueAndGrad((given: tf.Tensor) =>
        intoFloat32(tf.matMul(dropped(given) as tf.Tensor2D, eye)),
      )(x);
      return [result, grad];
    };
    const compiled = engine.compile(f, { verify: false, fuse: true });
    const position = tf.tensor1d([0, 0, 0, 0], 'int32');
    const mask = values(tf.tidy(() => keyedDropout(tf.ones([rows, columns]), rate, key, position)));
    const results = compiled(tf.ones([rows, columns]), position).map(values);
    // The factor is 1.249995, and 1.25 the bfloat16 next to it.
    for (const result of results)
      expect(result.filter((kept, at) => kept !== (mask[at] === 0 ? 0 : 1.25)).slice(0, 5)).toEqual([]);
    compiled.dispose();
  });
});
