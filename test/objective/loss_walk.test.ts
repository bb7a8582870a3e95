/**
 * Owns: that every loss, with its gradient, and every metric is the same compiled as operation by operation, and in bf16 but for what rounding the one
 * product of the model explains. (That the values are plain tfjs's: all_losses.test.ts and losses.test.ts.)
 */
import * as tf from '@tensorflow/tfjs';
import { describe, expect, it, beforeAll, afterAll } from 'vitest';
import { installEngine, intoFloat32, sigmoidCrossEntropy, softmaxCrossEntropy, type Engine } from '../../src/engine/index.js';
import { createObjective } from '../../src/objective/create_objective.js';
import { LOSSES } from '../../src/objective/losses.js';
import { METRICS } from '../../src/objective/metrics.js';

const ROWS = 5;
const CLASSES = 6;
const x = Array.from({ length: ROWS * 4 }, (_, i) => Math.fround(Math.sin(i * 1.7)));
const indices = [0, 2, 5, 1, 3];
const oneHot = indices.flatMap((label) => Array.from({ length: CLASSES }, (_, at) => (at === label ? 1 : 0)));
const signs = oneHot.map((value) => 2 * value - 1);

const LABELS: Readonly<Record<string, readonly number[]>> = {
  hinge: signs,
  squaredHinge: signs,
  sparseCategoricalCrossentropy: indices,
};
/** Losses of probabilities; the others take any numbers. */
const SHARES = /rossentropy|^softmax_cross_entropy$|^sigmoid_cross_entropy$|Divergence|log_loss|poisson|Logarithmic/;

function judged(loss: string) {
  const activation =
    /^sigmoid|binary|log_loss|hinge_loss/.test(loss) && !/logits/.test(loss)
      ? 'sigmoid'
      : SHARES.test(loss)
        ? 'softmax'
        : 'linear';
  const kernelInitializer = tf.initializers.glorotUniform({ seed: 3 });
  const model = tf.sequential({ layers: [tf.layers.dense({ units: CLASSES, activation, inputShape: [4], kernelInitializer })] });
  const labels = LABELS[loss] ?? oneHot;
  const labelShape = labels === indices ? [] : [CLASSES];
  const split = { count: ROWS, x: Float32Array.from(x), y: Float32Array.from(labels) };
  const dataset = { name: 'given', labelShape, train: split, validation: split };
  // r2Score is no count: all_losses.test.ts.
  const names = Object.keys(METRICS).filter((name) => name !== 'r2Score' && (name !== 'binaryAccuracy' || labels !== indices));
  const request = { loss, metrics: activation === 'linear' ? [] : names };
  const objective = createObjective(
    tf,
    { softmaxCrossEntropy, sigmoidCrossEntropy },
    { request, compiled: null, model, inputShapes: [[4]], dataset },
  );
  const variables = model.trainableWeights.map((weight) => (weight as unknown as { val: tf.Variable }).val);
  const step = (given: tf.Tensor, rows: tf.Tensor): tf.Tensor[] => {
    let sums: tf.Tensor[] = [];
    const { value, grads } = tf.variableGrads(() => {
      const all = objective.evaluate(given, intoFloat32(model.apply(rows) as tf.Tensor));
      sums = all.sums.map((sum) => tf.keep(sum));
      return all.sum;
    }, variables);
    return [value, ...variables.map(({ name }) => grads[name]), ...sums];
  };
  return {
    step,
    y: tf.tensor([...labels], [ROWS, ...labelShape], objective.indices ? 'int32' : 'float32'),
    gradients: variables.length,
  };
}

const norm = (values: readonly number[]): number => Math.hypot(...values);

describe.each(['fp32', 'bf16'] as const)('in %s', (precision) => {
  let engine: Engine;
  beforeAll(() => {
    engine = installEngine({ precision });
  });
  afterAll(() => engine.dispose());

  it.each(Object.keys(LOSSES))('%s, compiled', (loss) => {
    const { step, y, gradients } = judged(loss);
    const rows = tf.tensor(x, [ROWS, 4]);
    const read = (of: tf.Tensor[]): number[][] => of.map((tensor) => [...tensor.dataSync()]);
    const [plain, compiled] = [read(step(y, rows)), read(engine.compile(step, { name: loss })(y, rows))];
    // Sums of 30 float32 numbers in another order; in bf16 the product rounds two inputs and its output, on the way there and on the way back.
    const roundings = precision === 'fp32' ? 64 * 2 ** -24 : 6 * 2 ** -8;
    plain.forEach((values, at) => {
      if (at > gradients && values.length > 1 && precision === 'bf16') {
        // Of an area, a count for each of 200 thresholds: an output passes as many of them as it was moved.
        const passed = values.reduce((sum, value, i) => sum + Math.abs(value - compiled[at][i]), 0);
        return expect(passed).toBeLessThanOrEqual(ROWS * CLASSES * Math.ceil(roundings * 199));
      }
      const off = norm(values.map((value, i) => value - compiled[at][i]));
      const scale = at > gradients ? 0 : norm(values) + (at === 0 ? ROWS : 0);
      expect(off, `${at === 0 ? 'value' : at > gradients ? 'metric' : 'gradient'} ${at}`).toBeLessThanOrEqual(roundings * scale);
    });
  });
});
