/**
 * What goes wrong when functions are recorded: the traps of tf.function, jax.jit and tinygrad's TinyJit. A trap is either loud (here: a RecordError that
 * names the op and the line) or harmless (traps_harmless.test.ts). There is no third kind: neither file documents a silently wrong result.
 */
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { installEngine, RecordError, type Engine } from '../../../src/engine/index.js';
import { inTensorFlow, refusalOn, values, x } from '../../support/recorded_values.js';

let engine: Engine;
beforeAll(() => {
  engine = installEngine();
});
afterAll(() => engine.dispose());

const refusal = (call: () => unknown): RecordError => refusalOn(engine, call);

/** The line of the caller is one of this file. */
function expectHere(error: RecordError): void {
  expect(error.line).toMatch(/traps\.test\.ts:\d+:\d+$/);
  expect(error.message).toContain('traps.test.ts');
}

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
