/** 170 weights: its steps cost what a step costs besides computing. */
export function createModel(tf) {
  return tf.sequential({
    layers: [
      tf.layers.averagePooling2d({ inputShape: [28, 28, 1], poolSize: 7 }),
      tf.layers.flatten(),
      tf.layers.dropout({ rate: 0.2 }),
      tf.layers.dense({ units: 10 }),
    ],
  });
}
