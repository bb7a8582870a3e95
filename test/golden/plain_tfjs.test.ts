/**
 * Owns: that plain tfjs, on its own JavaScript backend, takes the golden step with our gluon_cnn: so a difference found elsewhere
 * is our engine's or replica's, not the model's or the file's. Width 1/8 only: the JavaScript backend is slow.
 */
import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { createGluonCnn } from '../../src/models/gluon_cnn.js';
import { furthestTensor, loadGolden, normwiseDifference } from '../support/golden.js';

const TOLERANCE = 1e-4;

describe('plain tfjs', () => {
  it('computes the reference CNN`s golden loss, logits, gradients, and five SGD steps', async () => {
    await tf.setBackend('cpu');
    const golden = loadGolden('gluon_cnn_eighth');
    const model = createGluonCnn(tf, { width: golden.width, dropout: false });
    expect(model.weights.map(({ name, shape }) => ({ name, shape }))).toEqual(
      golden.tensors.map(({ name, shape }) => ({ name, shape })),
    );
    let offset = 0;
    model.setWeights(
      model.weights.map(({ shape }) => {
        const size = (shape as number[]).reduce((a, b) => a * b, 1);
        offset += size;
        return tf.tensor(golden.initial.slice(offset - size, offset), shape as number[]);
      }),
    );
    const x = tf.tensor4d(Float32Array.from(golden.images), [golden.batch, 28, 28, 1]).div(255);
    const y = tf.oneHot(tf.tensor1d(golden.labels, 'int32'), 10);
    const variables = model.trainableWeights.map((weight) => weight.read() as tf.Variable);
    for (let step = 0; step < golden.steps; step++) {
      const { value, grads } = tf.variableGrads(() => {
        const logits = model.apply(x, { training: true }) as tf.Tensor2D;
        if (step === 0) expect(normwiseDifference(golden, golden.logits, logits.dataSync())).toBeLessThan(TOLERANCE);
        return tf.losses.softmaxCrossEntropy(y, logits, undefined, undefined, tf.Reduction.SUM).asScalar();
      }, variables);
      expect(value.dataSync()[0] / golden.lossSums[step]).toBeCloseTo(1, 5);
      const gradients = variables.map(({ name }) => grads[name]);
      if (step === 0) expect(furthestTensor(golden, golden.gradients, pack(gradients)).difference).toBeLessThan(TOLERANCE);
      variables.forEach((variable, index) =>
        variable.assign(variable.sub(gradients[index].mul(golden.learningRate / golden.batch))),
      );
    }
    expect(furthestTensor(golden, golden.weights, pack(variables)).difference).toBeLessThan(TOLERANCE);
    const moving = model.weights.slice(golden.trainedTensors).map((weight) => weight.read());
    expect(furthestTensor(golden, golden.moving, pack(moving)).difference).toBeLessThan(TOLERANCE);
  });
});

function pack(tensors: readonly tf.Tensor[]): Float32Array {
  return Float32Array.from(tensors.flatMap((tensor) => [...tensor.dataSync()]));
}
