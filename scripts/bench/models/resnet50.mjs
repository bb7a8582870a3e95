/**
 * Owns: the benchmark ResNet-50 for 64×64×3 and 1,000 classes: 25,610,152 values, 25,557,032 of them trained. The twin of `resnet50` in scripts/peers,
 * whose README.md defines it: bottlenecks of 3, 4, 6 and 3, their stride in the 3×3 convolution.
 * Does not: train it.
 */
export const exampleShape = [64, 64, 3];

/** @param {typeof import('@tensorflow/tfjs')} tf */
export function createModel(tf) {
  const { layers } = tf;
  const conv = (name, filters, kernelSize, strides) =>
    layers.conv2d({ name, filters, kernelSize, strides, padding: 'same', useBias: false, kernelInitializer: 'heUniform' });
  const norm = (name) => layers.batchNormalization({ name, momentum: 0.9, epsilon: 1e-5 });
  const relu = (name) => layers.activation({ name, activation: 'relu' });
  const apply = (x, ...stack) => stack.reduce((value, layer) => layer.apply(value), x);

  const block = (x, name, filters, stride) => {
    const body = apply(
      x,
      ...[conv(`${name}_conv1`, filters, 1, 1), norm(`${name}_norm1`), relu(`${name}_relu1`)],
      ...[conv(`${name}_conv2`, filters, 3, stride), norm(`${name}_norm2`), relu(`${name}_relu2`)],
      ...[conv(`${name}_conv3`, 4 * filters, 1, 1), norm(`${name}_norm3`)],
    );
    const changes = stride !== 1 || x.shape.at(-1) !== 4 * filters;
    const shortcut = changes ? apply(x, conv(`${name}_shortcut`, 4 * filters, 1, stride), norm(`${name}_shortcut_norm`)) : x;
    return relu(`${name}_relu3`).apply(layers.add({ name: `${name}_add` }).apply([body, shortcut]));
  };

  const image = tf.input({ shape: exampleShape, name: 'image' });
  const pool = layers.maxPooling2d({ name: 'pool', poolSize: 3, strides: 2, padding: 'same' });
  let x = apply(image, conv('conv', 64, 7, 2), norm('norm'), relu('relu'), pool);
  [3, 4, 6, 3].forEach((blocks, stage) => {
    for (let at = 0; at < blocks; at++)
      x = block(x, `stage${stage + 1}_block${at + 1}`, 64 * 2 ** stage, stage > 0 && at === 0 ? 2 : 1);
  });
  const logits = apply(x, layers.globalAveragePooling2d({ name: 'average' }), layers.dense({ name: 'dense', units: 1000 }));
  return tf.model({ name: 'resnet50', inputs: image, outputs: logits });
}
