import * as tf from '@tensorflow/tfjs';
import protobuf from 'protobufjs/light.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compile, installEngine, type Engine } from '../../../src/engine/index.js';

describe('compile', () => {
  let engine: Engine;
  beforeAll(() => {
    engine = installEngine();
  });
  afterAll(() => engine.dispose());

  const values = (tensor: tf.Tensor): number[] => Array.from(tensor.dataSync());

  it('computes what the function computes', () => {
    const f = engine.compile((x: tf.Tensor, y: tf.Tensor) => tf.add(tf.mul(x, y), 1));
    for (const [x, y] of [
      [tf.tensor1d([1, 2, 3]), tf.tensor1d([10, 20, 30])],
      [tf.tensor1d([4, 5, 6]), tf.tensor1d([1, 1, 2])],
    ]) {
      expect(values(f(x, y))).toEqual(values(tf.add(tf.mul(x, y), 1)));
    }
    f.dispose();
  });

  it('works without naming an engine', () => {
    const double = compile((x: tf.Tensor) => tf.mul(x, 2));
    expect(values(double(tf.tensor1d([1, 2])))).toEqual([2, 4]);
    double.dispose();
  });

  it('prints the recorded graph', () => {
    const weight = tf.variable(tf.tensor2d([[1], [2]]), true, 'print_weight');
    const step = engine.compile((x: tf.Tensor2D) => {
      const y = tf.relu(tf.matMul(x, weight as tf.Tensor2D));
      weight.assign(tf.sub(weight, tf.reshape(tf.mean(y), [1, 1])));
      return { y, count: 3 };
    });
    expect(step.print(tf.ones([4, 2]))).toMatchInlineSnapshot(`
      "compiled(a0: float32[4,2]) {
        c0: float32[2,1] = capture variable print_weight
        k0: int32[2] = [0, 1]
        k1: int32[2] = [1, 1]
        n0: float32[4,1] = BatchMatMulV2(a0, c0) adj_x=false adj_y=false
        n1: float32[4,1] = Relu(n0)
        n2: float32[4,1] = Cast(n1) SrcT=float32 DstT=float32 Truncate=false
        n3: float32[] = Mean(n2, k0) keep_dims=false
        n4: float32[1,1] = Reshape(n3, k1)
        n5: float32[2,1] = Sub(c0, n4)
        variable print_weight <- n5
        return { y: n1, count: 3 }
      }"
    `);
    weight.dispose();
    step.dispose();
  });

  it('tells what it recorded as a GraphDef, once for each kind of arguments; not where constants are large', () => {
    // GraphDef.node is field 1, NodeDef.name and op its fields 1 and 2 (tensorflow/core/framework/graph.proto, node_def.proto).
    const NodeDef = new protobuf.Type('NodeDef').add(new protobuf.Field('op', 2, 'string'));
    const GraphDef = new protobuf.Type('GraphDef').add(NodeDef).add(new protobuf.Field('node', 1, 'NodeDef', 'repeated'));
    const graphs: string[][] = [];
    const onGraph = (bytes: Uint8Array): void => {
      graphs.push((GraphDef.decode(bytes) as unknown as { node: { op: string }[] }).node.map(({ op }) => op));
    };
    const f = engine.compile((x: tf.Tensor) => tf.sub(x, tf.square(x)), { onGraph });
    for (const length of [2, 2, 3]) f(tf.ones([length])).dispose();
    expect(graphs).toEqual(Array.from({ length: 2 }, () => ['Placeholder', 'Square', 'Sub']));
    const large = engine.compile((x: tf.Tensor) => tf.add(x, tf.tensor1d(new Float32Array(2 ** 20 + 1))), { onGraph });
    large(tf.scalar(1)).dispose();
    expect(graphs).toHaveLength(2);
    f.dispose();
    large.dispose();
  });

  it('leaves out a reshape to the shape that is there already, which would keep TensorFlow from joining what it stands between', () => {
    const f = compile((x: tf.Tensor) => ({
      same: tf.reshape(x, [2, -1]),
      used: tf.relu(tf.reshape(x, [2, 3])),
      other: tf.reshape(x, [3, 2]),
    }));
    const x = tf.tensor2d([1, -2, 3, -4, 5, -6], [2, 3]);
    expect(f.print(x).match(/Reshape/g)).toHaveLength(1);
    const { same, used, other } = f(x);
    expect([same.shape, used.shape, other.shape]).toEqual([
      [2, 3],
      [2, 3],
      [3, 2],
    ]);
    expect([...same.dataSync()]).toEqual([1, -2, 3, -4, 5, -6]);
    expect([...used.dataSync()]).toEqual([1, 0, 3, 0, 5, 0]);
    same.dispose();
    expect([...x.dataSync(), ...other.dataSync()]).toEqual([1, -2, 3, -4, 5, -6, 1, -2, 3, -4, 5, -6]);
    tf.dispose([x, used, other]);
    f.dispose();
  });

  it('takes and gives nested structures, and the same tensor twice as one', () => {
    const f = engine.compile(({ pair: [a, b], scale }: { pair: [tf.Tensor, tf.Tensor]; scale: number }) => {
      const sum = tf.add(a, b);
      return { sum, again: [sum, { scaled: tf.mul(sum, scale) }], note: 'three', nothing: null };
    });
    const result = f({ pair: [tf.tensor1d([1]), tf.tensor1d([2])], scale: 10 });
    expect(values(result.sum)).toEqual([3]);
    expect(result.again[0]).toBe(result.sum);
    expect(values((result.again[1] as { scaled: tf.Tensor }).scaled)).toEqual([30]);
    expect([result.note, result.nothing]).toEqual(['three', null]);
    f.dispose();
  });

  it('records once per shapes, types and plain values', () => {
    let runs = 0;
    const f = engine.compile((x: tf.Tensor, power: number) => {
      runs += 1;
      return tf.pow(x, power);
    });
    const call = (shape: number[], power: number): number => values(f(tf.fill(shape, 3), power))[0];
    expect([call([2], 2), call([3], 2), call([2], 3)]).toEqual([9, 9, 27]);
    const recorded = runs;
    // Each was recorded twice, to see that it does the same; the second call of each checks once more; the third does not run it.
    expect(recorded).toBe(6);
    call([2], 2);
    expect(runs).toBe(7);
    call([2], 2);
    expect(runs).toBe(7);
    f.dispose();
  });

  it('reads the present value of a variable and writes its new one', () => {
    const counter = tf.variable(tf.scalar(1));
    const next = engine.compile((by: tf.Tensor) => {
      counter.assign(tf.add(counter, by));
      return tf.mul(counter, 10);
    });
    expect(values(next(tf.scalar(2)))).toEqual([30]);
    expect(values(counter)).toEqual([3]);
    counter.assign(tf.scalar(100));
    expect(values(next(tf.scalar(1)))).toEqual([1010]);
    expect(values(next(tf.scalar(1)))).toEqual([1020]);
    counter.dispose();
    next.dispose();
  });

  it('keeps a variable apart from a tensor that shares its data', () => {
    const start = tf.tensor1d([5]);
    const variable = tf.variable(start);
    const f = engine.compile(() => tf.sub(variable, start));
    expect(values(f())).toEqual([0]);
    variable.assign(tf.tensor1d([7]));
    expect(values(f())).toEqual([2]);
    expect(values(start)).toEqual([5]);
    variable.dispose();
    f.dispose();
  });

  it('differentiates inside: tf.grad, variableGrads', () => {
    const w = tf.variable(tf.tensor1d([2, 3]));
    const f = engine.compile((x: tf.Tensor) => {
      const cube = tf.grad((v: tf.Tensor) => tf.sum(tf.pow(v, 3)))(x);
      const { value, grads } = tf.variableGrads(() => tf.sum(tf.mul(w, tf.square(x))) as tf.Scalar, [w]);
      return { cube, value, grad: grads[w.name] };
    });
    const { cube, value, grad } = f(tf.tensor1d([1, 2]));
    expect([values(cube), values(value), values(grad)]).toEqual([[3, 12], [14], [1, 4]]);
    w.dispose();
    f.dispose();
  });

  it('lets gradients pass through: inside tf.grad the function itself runs', () => {
    const f = engine.compile((x: tf.Tensor) => tf.square(x));
    f(tf.scalar(3));
    expect(values(tf.grad((x: tf.Tensor) => f(x))(tf.scalar(3)))).toEqual([6]);
    f.dispose();
  });

  it('is inlined into another recording', () => {
    const inner = engine.compile((x: tf.Tensor) => tf.add(x, 1));
    const outer = engine.compile((x: tf.Tensor) => tf.mul(inner(x), 2));
    expect(values(outer(tf.scalar(4)))).toEqual([10]);
    inner.dispose();
    outer.dispose();
  });

  it('trains with an optimizer that makes its slots on the first call', () => {
    const run = (compiled: boolean): number[] => {
      const w = tf.variable(tf.tensor1d([1, -2, 3]));
      const optimizer = tf.train.momentum(0.1, 0.9);
      const step = (x: tf.Tensor): tf.Tensor =>
        optimizer.minimize(() => tf.sum(tf.square(tf.mul(w, x))) as tf.Scalar, true, [w])!;
      const call = compiled ? engine.compile(step) : step;
      const losses = [1, 2, 3, 4].map((k) => values(call(tf.tensor1d([k / 10, 0.5, 1])))[0]);
      return [...losses, ...values(w)];
    };
    const eager = run(false);
    run(true).forEach((value, index) => expect(value).toBeCloseTo(eager[index], 5));
  });

  it('holds no tensors and no handles after disposal, and none more after many calls', () => {
    const w = tf.tidy(() => tf.variable(tf.tensor1d([1, 2])));
    const x = tf.tensor1d([1, 2]);
    tf.add(w, x).dispose();
    const before = { handles: engine.liveHandles(), tensors: tf.memory().numTensors, buffers: tf.memory().numDataBuffers };
    const f = engine.compile((t: tf.Tensor) => {
      w.assign(tf.add(w, t));
      return tf.mul(tf.reshape(t, [2, 1]), 3);
    });
    for (let call = 0; call < 20; call++) f(x).dispose();
    f.dispose();
    expect({ handles: engine.liveHandles(), tensors: tf.memory().numTensors, buffers: tf.memory().numDataBuffers }).toEqual(
      before,
    );
    expect(values(w)).toEqual([21, 42]);
    w.dispose();
  });
});

describe('compile and the life of an engine', () => {
  it('refuses calls after the engine is disposed, and finds the next engine when none was named', () => {
    const first = installEngine();
    const named = first.compile((x: tf.Tensor) => tf.mul(x, 2));
    const unnamed = compile((x: tf.Tensor) => tf.mul(x, 2));
    const double = (f: (x: tf.Tensor) => tf.Tensor): number => f(tf.scalar(3)).dataSync()[0];
    expect([double(named), double(unnamed)]).toEqual([6, 6]);
    first.dispose();
    expect(() => named(tf.scalar(3))).toThrow('The engine that compiled was compiled for is disposed');
    expect(() => named.print(tf.scalar(3))).toThrow('disposed');
    named.dispose();
    expect(() => double(unnamed)).toThrow('No engine is installed');
    const second = installEngine();
    expect(double(unnamed)).toBe(6);
    unnamed.dispose();
    second.dispose();
  });
});
