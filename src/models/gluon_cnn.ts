/**
 * Owns: the reference network of docs/results/mnist_bf16.md, an MNIST CNN first published for MXNet Gluon.
 * Does not: train it.
 *
 * 1,085,898 values, 1,085,002 of them trained. The output is tanh of the logits, so the loss cannot fall below about 0.80.
 */
import type * as tfjs from '@tensorflow/tfjs';

/**
 * Gluon's `Xavier(magnitude=2.24)`, uniform on the fan average: U(−a, a), a = sqrt(2.24 / ((fan_in + fan_out) / 2)).
 * tfjs draws U(−b, b) with b = sqrt(3 · scale / fan average), so scale is 2.24 / 3. Source: mxnet/initializer.py, class Xavier.
 */
const XAVIER_SCALE = 2.24 / 3;

/** Builds the network for images `[28, 28, 1]` and 10 classes. `width` scales the channels: 1 is the report's network, 1/8 a test's. */
export function createGluonCnn(
  tf: typeof tfjs,
  { width = 1, dropout = true }: { width?: number; dropout?: boolean } = {},
): tfjs.LayersModel {
  const xavier = (): ReturnType<typeof tf.initializers.varianceScaling> =>
    tf.initializers.varianceScaling({ scale: XAVIER_SCALE, mode: 'fanAvg', distribution: 'uniform' });
  const scaled = (channels: number): number => Math.max(1, Math.round(channels * width));
  const model = tf.sequential({ name: 'gluon_cnn' });
  const conv = (name: string, channels: number, inputShape?: [number, number, number]): void =>
    model.add(
      tf.layers.conv2d({
        name,
        inputShape,
        filters: scaled(channels),
        kernelSize: 3,
        activation: 'tanh',
        kernelInitializer: xavier(),
      }),
    );
  const drop = (name: string, rate: number): void => {
    if (dropout) model.add(tf.layers.dropout({ name, rate }));
  };
  // Gluon's batch norm: decay 0.9, epsilon 1e-5 (mxnet/gluon/nn/basic_layers.py, class BatchNorm).
  const norm = (name: string): void => model.add(tf.layers.batchNormalization({ name, momentum: 0.9, epsilon: 1e-5 }));
  const pool = (name: string): void => model.add(tf.layers.maxPooling2d({ name, poolSize: 2, strides: 2 }));

  conv('conv1', 64, [28, 28, 1]);
  conv('conv2', 64);
  drop('dropout1', 0.2);
  norm('norm1');
  pool('pool1');
  conv('conv3', 128);
  conv('conv4', 128);
  drop('dropout2', 0.25);
  norm('norm2');
  pool('pool2');
  conv('conv5', 256);
  drop('dropout3', 0.25);
  norm('norm3');
  model.add(tf.layers.flatten({ name: 'flatten' }));
  model.add(tf.layers.dense({ name: 'dense1', units: scaled(512), activation: 'tanh', kernelInitializer: xavier() }));
  model.add(tf.layers.dense({ name: 'dense2', units: 10, activation: 'tanh', kernelInitializer: xavier() }));
  return model;
}
