/** Owns: what a convolution and its gradients are, in float64. Does not: say how far from it a kernel may be. */
import * as tf from '@tensorflow/tfjs';

export type Shape = [number, number, number, number];
export interface Convolution {
  readonly x: Shape;
  readonly filter: Shape;
  readonly strides: [number, number];
  readonly pad: 'same' | 'valid';
}

/** Of the maps. */
export function outputShape({ x, filter, strides, pad }: Convolution): number[] {
  return tf.tidy(() => tf.conv2d(tf.zeros<tf.Rank.R4>(x), tf.zeros<tf.Rank.R4>(filter), strides, pad).shape);
}

/** By float64, and the sum of absolute values behind each number. */
export function convolved({ x, filter, strides, pad }: Convolution, [xs, ws, dys]: Float32Array[], y: readonly number[]) {
  const [width, channels, filters] = [filter[1], filter[2], filter[3]];
  const before = [0, 1].map((axis) => {
    const beyond = Math.max((y[axis + 1] - 1) * strides[axis] + filter[axis] - x[axis + 1], 0);
    return pad === 'same' ? Math.floor(beyond / 2) : 0;
  });
  const make = (size: number) => ({
    sum: new Float64Array(size),
    absolute: new Float64Array(size),
    terms: new Float64Array(size),
  });
  const made = { y: make(dys.length), dx: make(xs.length), dw: make(ws.length) };
  const add = (into: ReturnType<typeof make>, at: number, term: number): void => {
    into.sum[at] += term;
    into.absolute[at] += Math.abs(term);
    into.terms[at] += 1;
  };
  for (let place = 0; place < y[0] * y[1] * y[2]; place++) {
    const [example, row, column] = [Math.floor(place / (y[1] * y[2])), Math.floor(place / y[2]) % y[1], place % y[2]];
    for (let pixel = 0; pixel < filter[0] * width; pixel++) {
      const h = row * strides[0] + Math.floor(pixel / width) - before[0];
      const w = column * strides[1] + (pixel % width) - before[1];
      if (h < 0 || w < 0 || h >= x[1] || w >= x[2]) continue;
      const from = ((example * x[1] + h) * x[2] + w) * channels;
      for (let c = 0; c < channels; c++)
        for (let f = 0; f < filters; f++) {
          const [weight, to] = [(pixel * channels + c) * filters + f, place * filters + f];
          add(made.y, to, xs[from + c] * ws[weight]);
          add(made.dx, from + c, dys[to] * ws[weight]);
          add(made.dw, weight, xs[from + c] * dys[to]);
        }
    }
  }
  return made;
}

/** Of pictures, a filter and the gradient of what both make: that, and the gradients of both. */
export const convolveAndDerive =
  ({ strides, pad }: Convolution) =>
  (x: tf.Tensor, w: tf.Tensor, dy: tf.Tensor): tf.Tensor[] => {
    const convolve = (image: tf.Tensor, filter: tf.Tensor): tf.Tensor =>
      tf.conv2d(image as tf.Tensor4D, filter as tf.Tensor4D, strides, pad);
    return [convolve(x, w), ...tf.grads(convolve)([x, w], dy)];
  };
