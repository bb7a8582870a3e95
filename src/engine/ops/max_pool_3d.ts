/**
 * Owns: the gradient of a maximum over volumes where several values of a window are the largest: it is the last one's, as in plain tfjs. TensorFlow's kernel
 * gives all of them the whole of it, so that a window over a constant background of 2 × 2 × 2 counts eight times.
 */
import type * as tfjs from '@tensorflow/tfjs';
import { tf } from '../backend/tfjs.js';

interface PoolAttributes {
  readonly filterSize: number | [number, number, number];
  readonly strides: number | [number, number, number];
  readonly pad: 'valid' | 'same';
}

/**
 * Two of TensorFlow's maxima over areas, first over height and width, then over depth, whose gradient is the first one's; on values in reverse, whose first
 * is the last.
 */
export function maxPool3dGradient({ inputs, attrs }: Parameters<tfjs.KernelFunc>[0]): tfjs.Tensor {
  const { dy, input } = inputs as Record<string, tfjs.Tensor5D>;
  const { filterSize, strides, pad } = attrs as unknown as PoolAttributes;
  const info = tf.backend_util.computePool3DInfo(input.shape, filterSize, strides, 1, pad);
  const [batch, , , , channels] = input.shape;
  // tfjs's padding is below zero where strides are longer than windows; TensorFlow's, by which the maximum was computed, is not.
  const axes = [
    { kernel: info.filterDepth, stride: info.strideDepth, before: Math.max(0, info.padInfo.front), out: info.outDepth },
    { kernel: info.filterHeight, stride: info.strideHeight, before: Math.max(0, info.padInfo.top), out: info.outHeight },
    { kernel: info.filterWidth, stride: info.strideWidth, before: Math.max(0, info.padInfo.left), out: info.outWidth },
  ].map(({ kernel, stride, before, out }, axis) => {
    // What no window reaches is left away, so that windows begin at the other end too.
    const covered = (out - 1) * stride + kernel;
    const inside = Math.min(input.shape[axis + 1], covered - before);
    return { kernel, stride, out, covered, inside, before, after: covered - before - inside };
  });
  const [depth, height, width] = axes;
  const spatial = [1, 2, 3];
  const edges = (of: (axis: (typeof axes)[number]) => [number, number]): [number, number][] => [[0, 0], ...axes.map(of), [0, 0]];

  return tf.tidy(() => {
    const reached = tf.slice(input, [0, 0, 0, 0, 0], [batch, ...axes.map(({ inside }) => inside), channels]);
    const padded = tf.pad(
      reached,
      edges(({ before, after }) => [before, after]),
      -Infinity,
    );
    const areas = tf.reshape(tf.reverse(padded, spatial), [batch * depth.covered, height.covered, width.covered, channels]);
    const overAreas = { filterSize: [height.kernel, width.kernel], strides: [height.stride, width.stride], pad: 'valid' };
    const flat = pool(areas as tfjs.Tensor4D, overAreas);
    const columns = tf.reshape(flat, [batch, depth.covered, height.out * width.out, channels]) as tfjs.Tensor4D;
    const overColumns = { filterSize: [depth.kernel, 1], strides: [depth.stride, 1], pad: 'valid' };
    const largest = pool(columns, overColumns);

    const given = tf.reshape(tf.reverse(dy, spatial), largest.shape);
    const toColumns = tf.reshape(poolGradient(given, columns, largest, overColumns), flat.shape);
    const toAreas = tf.reshape(poolGradient(toColumns, areas, flat, overAreas), padded.shape);
    const whole = tf.slice(
      tf.reverse(toAreas, spatial),
      [0, ...axes.map(({ before }) => before), 0],
      [batch, ...axes.map(({ inside }) => inside), channels],
    );
    const rest = axes.map(({ inside }, axis): [number, number] => [0, input.shape[axis + 1] - inside]);
    return tf.pad(whole, [[0, 0], ...rest, [0, 0]]);
  });
}

type AreaAttributes = Record<string, number[] | string>;

function pool(x: tfjs.Tensor4D, attributes: AreaAttributes): tfjs.Tensor4D {
  return tf.engine().runKernel('MaxPool', { x } as unknown as tfjs.NamedTensorMap, attributes) as tfjs.Tensor4D;
}

function poolGradient(dy: tfjs.Tensor, input: tfjs.Tensor, output: tfjs.Tensor, attributes: AreaAttributes): tfjs.Tensor {
  return tf.engine().runKernel('MaxPoolGrad', { dy, input, output } as unknown as tfjs.NamedTensorMap, attributes) as tfjs.Tensor;
}
