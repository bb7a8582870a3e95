/**
 * What goes wrong when functions are recorded: the traps of tf.function, jax.jit and tinygrad's TinyJit. A trap is either harmless here (the
 * compiled function does what the function does) or loud (a RecordError that names the op and the line). There is no third kind: nothing in
 * this file documents a silently wrong result.
 */
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { compile, installEngine, RecordError, type Engine } from '../../src/engine/index.js';

describe('traps of recorded functions', () => {
  let engine: Engine;
  beforeAll(() => {
    engine = installEngine();
  });
  afterAll(() => engine.dispose());

  /** Tensors made from JavaScript's values are uploaded at their first use; tests that count handles do it before. */
  function inTensorFlow<T extends tf.Tensor>(tensor: T): T {
    tf.square(tensor).dispose();
    return tensor;
  }

  const values = (tensor: tf.Tensor): number[] => Array.from(tensor.dataSync());

  /** The RecordError of `call`; everything it had opened must be closed again. */
  function refusal(call: () => unknown): RecordError {
    const before = { handles: engine.liveHandles(), tensors: tf.memory().numTensors };
    let caught: unknown;
    try {
      tf.tidy(() => {
        call();
      });
    } catch (error) {
      caught = error;
    }
    expect(caught).toBeInstanceOf(RecordError);
    expect({ handles: engine.liveHandles(), tensors: tf.memory().numTensors }).toEqual(before);
    // Recording is over: ops run, and random numbers are drawn, as before.
    expect(values(tf.add([1], [1]))).toEqual([2]);
    expect(Math.random()).toBeLessThan(1);
    return caught as RecordError;
  }

  /** Line number of the caller's line that holds `marker`. */
  function expectHere(error: RecordError): void {
    expect(error.line).toMatch(/traps\.test\.ts:\d+:\d+$/);
    expect(error.message).toContain('traps.test.ts');
  }

  const x = (): tf.Tensor1D => tf.tensor1d([1, 2, 3]);

  describe('loud: what a recorded function cannot do', () => {
    let ones: tf.Tensor1D;
    beforeEach(() => {
      ones?.dispose();
      ones = inTensorFlow(tf.ones([3]));
    });

    it('branches on a value', () => {
      const f = engine.compile((t: tf.Tensor) => (t.sum().dataSync()[0] > 0 ? t : tf.neg(t)));
      const error = refusal(() => f(ones));
      expect(error.code).toBe('RECORD_READS_DATA');
      expect(error.op).toBe('dataSync');
      expect(error.message).toContain('the result of Sum');
      expect(error.next).toContain('tf.where');
      expectHere(error);
    });

    it('reads an argument, by arraySync or by printing', () => {
      expect(refusal(() => engine.compile((t: tf.Tensor) => t.arraySync())(ones)).message).toContain('an argument');
      const error = refusal(() => engine.compile((t: tf.Tensor) => void t.print())(ones));
      expect(error.op).toBe('print');
      expectHere(error);
    });

    it('reads a variable, used before or not yet', () => {
      const fresh = inTensorFlow(tf.tidy(() => tf.variable(tf.scalar(2), true, 'traps_fresh')));
      const error = refusal(() => engine.compile((t: tf.Tensor) => tf.mul(t, fresh.dataSync()[0]))(ones));
      expect(error.code).toBe('RECORD_READS_DATA');
      expect(error.message).toContain('variable traps_fresh');
      fresh.dispose();
    });

    it('is asynchronous', () => {
      const error = refusal(() =>
        engine.compile(async (t: tf.Tensor) => {
          await Promise.resolve();
          return t;
        })(ones),
      );
      expect(error.code).toBe('RECORD_RESULT');
    });

    it('draws random numbers in JavaScript', () => {
      for (const [name, draw] of [
        ['randomUniform', () => tf.randomUniform([3])],
        ['randomNormal', () => tf.randomNormal([3])],
        ['truncatedNormal', () => tf.truncatedNormal([3])],
        ['dropout', () => tf.dropout(ones, 0.5)],
        ['multinomial', () => tf.multinomial(tf.tensor1d([0.5, 0.5]), 3)],
      ] as const) {
        const error = refusal(() => engine.compile(() => tf.mul(draw(), 2))());
        expect(error.code).toBe('RECORD_DRAWS_RANDOM');
        expect(error.op).toBe(name);
        expect(error.next).toContain('keyedDropout');
        expectHere(error);
      }
    });

    it('multiplies by Math.random() itself', () => {
      expectHere(refusal(() => engine.compile((t: tf.Tensor) => tf.mul(t, Math.random()))(ones)));
    });

    it('applies a Dropout layer in training without keys', () => {
      const layer = tf.layers.dropout({ rate: 0.5 });
      expect(refusal(() => engine.compile((t: tf.Tensor) => layer.apply(t, { training: true }) as tf.Tensor)(ones)).code).toBe(
        'RECORD_DRAWS_RANDOM',
      );
    });

    it('has a result whose shape depends on values', () => {
      const error = refusal(() =>
        engine.compile((t: tf.Tensor1D) =>
          (tf.engine().backend as unknown as { where(c: tf.Tensor): tf.Tensor }).where(tf.greater(t, 1)),
        )(ones),
      );
      expect(error.code).toBe('RECORD_SHAPE_UNKNOWN');
      expect(error.op).toBe('Where');
      expectHere(error);
    });

    it('keeps a tensor that is not returned', () => {
      let leaked: tf.Tensor | undefined;
      const f = engine.compile((t: tf.Tensor) => {
        leaked = tf.keep(tf.square(t));
        return tf.neg(t);
      });
      const error = refusal(() => {
        try {
          f(ones);
        } finally {
          leaked?.dispose();
        }
      });
      expect(error.code).toBe('RECORD_TENSOR_LEAKED');
      expect(error.op).toBe('Square');
      expectHere(error);
    });

    it('lets a symbolic tensor out, which is then used', () => {
      let leaked: tf.Tensor | undefined;
      const f = engine.compile((t: tf.Tensor) => {
        leaked = tf.keep(tf.square(t));
        return tf.neg(t);
      });
      expect(() => f(ones)).toThrow(RecordError);
      expect(refusal(() => tf.add(leaked!, 1)).code).toBe('RECORD_TENSOR_LEAKED');
      expect(refusal(() => leaked!.dataSync()).code).toBe('RECORD_TENSOR_LEAKED');
      leaked!.dispose();
    });

    it('makes a variable in every call', () => {
      expect(
        refusal(() =>
          engine.compile((t: tf.Tensor) => {
            const made = tf.variable(t);
            return tf.add(made, 1);
          })(ones),
        ),
      ).toMatchObject({ code: 'RECORD_VARIABLE', line: expect.stringContaining('traps.test.ts') as string });
    });

    it('disposes its argument, or a variable of others', () => {
      const variable = inTensorFlow(tf.tidy(() => tf.variable(tf.scalar(1), true, 'traps_disposed')));
      const error = refusal(() =>
        engine.compile((t: tf.Tensor) => {
          const y = tf.add(t, 1);
          t.dispose();
          return y;
        })(ones),
      );
      expect(error.message).toContain('disposes its argument 0');
      expect(ones.isDisposed).toBe(false);
      expect(() => engine.compile(() => variable.dispose())()).toThrow('disposes variable traps_disposed');
    });

    it('disposes a tensor of its closure', () => {
      const outside = inTensorFlow(tf.tidy(() => tf.keep(tf.scalar(2))));
      const f = engine.compile((t: tf.Tensor) => {
        const y = tf.mul(t, outside);
        outside.dispose();
        return y;
      });
      const live = engine.liveHandles();
      expect(() => f(ones)).toThrow('disposes a tensor that it did not make (dispose at ');
      // It is gone, as without compile.
      expect(engine.liveHandles()).toBe(live - 1);
    });

    it('is given a list that holds itself', () => {
      const list: unknown[] = [ones];
      list.push(list);
      const error = refusal(() => engine.compile((_: unknown) => ones.clone())(list));
      expect(error.code).toBe('RECORD_ARGUMENT');
      expect(error.message).toContain('holds itself');
    });

    it('is given a function, a model or a typed array', () => {
      const f = engine.compile((_: unknown) => ones.clone());
      for (const argument of [() => 1, Float32Array.of(1), new Map(), Symbol('s')]) {
        expect(refusal(() => f(argument)).code).toBe('RECORD_ARGUMENT');
      }
    });

    it('returns a function', () => {
      expect(refusal(() => engine.compile(() => () => 1)()).code).toBe('RECORD_RESULT');
    });

    it('is given ever new numbers', () => {
      const f = engine.compile((t: tf.Tensor, k: number) => tf.mul(t, k), { verify: false });
      for (let k = 0; k < 64; k++) f(ones, k).dispose();
      const error = refusal(() => f(ones, 64));
      expect(error.code).toBe('RECORD_TOO_MANY');
      expect(error.next).toContain('tf.scalar');
      f.dispose();
    });

    it('calls an op that TensorFlow refuses', () => {
      const error = refusal(() =>
        engine.compile((t: tf.Tensor) =>
          (tf.engine().backend as unknown as { executeSingleInput(op: string, t: tf.Tensor): tf.Tensor }).executeSingleInput(
            'MatrixInverse',
            t,
          ),
        )(ones),
      );
      expect(error.code).toBe('RECORD_OP');
      expect(error.op).toBe('MatrixInverse');
      expectHere(error);
    });
  });

  describe('loud: what changes between calls', () => {
    it('counts in JavaScript', () => {
      let calls = 0;
      const error = refusal(() =>
        engine.compile((t: tf.Tensor) => {
          calls += 1;
          return tf.mul(t, calls);
        })(x()),
      );
      expect(error.code).toBe('RECORD_IMPURE');
      expect(error.op).toBe('Mul');
      expectHere(error);
    });

    it('looks at the clock', () => {
      let now = 0;
      const clock = (): number => (now += 0.5);
      expect(refusal(() => engine.compile((t: tf.Tensor) => tf.add(t, clock()))(x())).code).toBe('RECORD_IMPURE');
    });

    it('uses a JavaScript number that its caller changes', () => {
      let rate = 0.1;
      const f = engine.compile((t: tf.Tensor) => tf.mul(t, rate));
      tf.tidy(() => f(x()));
      rate = 0.2;
      const error = refusal(() => f(x()));
      expect(error.code).toBe('RECORD_IMPURE');
      expect(error.message).toContain('0.2');
      expect(error.next).toContain('an argument or a tf.variable');
      expectHere(error);
      f.dispose();
    });

    it('uses a tensor of its closure in whose place its caller put another', () => {
      const [first, second] = [10, 20].map((value) => inTensorFlow(tf.scalar(value)));
      let rate = first;
      const f = engine.compile((t: tf.Tensor) => tf.neg(tf.mul(tf.square(t), rate)));
      tf.tidy(() => f(x()));
      rate = second;
      const error = refusal(() => f(x()));
      expect(error.code).toBe('RECORD_IMPURE');
      expect(error.op).toBe('Mul');
      expect(error.message).toContain('another tensor as c0: float32[]');
      expectHere(error);
      // Reported once, it is taken from there.
      expect(values(f(x()))).toEqual([-20, -80, -180]);
      f.dispose();
    });

    it('divides by 0, and then by -0', () => {
      let zero = 0;
      const f = engine.compile((t: tf.Tensor) => tf.div(t, zero));
      tf.tidy(() => f(x()));
      zero = -0;
      expect(refusal(() => f(x())).code).toBe('RECORD_IMPURE');
      f.dispose();
    });

    it('throws at a later call, and at those after it', () => {
      let fails = false;
      const f = engine.compile((t: tf.Tensor) => {
        if (fails) throw new TypeError('of the user');
        return tf.neg(t);
      });
      tf.tidy(() => f(x()));
      fails = true;
      for (let call = 2; call < 5; call++) expect(() => f(x())).toThrow('of the user');
      f.dispose();
    });

    it('appends to a list and stacks it', () => {
      const history: tf.Tensor[] = [];
      const f = engine.compile((t: tf.Tensor) => {
        history.push(t);
        return tf.addN(history.map((_, index) => tf.mul(t, index)));
      });
      expect(refusal(() => f(x())).code).toBe('RECORD_IMPURE');
    });

    it('takes another branch of plain JavaScript at a later call', () => {
      let training = true;
      const f = engine.compile((t: tf.Tensor) => (training ? tf.neg(t) : t.clone()));
      tf.tidy(() => f(x()));
      training = false;
      expect(refusal(() => f(x())).code).toBe('RECORD_IMPURE');
      f.dispose();
    });
  });

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
});
