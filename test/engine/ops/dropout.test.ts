import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dropoutMask, maskLayout } from '../../../src/common/dropout_mask.js';
import { installEngine, keyedDropout, upload, withDropout, type Engine } from '../../../src/engine/index.js';

describe('keyed dropout', () => {
  let engine: Engine;
  beforeAll(() => {
    engine = installEngine();
  });
  afterAll(() => engine.dispose());

  const key = { low: 0x9abcdef0, high: 0x12345678 };

  function positionTensor(step: number, firstExample: number): tf.Tensor {
    return upload(engine, Int32Array.of(step | 0, Math.floor(step / 2 ** 32), firstExample, 0), [4]);
  }

  // 0.25 takes 8 bits per element, 0.2 takes 16; 7, 13 and 43 elements leave part of a block unused.
  for (const rate of [0.25, 0.2, 0.5, 0.999]) {
    for (const elements of [1, 7, 8, 13, 16, 43]) {
      it(`draws the specified mask: rate ${rate}, ${elements} elements per example`, () => {
        const step = 5 * 2 ** 32 + 3;
        const specified = dropoutMask({ key, step, firstExample: 11, examples: 3, elementsPerExample: elements, rate });
        const draw = (x: tf.Tensor, position: tf.Tensor): tf.Tensor => keyedDropout(x, rate, key, position);
        const byXla = engine.compile(draw, { name: 'draw', xla: 'required' });
        for (const drawing of [draw, byXla]) {
          const drawn = tf.tidy(() => drawing(tf.ones([3, elements]), positionTensor(step, 11)).dataSync());
          expect(Array.from(drawn)).toEqual(Array.from(specified));
        }
        byXla.dispose();
      });
    }
  }

  it('gives a slice of a batch the mask that the whole batch has', () => {
    const whole = tf.tidy(() => keyedDropout(tf.ones([5, 3, 3, 2]), 0.2, key, positionTensor(9, 0)).dataSync());
    const slice = tf.tidy(() => keyedDropout(tf.ones([2, 3, 3, 2]), 0.2, key, positionTensor(9, 3)).dataSync());
    expect(Array.from(slice)).toEqual(Array.from(whole).slice(3 * 18));
  });

  it('drops a fifth of many elements and keeps the expectation', () => {
    const values = tf.tidy(() => Array.from(keyedDropout(tf.ones([100, 1000]), 0.2, key, positionTensor(0, 0)).dataSync()));
    const dropped = values.filter((value) => value === 0).length / values.length;
    // Standard deviation of the share: sqrt(0.2 · 0.8 / 100000) = 0.0013.
    expect(Math.abs(dropped - 0.2)).toBeLessThan(0.005);
    expect(maskLayout(0.2, 1000).keptScale).toBeCloseTo(1.25, 4);
  });

  it('passes the gradient through the same mask', () => {
    tf.tidy(() => {
      const x = tf.ones([4, 5]);
      const position = positionTensor(1, 2);
      const forward = keyedDropout(x, 0.25, key, position);
      const gradient = tf.grad((value) => keyedDropout(value, 0.25, key, position))(x);
      expect(Array.from(gradient.dataSync())).toEqual(Array.from(forward.dataSync()));
    });
  });

  it('is drawn by Dropout and SpatialDropout1D layers in withDropout, and only in training', () => {
    tf.tidy(() => {
      const position = positionTensor(4, 0);
      const x = tf.ones([2, 3, 4]);
      const layers = [tf.layers.dropout({ rate: 0.5 }), tf.layers.spatialDropout1d({ rate: 0.5 })];
      const [plain, spatial] = layers.map((layer) =>
        withDropout(
          () => ({ key, position }),
          () => (layer.apply(x, { training: true }) as tf.Tensor).arraySync() as number[][][],
        ),
      );
      const mask = dropoutMask({ key, step: 4, firstExample: 0, examples: 2, elementsPerExample: 12, rate: 0.5 });
      expect(plain.flat(2)).toEqual(Array.from(mask));
      const channelMask = dropoutMask({ key, step: 4, firstExample: 0, examples: 2, elementsPerExample: 4, rate: 0.5 });
      for (const row of [0, 1, 2]) expect(spatial.map((example) => example[row]).flat()).toEqual(Array.from(channelMask));
      const still = withDropout(
        () => ({ key, position }),
        () => layers[0].apply(x, { training: false }) as tf.Tensor,
      );
      expect(Array.from(still.dataSync())).toEqual(new Array(24).fill(1));
    });
  });

  it('keeps no tensors', () => {
    const position = positionTensor(1, 0);
    const before = { handles: engine.liveHandles(), tensors: tf.memory().numTensors };
    tf.tidy(() =>
      tf
        .grad((x: tf.Tensor) => keyedDropout(x, 0.2, key, position))(tf.ones([3, 7]))
        .dataSync(),
    );
    expect({ handles: engine.liveHandles(), tensors: tf.memory().numTensors }).toEqual(before);
    position.dispose();
  });
});
