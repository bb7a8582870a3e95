import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { oneDnnHasBfloat16 } from '../../src/engine/instruction_set.js';
import { float32Inputs, mixedPrecisionLists } from '../../src/engine/mixed_precision.js';
import type { RecordedNode, RecordedValue } from '../../src/engine/recording.js';

const FLOAT = 1;
const value = (name: string, op?: string): RecordedValue => ({
  ...{ name, shape: [2, 2], dtype: FLOAT, output: { oper: 0n as never, index: 0 } },
  ...(op !== undefined && { op }),
});

/** A graph as text: each line is `name = Op(inputs)`; names never made before are arguments. */
function graph(...lines: string[]): { nodes: RecordedNode[]; barred: (forwardEnd?: number) => string[] } {
  const values = new Map<string, RecordedValue>();
  const of = (name: string): RecordedValue => {
    const known = values.get(name) ?? value(name);
    values.set(name, known);
    return known;
  };
  const nodes = lines.map((line): RecordedNode => {
    const [, name, op, inputs] = /^(\w+) = (\w+)\((.*)\)$/.exec(line) ?? [];
    const output = value(name, op);
    const node = { op, attributes: [], inputs: inputs.split(', ').map(of), outputs: [output] };
    values.set(name, output);
    return node;
  });
  return {
    nodes,
    barred: (forwardEnd = 0) => {
      const needs = float32Inputs(nodes, forwardEnd);
      return nodes.flatMap((node) =>
        node.inputs.filter((input) => needs(node, input)).map((input) => `${input.name} -> ${node.outputs[0].name}`),
      );
    },
  };
}

describe('what stays in float32 of a function compiled for bf16', () => {
  it('what no product comes after: gradients added up over time, and the step of an optimizer', () => {
    const { barred } = graph(
      'y = MatMul(x, w)',
      'z = Mul(y, y)',
      'g1 = MatMul(x, z)',
      'g2 = MatMul(y, z)',
      'sum = AddV2(g1, g2)',
      'step = Mul(sum, rate)',
      'next = Sub(w, step)',
    );
    // z lies between products. step and next follow what is float32 by then.
    expect(barred()).toEqual(['g1 -> sum', 'g2 -> sum']);
  });

  it("a model's last bias and activation, where the forward pass ends, though the backward pass has products", () => {
    const { barred } = graph(
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
    );
    expect(barred(6)).toEqual(['c -> d']);
  });

  it('values moved on the way, but not sums, which no list makes bfloat16', () => {
    const { barred } = graph('y = MatMul(x, w)', 'r = Reshape(y)', 's = Sum(y)', 'a = AddV2(r, s)');
    expect(barred()).toEqual(['r -> a']);
  });

  it('tells TensorFlow which ops add; without oneDNN no convolution is bfloat16', () => {
    const prefix = 'TF_AUTO_MIXED_PRECISION_GRAPH_REWRITE_';
    expect(mixedPrecisionLists(true)).toEqual({
      [`${prefix}ALLOWLIST_REMOVE`]: '',
      [`${prefix}INFERLIST_REMOVE`]: 'Tanh,TanhGrad,Sum,Mean,Prod,BiasAddGrad',
      [`${prefix}DENYLIST_ADD`]: 'Tanh,TanhGrad',
      [`${prefix}CLEARLIST_REMOVE`]: 'Snapshot,ScatterNd',
    });
    expect(mixedPrecisionLists(false)[`${prefix}ALLOWLIST_REMOVE`]).toContain('Conv2DBackpropFilter');
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
    const program = fileURLToPath(new URL('../support/remapper_patterns.mjs', import.meta.url));
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
