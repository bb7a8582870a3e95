/**
 * Owns: the losses that tfjs knows by name, as tfjs computes them (tfjs-layers/src/losses.ts): probabilities clipped where it clips them, means
 * where it takes them. The functions are tfjs's own, so that nothing is computed otherwise.
 */
import type * as tfjs from '@tensorflow/tfjs';
import { ANY_LABELS, ANY_SUM, NOT_NEGATIVE, PROBABILITIES, SHARES, type LabelRule, type Loss } from './loss.js';

type TfjsLoss = (labels: tfjs.Tensor, output: tfjs.Tensor) => tfjs.Tensor;

const NOT_BELOW_0: LabelRule = {
  indices: 'never',
  values: {
    isRight: (value) => value >= 0,
    wants: 'values of at least 0',
    next: 'Shift or scale the targets, or choose another loss.',
  },
};
const SIGNS: LabelRule = {
  indices: 'never',
  values: {
    isRight: (value) => value === 1 || value === -1,
    wants: '-1 and 1 for no and yes',
    next: 'Write no and yes as -1 and 1 (tfjs does not turn 0 into -1 as Keras does), or choose binaryCrossentropy for 0 and 1.',
  },
};

const regression = { labels: ANY_LABELS, sum: NOT_NEGATIVE, metrics: [], predicts: null, readsLogits: false } as const;
const classes = { sum: NOT_NEGATIVE, metrics: ['accuracy'], predicts: 'class', readsLogits: false } as const;

export const TFJS_LOSSES: Readonly<Record<string, Loss>> = {
  meanAbsoluteError: tfjsLoss('meanAbsoluteError', regression),
  meanAbsolutePercentageError: tfjsLoss('meanAbsolutePercentageError', regression),
  meanSquaredLogarithmicError: tfjsLoss('meanSquaredLogarithmicError', { ...regression, labels: NOT_BELOW_0 }),
  logcosh: tfjsLoss('logcosh', regression),
  poisson: tfjsLoss('poisson', { ...regression, labels: NOT_BELOW_0, sum: ANY_SUM }),
  cosineProximity: tfjsLoss('cosineProximity', { ...regression, sum: { kind: 'real', least: -1.001, most: 1.001 } }),
  kullbackLeiblerDivergence: tfjsLoss('kullbackLeiblerDivergence', {
    ...classes,
    labels: { indices: 'never', values: SHARES },
    sum: ANY_SUM,
  }),
  categoricalCrossentropy: tfjsLoss('categoricalCrossentropy', { ...classes, labels: { indices: 'never', values: SHARES } }),
  sparseCategoricalCrossentropy: tfjsLoss('sparseCategoricalCrossentropy', {
    ...classes,
    labels: { indices: 'always', values: null },
  }),
  binaryCrossentropy: tfjsLoss('binaryCrossentropy', {
    ...classes,
    labels: { indices: 'never', values: PROBABILITIES },
    predicts: 'each',
  }),
  hinge: tfjsLoss('hinge', { ...regression, labels: SIGNS }),
  squaredHinge: tfjsLoss('squaredHinge', { ...regression, labels: SIGNS }),
  categoricalHinge: tfjsLoss('categoricalHinge', { ...classes, labels: { indices: 'never', values: SHARES } }),
};

function tfjsLoss(name: string, facts: Omit<Loss, 'create'>): Loss {
  return {
    ...facts,
    create: ({ tf, indices }) => {
      const loss = lossFunction(tf, name);
      if (!indices) return loss;
      return (labels, output) => tf.reshape(loss(tf.cast(labels, 'float32'), output), output.shape.slice(0, -1));
    },
  };
}

/** tfjs exports a few of them only, and hands out all to a model that is compiled. */
function lossFunction(tf: typeof tfjs, name: string): TfjsLoss {
  const inputs = tf.input({ shape: [1] });
  const model = tf.model({ inputs, outputs: inputs });
  try {
    model.compile({ optimizer: 'sgd', loss: name });
    return (model as unknown as { lossFunctions: TfjsLoss[] }).lossFunctions[0];
  } finally {
    model.dispose();
  }
}
