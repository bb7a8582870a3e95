/**
 * A model for `--model examples/model.mjs`: export a function that gets tfjs and returns a tf.LayersModel.
 * Usage: npx tfjs-parallel train --model examples/model.mjs --data examples/data.mjs --workers 2 --epochs 5 --batch 30
 */
export function createModel(tf) {
  return tf.sequential({
    layers: [
      tf.layers.dense({ units: 16, activation: 'relu', inputShape: [2] }),
      tf.layers.dropout({ rate: 0.1 }),
      tf.layers.dense({ units: 3 }),
    ],
  });
}
