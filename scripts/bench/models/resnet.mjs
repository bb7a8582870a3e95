/**
 * Owns: the benchmark ResNet for 32×32×3: 176,378 values, 175,258 of them trained. The twin of `resnet` in scripts/peers, whose
 * README.md defines it: three stages of 16, 32, 64 channels, two basic blocks each, 1×1 stride-2 shortcuts with batch norm.
 * Does not: train it.
 */
export const exampleShape = [32, 32, 3];

/** @param {typeof import('@tensorflow/tfjs')} tf */
export function createModel(tf) {
  const { layers } = tf;
  const conv = (name, filters, kernelSize, strides) =>
    layers.conv2d({ name, filters, kernelSize, strides, padding: 'same', useBias: false, kernelInitializer: 'heNormal' });
  const norm = (name) => layers.batchNormalization({ name, momentum: 0.9, epsilon: 1e-5 });
  const relu = (name) => layers.activation({ name, activation: 'relu' });
  const apply = (x, ...stack) => stack.reduce((value, layer) => layer.apply(value), x);

  const block = (x, name, filters, stride) => {
    const body = apply(
      x,
      conv(`${name}_conv1`, filters, 3, stride),
      norm(`${name}_norm1`),
      relu(`${name}_relu1`),
      conv(`${name}_conv2`, filters, 3, 1),
      norm(`${name}_norm2`),
    );
    const changes = stride !== 1 || x.shape.at(-1) !== filters;
    const shortcut = changes ? apply(x, conv(`${name}_shortcut`, filters, 1, stride), norm(`${name}_shortcut_norm`)) : x;
    return relu(`${name}_relu2`).apply(layers.add({ name: `${name}_add` }).apply([body, shortcut]));
  };

  const image = tf.input({ shape: exampleShape, name: 'image' });
  let x = apply(image, conv('conv', 16, 3, 1), norm('norm'), relu('relu'));
  [16, 32, 64].forEach((filters, stage) => {
    x = block(x, `stage${stage + 1}_block1`, filters, stage === 0 ? 1 : 2);
    x = block(x, `stage${stage + 1}_block2`, filters, 1);
  });
  const logits = apply(x, layers.globalAveragePooling2d({ name: 'average' }), layers.dense({ name: 'dense', units: 10 }));
  return tf.model({ name: 'resnet', inputs: image, outputs: logits });
}
