/** Every constraint of tfjs in a branch of its own, on a kernel or a bias that learns, one on weights that do not, and a branch without any. */
export const FEATURES = 6;
const UNITS = 3;

const seeded = (tf, seed) => tf.initializers.randomUniform({ minval: -0.5, maxval: 0.6, seed });

export function createModel(tf) {
  const { maxNorm, minMaxNorm, nonNeg, unitNorm } = tf.constraints;
  const branches = {
    max: { kernelConstraint: maxNorm({ maxValue: 0.6, axis: 0 }) },
    min_max: { kernelConstraint: minMaxNorm({ minValue: 1.2, maxValue: 1.5, rate: 0.7, axis: 0 }) },
    positive: { kernelConstraint: nonNeg(), biasConstraint: nonNeg() },
    unit: { kernelConstraint: unitNorm({ axis: 0 }) },
    free: {},
    still_frozen: { trainable: false, kernelConstraint: maxNorm({ maxValue: 0.1, axis: 0 }) },
  };
  const entry = tf.input({ shape: [FEATURES], name: 'entry' });
  const outputs = Object.entries(branches).map(([name, more], at) => {
    const [kernelInitializer, biasInitializer] = [seeded(tf, 2 * at + 1), seeded(tf, 2 * at + 2)];
    return tf.layers.dense({ name, units: UNITS, activation: 'tanh', kernelInitializer, biasInitializer, ...more }).apply(entry);
  });
  return tf.model({ name: 'constraint_walk', inputs: entry, outputs: tf.layers.concatenate({ name: 'all' }).apply(outputs) });
}
