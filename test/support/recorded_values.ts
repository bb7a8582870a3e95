/** Owns: what tests of recorded functions do with tensors, and how they catch a refusal. */
import * as tf from '@tensorflow/tfjs';
import { expect } from 'vitest';
import { RecordError, type Engine } from '../../src/engine/index.js';

/** Tensors made from JavaScript's values are uploaded at their first use; tests that count handles do it before. */
export function inTensorFlow<T extends tf.Tensor>(tensor: T): T {
  tf.square(tensor).dispose();
  return tensor;
}

export const values = (tensor: tf.Tensor): number[] => Array.from(tensor.dataSync());

export const x = (): tf.Tensor1D => tf.tensor1d([1, 2, 3]);

/** The RecordError of `call`; everything it had opened must be closed again. */
export function refusalOn(engine: Engine, call: () => unknown): RecordError {
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
