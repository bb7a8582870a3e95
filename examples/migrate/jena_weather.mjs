/**
 * Tomorrow's temperature from the days before: a GRU over windows of a drawn climate, which a generator gives batch by batch.
 * Usage: node examples/migrate/jena_weather.mjs
 */
import * as tf from '@tensorflow/tfjs';
import { numbers, startedByHand } from './drawn.mjs';

const [DAYS, LOOK_BACK, BATCH] = [400, 8, 24];

/** Temperature and pressure of each day, around 0. */
function climate(seed) {
  const next = numbers(seed);
  return Array.from({ length: DAYS }, (_, day) => {
    const season = Math.sin((2 * Math.PI * day) / 90);
    return [season + 0.3 * (next() - 0.5), 0.5 * season * season + 0.3 * (next() - 0.5)];
  });
}

/** Windows of the days `from` to `to`, one after the other. */
function windows(days, from, to) {
  function* batches() {
    for (let first = from; first + LOOK_BACK + BATCH <= to; first += BATCH) {
      const starts = Array.from({ length: BATCH }, (_, i) => first + i);
      yield {
        xs: tf.tensor3d(starts.map((start) => days.slice(start, start + LOOK_BACK))),
        ys: tf.tensor2d(starts.map((start) => [days[start + LOOK_BACK][0]])),
      };
    }
  }
  return tf.data.generator(batches);
}

function createModel() {
  const seeded = (seed) => tf.initializers.glorotUniform({ seed });
  const model = tf.sequential();
  model.add(
    tf.layers.gru({
      ...{ units: 12, inputShape: [LOOK_BACK, 2] },
      ...{ kernelInitializer: seeded(1), recurrentInitializer: seeded(2) },
    }),
  );
  model.add(tf.layers.dense({ units: 1, kernelInitializer: seeded(3) }));
  model.compile({ optimizer: tf.train.rmsprop(0.005), loss: 'meanAbsoluteError' });
  return model;
}

export async function main({ fitDataset }, { shuffle: _, ...options } = {}) {
  const days = climate(17);
  const history = await fitDataset(createModel(), windows(days, 0, 300), {
    epochs: 3,
    validationData: windows(days, 300, DAYS),
    ...options,
  });
  return [history];
}

await startedByHand(import.meta.url, main);
