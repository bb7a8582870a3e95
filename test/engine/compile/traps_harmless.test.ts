/** The traps of recorded functions that are none here: the compiled function does what the function does. Those that are refused: traps.test.ts. */
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compile, installEngine, type Engine, type RecordError } from '../../../src/engine/index.js';
import { inTensorFlow, refusalOn, values, x } from '../../support/recorded_values.js';

let engine: Engine;
beforeAll(() => {
  engine = installEngine();
});
afterAll(() => engine.dispose());

const refusal = (call: () => unknown): RecordError => refusalOn(engine, call);

describe('harmless: the compiled function does what the function does', () => {
  const same = (f: (...args: never[]) => tf.Tensor, ...calls: unknown[][]): void => {
    const compiled = engine.compile(f as (...args: unknown[]) => tf.Tensor);
    for (const args of calls) expect(values(compiled(...args))).toEqual(values(f(...(args as never[]))));
    compiled.dispose();
  };

  it('a different shape, type, flag or nesting is another recording', () => {
    same(
      (t: tf.Tensor) => tf.sum(t),
      [x()],
      [tf.ones([2, 2])],
      [tf.tensor1d([1, 2, 3], 'int32')],
      [tf.scalar(1)],
      [tf.zeros([0])],
    );
    same((t: tf.Tensor, negate: boolean) => (negate ? tf.neg(t) : tf.square(t)), [x(), true], [x(), false]);
    same((...list: tf.Tensor[]) => tf.addN(list), [x()], [x(), x()], [x(), x(), x()]);
  });

  it('1 and true, "1" and 1, 0 and -0, null and undefined are different arguments', () => {
    const f = engine.compile((t: tf.Tensor, k: unknown) =>
      tf.mul(t, k === true ? 2 : k === 1 ? 3 : k === '1' ? 5 : Object.is(k, -0) ? 7 : k === null ? 11 : 13),
    );
    const one = tf.tensor1d([1]);
    expect([true, 1, '1', -0, null, undefined, 0].map((k) => values(f(one, k))[0])).toEqual([2, 3, 5, 7, 11, 13, 13]);
    f.dispose();
  });

  it('a record whose key looks like two is another argument than one with two', () => {
    const f = engine.compile((record: Record<string, tf.Tensor>) => tf.mul(record.b ?? 1, Object.keys(record).length), {
      verify: false,
    });
    const one = tf.scalar(1);
    const records: Record<string, tf.Tensor>[] = [{ 'a: #0 float32[], b': one }, { a: one, b: one }];
    expect(records.map((record) => values(f(record)))).toEqual([[1], [2]]);
    f.dispose();
  });

  it('a result is not overwritten by the next call', () => {
    const f = engine.compile((t: tf.Tensor) => tf.add(t, 1));
    const first = f(x());
    const second = f(tf.tensor1d([10, 20, 30]));
    expect([values(first), values(second)]).toEqual([
      [2, 3, 4],
      [11, 21, 31],
    ]);
    f.dispose();
  });

  it('the same tensor as two arguments, and an argument returned as it is', () => {
    const t = x();
    same((a: tf.Tensor, b: tf.Tensor) => tf.sub(a, b), [t, t], [t, x()]);
    const echo = engine.compile((a: tf.Tensor) => a);
    const result = echo(t);
    t.dispose();
    expect(values(result)).toEqual([1, 2, 3]);
    echo.dispose();
  });

  it('a result of one call is an argument of the next', () => {
    const f = engine.compile((t: tf.Tensor) => tf.mul(t, 2));
    let t: tf.Tensor = tf.scalar(1);
    for (let k = 0; k < 10; k++) t = f(t);
    expect(values(t)).toEqual([1024]);
    f.dispose();
  });

  it('an unused argument and a constant result', () => {
    same((_: tf.Tensor) => tf.scalar(7), [x()], [x()]);
  });

  it('a captured tensor that was replaced: the function is recorded again', () => {
    let rate = tf.scalar(10);
    const f = engine.compile((t: tf.Tensor) => tf.mul(t, rate));
    expect(values(f(x()))).toEqual([10, 20, 30]);
    rate.dispose();
    rate = tf.scalar(100);
    expect(values(f(x()))).toEqual([100, 200, 300]);
    f.dispose();
  });

  it('an optimizer whose learning rate is set between calls', () => {
    const w = tf.variable(tf.tensor1d([1]));
    const optimizer = tf.train.sgd(0.5);
    const step = engine.compile(() => optimizer.minimize(() => tf.sum(tf.square(w)) as tf.Scalar, true, [w])!);
    step();
    expect(values(w)).toEqual([0]);
    w.assign(tf.tensor1d([1]));
    (optimizer as unknown as { setLearningRate(rate: number): void }).setLearningRate(0.25);
    step();
    expect(values(w)).toEqual([0.5]);
    step.dispose();
    w.dispose();
  });

  it('an optimizer that holds its learning rate as a number, set at any call', () => {
    const run = (compiled: boolean): number[] => {
      const w = tf.variable(tf.tensor1d([1, -2]));
      const optimizer = tf.train.adam(0.5);
      const minimize = (): tf.Scalar => optimizer.minimize(() => tf.sum(tf.square(w)) as tf.Scalar, true, [w])!;
      const step = compiled ? engine.compile(minimize) : minimize;
      return [0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.125].flatMap((rate) => {
        (optimizer as unknown as { learningRate: number }).learningRate = rate;
        step();
        return values(w);
      });
    };
    const eager = run(false);
    run(true).forEach((value, index) => expect(value).toBeCloseTo(eager[index], 5));
  });

  it('an optimizer counts the calls, not the recordings', () => {
    const w = tf.variable(tf.tensor1d([1]));
    const optimizer = tf.train.adam(0.5);
    const step = engine.compile(() => optimizer.minimize(() => tf.sum(tf.square(w)) as tf.Scalar, true, [w])!);
    for (let call = 1; call < 12; call++) {
      step();
      expect(optimizer.iterations).toBe(call);
    }
    step.dispose();
    w.dispose();
  });

  it('a captured tensor read in JavaScript, which was replaced', () => {
    let table = tf.tensor1d([3, 4]);
    tf.add(table, 0).dispose();
    const f = engine.compile((t: tf.Tensor) => tf.mul(t, table.dataSync()[0]));
    expect(values(f(tf.scalar(1)))).toEqual([3]);
    table.dispose();
    table = tf.tensor1d([5, 6]);
    expect(values(f(tf.scalar(1)))).toEqual([5]);
    f.dispose();
  });

  it('two variables assigned from each other', () => {
    const a = tf.variable(tf.scalar(1));
    const b = tf.variable(tf.scalar(2));
    const swap = engine.compile(() => {
      const held = a.clone();
      a.assign(b);
      b.assign(held);
    });
    swap();
    expect([values(a), values(b)]).toEqual([[2], [1]]);
    swap();
    expect([values(a), values(b)]).toEqual([[1], [2]]);
    for (const variable of [a, b]) variable.dispose();
    swap.dispose();
  });

  it('a variable assigned a tensor from outside, and an argument', () => {
    const v = tf.variable(tf.scalar(0));
    const zero = tf.scalar(40);
    const f = engine.compile((t: tf.Tensor) => {
      v.assign(zero as tf.Scalar);
      const before = tf.add(v, 0);
      v.assign(t as tf.Scalar);
      return before;
    });
    for (const k of [1, 2]) {
      expect(values(f(tf.scalar(k)))).toEqual([40]);
      expect(values(v)).toEqual([k]);
    }
    expect(values(zero)).toEqual([40]);
    v.dispose();
    f.dispose();
  });

  it('a variable as an argument is that variable', () => {
    const v = tf.variable(tf.scalar(1));
    const w = tf.variable(tf.scalar(10));
    const bump = engine.compile((variable: tf.Variable) => variable.assign(tf.add(variable, 1) as tf.Scalar));
    bump(v);
    bump(v);
    bump(w);
    expect([values(v), values(w)]).toEqual([[3], [11]]);
    v.dispose();
    w.dispose();
    bump.dispose();
  });

  it('a disposed variable is an error as it is without compile', () => {
    const v = tf.variable(tf.scalar(1));
    const f = engine.compile((t: tf.Tensor) => tf.add(t, v));
    f(x());
    v.dispose();
    for (const call of [f, (t: tf.Tensor) => tf.add(t, v)]) expect(() => call(x())).toThrow("reading 'backend'");
    f.dispose();
  });

  it('a failure in the function leaves variables and tensors as they were', () => {
    const v = inTensorFlow(tf.tidy(() => tf.variable(tf.scalar(1))));
    const before = { handles: engine.liveHandles(), tensors: tf.memory().numTensors };
    const f = engine.compile((t: tf.Tensor) => {
      v.assign(tf.add(v, 1) as tf.Scalar);
      if (t.rank === 1) throw new TypeError('of the user');
      return t;
    });
    expect(() => tf.tidy(() => void f(x()))).toThrow(TypeError);
    expect(values(v)).toEqual([1]);
    expect({ handles: engine.liveHandles(), tensors: tf.memory().numTensors }).toEqual(before);
    v.dispose();
  });

  it('the mean of integers and of yes or no, whose kernel names another type than it gives', () => {
    same((t: tf.Tensor) => tf.mean(t), [tf.tensor1d([1, 2, 4, 5], 'int32')], [tf.tensor1d([true, false], 'bool')]);
  });

  it('constant strings, long and short, are themselves at each call', () => {
    const long = (end: string): string => `longer than what TensorFlow keeps in place ${end}`;
    same(() => tf.concat([tf.tensor1d([long('a'), 'b']), tf.tensor1d([long('b'), ''])]), [], []);
  });

  it("under another of tfjs's backends the function itself runs", () => {
    const f = engine.compile((t: tf.Tensor) => tf.square(t));
    expect(values(f(x()))).toEqual([1, 4, 9]);
    void tf.setBackend('cpu');
    try {
      expect(values(f(tf.tensor1d([2, 3])))).toEqual([4, 9]);
      expect(() => f.print(tf.tensor1d([2, 3]))).toThrow(expect.objectContaining({ code: 'COMPILE_BACKEND' }));
    } finally {
      void tf.setBackend('tensorflow');
    }
    f.dispose();
  });

  it('what is no function is refused at once, not at the first call', () => {
    for (const compileOn of [compile, engine.compile])
      expect(() => compileOn(undefined as never, { name: 'step' })).toThrow('compile takes a function, not undefined');
  });

  it('seeded random ops repeat, as they do without compile', () => {
    same(() => tf.randomUniform([3], 0, 1, 'float32', 42), [], []);
  });

  it('loops and recursion over shapes unroll', () => {
    same((t: tf.Tensor1D) => tf.addN(tf.unstack(t).map((part, index) => tf.mul(part, index))), [x()], [tf.tensor1d([5, 6])]);
  });

  it('gather and embeddings, whose kernel checks indices in JavaScript', () => {
    same(
      (t: tf.Tensor, indices: tf.Tensor1D) => tf.gather(t, indices),
      [x(), tf.tensor1d([2, 0], 'int32')],
      [x(), tf.tensor1d([1, 1], 'int32')],
    );
  });

  it('a thrown error in one recording does not spoil the next', () => {
    const f = engine.compile((t: tf.Tensor) => (t.rank === 1 ? t.arraySync() : tf.neg(t)) as tf.Tensor);
    refusal(() => f(x()));
    expect(values(f(tf.scalar(1)))).toEqual([-1]);
    f.dispose();
  });
});
