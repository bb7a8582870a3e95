import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { oneDnnHasBfloat16 } from '../../../src/engine/tensorflow/instruction_set.js';
import { TF_FLOAT, TF_UINT8 } from '../../../src/engine/capi/data_types.js';
import { planExactLoops } from '../../../src/engine/lowering/exact_loops.js';
import { LOOP_ELEMENTS, Uses, type Loops } from '../../../src/engine/lowering/loop_plan.js';
import { planBfloat16 } from '../../../src/engine/lowering/mixed_precision.js';
import type { RecordedNode, RecordedValue } from '../../../src/engine/compile/recorded.js';

/** `draws` are bytes, `scale` is a single number. */
const value = (name: string, op?: string, shape: readonly number[] = [2, 2]): RecordedValue => ({
  ...{
    name,
    shape: name === 'scale' ? [] : shape,
    dtype: name === 'draws' ? TF_UINT8 : TF_FLOAT,
    output: { oper: 0n as never, index: 0 },
  },
  ...(op !== undefined && { op }),
});

/** A graph as text: each line is `name = Op(inputs)`, large values end in an exclamation mark; names never made before are arguments. */
function graph(
  lines: string[],
  options: { forwardEnd?: number; oneDnnHasBfloat16?: boolean; outputs?: string[]; loops?: boolean } = {},
) {
  const values = new Map<string, RecordedValue>();
  const of = (name: string): RecordedValue => {
    const known = values.get(name) ?? value(name);
    values.set(name, known);
    return known;
  };
  const nodes = lines.map((line): RecordedNode => {
    const [, name, large, op, inputs] = /^(\w+)(!?) = (\w+)\((.*)\)$/.exec(line) ?? [];
    const output = value(name, op, large === '!' ? [LOOP_ELEMENTS / 16, 16] : undefined);
    const node = { op, attributes: [], inputs: inputs.split(', ').map(of), outputs: [output] };
    values.set(name, output);
    return node;
  });
  const { forwardEnd = 0, oneDnnHasBfloat16: byOneDnn = true, outputs = [], loops = true } = options;
  const uses = new Uses(nodes, outputs.map(of));
  const plan = planBfloat16(nodes, { forwardEnd, oneDnnHasBfloat16: byOneDnn, uses, loops, inFloat32: new Set() });
  const exact = planExactLoops(nodes, {
    uses,
    taken: (node) => plan.rounded.has(node),
    isBfloat16: (input) => plan.bfloat16.has(input),
  });
  const nameOf = ({ outputs: [output] }: RecordedNode): string => output.name;
  const told = (loops: Loops): Record<string, string[]> =>
    Object.fromEntries([...loops].map(([end, loop]) => [nameOf(end), loop.nodes.map(nameOf)]));
  return {
    rounded: [...plan.rounded].map(nameOf),
    loops: told(plan.loops),
    exact: told(exact),
  };
}

describe('what is bfloat16 of a function compiled for bf16', () => {
  it('not what no product comes after: gradients added up over time, and the step of an optimizer', () => {
    const { rounded } = graph([
      'y = MatMul(x, w)',
      'z = Mul(y, y)',
      'g1 = MatMul(x, z)',
      'g2 = MatMul(y, z)',
      'sum = AddV2(g1, g2)',
      'step = Mul(sum, rate)',
      'next = Sub(w, step)',
    ]);
    expect(rounded).toEqual(['y', 'z', 'g1', 'g2']);
  });

  it("not a model's last bias and activation, where the forward pass ends, though the backward pass has products", () => {
    const lines = [
      'a = MatMul(x, w1)',
      'b = BiasAdd(a, b1)',
      'c = MatMul(b, w2)',
      'd = BiasAdd(c, b2)',
      'p = Softmax(d)',
      'out = Snapshot(p)',
      'e = Sub(out, labels)',
      'dy = Snapshot(e)',
      'dp = Mul(dy, p)',
      'g = MatMul(b, dp)',
    ];
    expect(graph(lines, { forwardEnd: 6 }).rounded).toEqual(['a', 'b', 'c', 'g']);
  });

  it('what moves bfloat16 values, and no sum', () => {
    expect(graph(['y = MatMul(x, w)', 'r = Reshape(y)', 's = Sum(y)', 'a = AddV2(r, s)']).rounded).toEqual(['y', 'r']);
    expect(graph(['r = Relu(x)', 'y = MatMul(r, w)']).rounded).toEqual(['y']);
  });

  it('float32 gradients are not rounded on their way past a bfloat16 value, where no product comes after', () => {
    expect(graph(['y = MatMul(x, w)', 'g = ReluGrad(dy, y)', 's = Sum(g)']).rounded).toEqual(['y']);
    expect(graph(['y = MatMul(x, w)', 'g = ReluGrad(dy, y)', 'z = MatMul(g, w)']).rounded).toEqual(['y', 'g', 'z']);
  });

  it('without oneDNN no convolution, and so nothing after it', () => {
    const lines = ['a = Conv2D(x, k)', 'b = Add(a, c)', 'y = MatMul(b, w)'];
    expect(graph(lines, { oneDnnHasBfloat16: false }).rounded).toEqual(['y']);
    expect(graph(lines).rounded).toEqual(['a', 'b', 'y']);
  });
});

describe('loops of element-wise ops between products', () => {
  it('end where a value is used twice; factors made of narrower numbers are computed again in the place of being read', () => {
    const { rounded, loops } = graph([
      'a! = MatMul(x, w)',
      'b! = Tanh(a)',
      'kept! = Cast(draws)',
      'mask! = Mul(kept, scale)',
      'c! = Mul(b, mask)',
      'd = MatMul(c, w)',
      'e! = MatMul(d, w)',
      'f! = Mul(e, mask)',
      'g! = TanhGrad(b, f)',
      'h = MatMul(g, w)',
    ]);
    expect(rounded).toEqual(['a', 'd', 'e', 'h']);
    expect(loops).toEqual({ b: ['b'], c: ['kept', 'mask', 'c'], g: ['kept', 'mask', 'f', 'g'] });
  });

  it('have the bits of their nodes where no product comes after, and take four passes at least', () => {
    const sgd = ['y! = Sum(x)', 'mean! = RealDiv(y, count)', 'step! = Mul(mean, rate)', 'next! = Sub(w, step)'];
    expect(graph(sgd).exact).toEqual({});
    // As bfloat16 it would be converted first: a pass more.
    const ofProduct = ['y! = MatMul(x, x)', ...sgd.slice(1)];
    expect(graph(ofProduct).exact).toEqual({ next: ['mean', 'step', 'next'] });
    expect(graph([...sgd, 'kept! = Mul(next, decay)', 'left! = Sub(next, kept)']).exact).toEqual({});
    expect(graph([...sgd.slice(0, 3), 'kept! = Mul(step, decay)', 'next! = Sub(w, kept)']).exact).toEqual({
      next: ['mean', 'step', 'kept', 'next'],
    });
  });

  it('factors of many steps are read, and no number of them takes long to look at', () => {
    const chain = Array.from({ length: 60 }, (_, at) => `m${at + 1}! = Mul(m${at}, m${at})`);
    const { loops } = graph(['m0! = Cast(draws)', ...chain, 'a! = MatMul(x, w)', 'b! = Mul(a, m60)', 'c = MatMul(b, w)']);
    expect(loops).toEqual({ b: ['b'] });
  });

  it('a cast of float32 numbers is none of these', () => {
    const { loops } = graph(['i! = Cast(y)', 'a! = MatMul(x, w)', 'b! = Mul(a, i)', 'c = MatMul(b, w)']);
    expect(loops).toEqual({ b: ['b'] });
  });

  it('none with the same bits of a product that oneDNN joins with its sigmoid', () => {
    const chain = ['b! = Mul(a, scale)', 'c! = Add(b, x)', 'd! = Mul(c, scale)', 'e! = Sub(d, x)'];
    expect(Object.values(graph(['a! = Sum(x)', ...chain]).exact)).toEqual([['b', 'c', 'd', 'e']]);
    const swish = ['s! = Sigmoid(x)', 'a! = Mul(x, s)'];
    expect(Object.values(graph([...swish, ...chain]).exact)).toEqual([['b', 'c', 'd', 'e']]);
  });

  it('none of small values, none without XLA, and no activation that oneDNN computes in the op before', () => {
    expect(graph(['a = MatMul(x, w)', 'b = Tanh(a)', 'c = MatMul(b, w)']).loops).toEqual({});
    expect(graph(['a! = MatMul(x, w)', 'b! = Mul(a, s)', 'c = MatMul(b, w)'], { loops: false }).rounded).toEqual(['a', 'b', 'c']);
    const joined = ['a! = Conv2D(x, k)', 'b! = BiasAdd(a, c)', 'd! = Relu(b)', 'e = Conv2D(d, k)'];
    expect(graph(joined).rounded).toEqual(['a', 'b', 'd', 'e']);
    expect(Object.keys(graph([...joined, 'f! = Tanh(b)', 'g = MatMul(f, w)']).loops)).toEqual(['d', 'f']);
  });

  it('no value that the function gives is left inside of one', () => {
    const lines = ['a! = MatMul(x, w)', 'b! = Tanh(a)', 'c! = Mul(b, s)', 'd = MatMul(c, w)'];
    expect(graph(lines).loops).toEqual({ c: ['b', 'c'] });
    expect(graph(lines, { outputs: ['b'] }).loops).toEqual({ b: ['b'], c: ['c'] });
  });

  it('oneDNN has bfloat16 where a processor has AVX-512, or bf16 on Arm', () => {
    expect(oneDnnHasBfloat16('flags : avx2 fma avx512f')).toBe(true);
    expect(oneDnnHasBfloat16('Features : asimd bf16')).toBe(true);
    expect(oneDnnHasBfloat16('flags : avx2 fma avx_vnni')).toBe(false);
    expect(oneDnnHasBfloat16('')).toBe(false);
  });
});

describe('with oneDNN', () => {
  it.each(['fp32', 'bf16'])('%s: an activation whose input has another user makes no optimizer fail', (precision) => {
    const program = fileURLToPath(new URL('../../support/remapper_patterns.mjs', import.meta.url));
    const { status, stderr } = spawnSync(process.execPath, [program, precision], {
      encoding: 'utf8',
      // Held below AVX-512 it would have no bfloat16, and be refused.
      env: { ...process.env, TF_ENABLE_ONEDNN_OPTS: '1', ONEDNN_MAX_CPU_ISA: undefined, TF_CPP_MIN_LOG_LEVEL: undefined },
    });
    expect(status, stderr).toBe(0);
    // Said once where a processor has no bfloat16 and oneDNN is asked for by hand.
    const others = stderr.split('\n').filter((line) => line !== '' && !line.includes('oneDNN supports DT_BFLOAT16 only'));
    expect(others).toEqual([]);
  });
});
