/** Owns: that TensorFlow reads an array of ours where it lies, writes nothing there, and copies what does not lie well. */
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sharedFloats } from '../../../src/common/shared_floats.js';
import { download, installEngine, uploadInPlace, type Engine } from '../../../src/engine/index.js';

/** 1, 2, 3, … on shared memory. */
function counting(length: number): Float32Array {
  const values = sharedFloats(length);
  values.set(Array.from({ length }, (_, index) => index + 1));
  return values;
}

describe.each(['CPU:0', 'CPU:1'])('an array given to TensorFlow in place, on %s', (device) => {
  let engine: Engine;
  beforeAll(() => {
    engine = installEngine({ device, logicalCpuDevices: 2 });
  });
  afterAll(() => engine.dispose());

  const read = (tensor: tf.Tensor): Float32Array => {
    const values = new Float32Array(tensor.size);
    download(engine, tensor, values);
    return values;
  };

  it.each([
    [1, []],
    [6, [2, 3]],
    [1000, [10, 100]],
    [100_003, [100_003]],
    [0, [0, 3]],
  ])('%i numbers of shape %j are its values', (length, shape) => {
    const before = engine.liveHandles();
    const tensor = uploadInPlace(engine, counting(length), shape);
    expect(tensor.shape).toEqual(shape);
    expect(read(tensor)).toEqual(Float32Array.from({ length }, (_, index) => index + 1));
    tensor.dispose();
    expect(engine.liveHandles()).toEqual(before);
  });

  it('at any offset: what does not begin at 64 bytes is copied', () => {
    const memory = counting(80);
    for (let offset = 0; offset < 40; offset++) {
      const tensor = uploadInPlace(engine, memory.subarray(offset, offset + 33), [33]);
      expect(read(tensor)[0]).toBe(offset + 1);
      if (device === 'CPU:0') {
        memory[offset] = -1;
        expect(read(tensor)[0]).toBe(offset % 16 === 0 ? -1 : offset + 1);
        memory[offset] = offset + 1;
      }
      tensor.dispose();
    }
  });

  it('is not written by operations that may reuse the memory of what they read last, eager or compiled, nor through a variable', () => {
    const values = counting(4096);
    const steps = (x: tf.Tensor): tf.Tensor => tf.add(tf.neg(tf.relu(tf.neg(tf.mul(tf.sub(x, 5), 3)))), 1);
    const wanted = Array.from(counting(4096), (x) => Math.min(0, (x - 5) * 3) + 1);
    const plain = uploadInPlace(engine, values, [4096]);
    const variable = tf.variable(tf.zeros([4096]));
    variable.assign(plain);
    const compiled = engine.compile(steps);
    for (const result of [steps(plain), compiled(plain), compiled(variable)]) expect(Array.from(read(result))).toEqual(wanted);
    plain.dispose();
    variable.assign(tf.zeros([4096]));
    expect(values).toEqual(counting(4096));
    variable.dispose();
  });

  it('is copied where the array is none of shared memory, which the collector may move', () => {
    const values = Float32Array.of(1, 2);
    const tensor = uploadInPlace(engine, values, [2]);
    values[0] = 9;
    expect(read(tensor)).toEqual(Float32Array.of(1, 2));
    tensor.dispose();
  });

  it('of another size than the shape is refused', () => {
    expect(() => uploadInPlace(engine, counting(5), [2, 3])).toThrow('num_elements=6, array_length=5');
  });
});
