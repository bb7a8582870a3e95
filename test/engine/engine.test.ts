import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { installEngine, type Engine } from '../../src/engine/index.js';

describe('the engine under tfjs', () => {
  let engine: Engine;
  beforeAll(() => {
    engine = installEngine();
  });
  afterAll(() => engine.dispose());

  it('adds two tensors in TensorFlow', () => {
    expect(tf.getBackend()).toBe('tensorflow');
    expect(Array.from(tf.add([1, 2, 3], [10, 20, 30]).dataSync())).toEqual([11, 22, 33]);
  });
});
