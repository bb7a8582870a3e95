/**
 * A compiled function called inside a loop: the bits of calls of its own, in every execution and precision.
 */
import * as tf from '@tensorflow/tfjs';
import { afterEach, describe, expect, it } from 'vitest';
import type { CompiledFunction, CompileOptions, EngineOptions } from '../../../src/engine/index.js';
import { installEngine, partOf, withRow } from '../../../src/engine/index.js';
import { engineForTests } from '../../support/gradient_checks.js';

const drawn = (shape: number[], seed: number): tf.Tensor => tf.randomNormal(shape, 0, 1, 'float32', seed);

type Step = CompiledFunction<[tf.Tensor, tf.Tensor[]], { loss: tf.Tensor; weights: tf.Tensor[] }>;

describe.each<[string, CompileOptions, Partial<EngineOptions>]>([
  ['by the graph', {}, {}],
  ['by the graph in bf16', {}, { precision: 'bf16' }],
  ['by XLA', { xla: 'required' }, {}],
  ['on a second device', {}, { logicalCpuDevices: 2, device: 'CPU:1' }],
])('steps in a row %s', (_, options, engineOptions) => {
  let engine: ReturnType<typeof installEngine> | null = null;
  afterEach(() => engine?.dispose());

  it('have the bits of as many calls, and free what they make', () => {
    engine = installEngine(engineOptions);
    const kernel = tf.variable(drawn([24, 32], 1));
    const bias = tf.variable(drawn([32], 2));
    const fixed = drawn([32, 8], 3);
    const step: Step = engine.compile(
      (x: tf.Tensor, [rate]: tf.Tensor[]) => {
        const variables = [kernel, bias];
        const loss = (): tf.Scalar =>
          tf.sum(tf.square(tf.matMul(tf.relu(tf.add(tf.matMul(x as tf.Tensor2D, kernel), bias)), fixed as tf.Tensor2D)));
        const { value, grads } = tf.variableGrads(loss, variables);
        const weights = variables.map((each) => tf.sub(each, tf.mul(rate, grads[each.name])));
        tf.dispose(grads);
        return { loss: value, weights };
      },
      { name: 'step', ...options },
    );
    const batches = [4, 5, 6, 7].map((seed) => drawn([16, 24], seed));
    const rates = [1e-4, 2e-4, 3e-4, 4e-4].map((rate) => tf.scalar(rate));
    const first = [kernel, bias].map((each) => each.clone());
    const losses: number[] = [];
    batches.forEach((batch, at) => {
      const { loss, weights } = step(batch, [rates[at]]);
      losses.push(loss.dataSync()[0]);
      [kernel, bias].forEach((each, which) => each.assign(weights[which]));
      tf.dispose([loss, weights]);
    });
    const wanted = [kernel, bias].map((each) => each.dataSync());
    [kernel, bias].forEach((each, which) => each.assign(first[which]));
    const xs = tf.stack(batches);
    const all = tf.stack(rates);
    const several = engine.compileLoop(
      (index, { told, held }: { told: tf.Tensor; held: tf.Tensor[] }, fixed: { xs: tf.Tensor; all: tf.Tensor }) => {
        const given = new Map([kernel, bias].map((variable, at) => [variable, held[at]]));
        const { loss, weights } = step.nested(given, partOf(fixed.xs, index), [partOf(fixed.all, index)]);
        return { told: withRow(told, index, loss), held: weights };
      },
      { name: 'several' },
    );
    step.prepare(1, batches[0], [rates[0]]);
    const once = (times = batches.length): { told: number[]; held: (Float32Array | Int32Array | Uint8Array)[] } => {
      const from = { told: tf.zeros([batches.length]), held: [kernel, bias].map((each) => each.clone()) };
      const { told, held } = several(times, from, { xs, all }, [xs, all, from.told]);
      const values = { told: Array.from(told.dataSync()), held: held.map((each) => each.dataSync()) };
      tf.dispose([from, told, held] as unknown as tf.TensorContainer);
      return values;
    };
    expect(once(0)).toEqual({ told: losses.map(() => 0), held: [kernel, bias].map((each) => each.dataSync()) });
    expect(once(2).told).toEqual([...losses.slice(0, 2), 0, 0]);
    expect(once()).toEqual({ told: losses, held: wanted });
    const before = { ...tf.memory(), handles: engine.liveHandles() };
    once();
    expect({ ...tf.memory(), handles: engine.liveHandles() }).toEqual(before);
    expect(kernel.dataSync()).toEqual(first[0].dataSync());
    expect(wanted[0]).not.toEqual(first[0].dataSync());
    several.dispose();
    step.dispose();
  });
});

describe('a function that is prepared', () => {
  const engine = engineForTests();

  it('is checked as often as one that is called as many times', () => {
    let factor = 2;
    const step = engine().compile((x: tf.Tensor) => tf.mul(x, factor), { name: 'step' });
    const x = tf.tensor1d([1, 2]);
    step.prepare(5, x);
    factor = 3;
    // The sixth and the seventh.
    step.prepare(2, x);
    expect(() => step.prepare(3, x)).toThrow(expect.objectContaining({ code: 'RECORD_IMPURE' }));
    // Recorded anew.
    expect(Array.from(step(x).dataSync())).toEqual([3, 6]);
  });

  it('is called in a recording alone, and not before it was prepared', () => {
    const step = engine().compile((x: tf.Tensor) => tf.square(x), { name: 'step' });
    const x = tf.tensor1d([1, 2]);
    expect(() => step.nested(new Map(), x)).toThrow('a nested call is part of a recording');
    const loop = engine().compileLoop((_, held: tf.Tensor) => step.nested(new Map(), held), { name: 'loop' });
    expect(() => loop(2, x, {}, [])).toThrow('a function is called or prepared before it is called in another');
    step.prepare(1, x);
    expect(Array.from(loop(2, x, {}, []).dataSync())).toEqual([1, 16]);
  });
});
