/**
 * Owns: what each augmentation of pictures does, as graph operations on float32 [n, h, w, c]; each picture by numbers of its own.
 * Does not: draw (augment.ts gives the numbers), or know which input.
 */
import type * as tfjs from '@tensorflow/tfjs';
import type { Augmentation, AugmentationName } from '../../common/augmentation.js';
import { transformImages, type TransformOptions } from '../../engine/index.js';

interface PictureParts extends Pick<Augmentation, 'amount' | 'direction' | 'fill'> {
  readonly tf: typeof tfjs;
  /** float32 [n, count], uniform in [0, 1): once in an operation. */
  uniforms(count: number): tfjs.Tensor2D;
  /** What a full pixel is; null where nobody knows. */
  readonly full: number | null;
}

export type PictureOp = (images: tfjs.Tensor4D, parts: PictureParts) => tfjs.Tensor4D;

export const PICTURE_OPS: Readonly<Partial<Record<AugmentationName, PictureOp>>> = {
  flip: (images, { tf, direction, uniforms }) => {
    const axes = { horizontal: [2], vertical: [1], both: [2, 1] }[direction];
    const draws = uniforms(axes.length);
    return axes.reduce((picture, axis, at) => {
      const isFlipped = tf.reshape(tf.less(column(tf, draws, at), 0.5), [-1, 1, 1, 1]);
      return tf.where(isFlipped, tf.reverse(picture, axis), picture);
    }, images);
  },

  /** As a crop of the same size, at a random place of the picture padded by so many pixels. */
  shift: (images, { tf, amount, fill, uniforms }) => {
    const steps: tfjs.Tensor2D = tf.floor(tf.mul(uniforms(2), 2 * amount + 1));
    const [dx, dy] = [0, 1].map((at) => tf.sub(column(tf, steps, at), amount));
    const [zero, one] = [tf.zerosLike(dx), tf.onesLike(dx)];
    return move(tf, images, [one, zero, dx, zero, one, dy], { interpolation: 'nearest', fill });
  },

  /** About the middle of the picture. */
  rotate: (images, { tf, amount, fill, uniforms }) => {
    const angle = tf.mul(centered(tf, uniforms(1)), (amount * Math.PI) / 180);
    const [cosine, sine] = [tf.cos(angle), tf.sin(angle)];
    return aboutMiddle(tf, images, [cosine, tf.neg(sine), sine, cosine], fill);
  },

  /** By a factor from 1 − amount to 1 + amount, about the middle. */
  zoom: (images, { tf, amount, fill, uniforms }) => {
    const inverse = tf.div(1, tf.add(1, tf.mul(centered(tf, uniforms(1)), amount)));
    const zero = tf.zerosLike(inverse);
    return aboutMiddle(tf, images, [inverse, zero, zero, inverse], fill);
  },

  /** Adds up to so much of a full pixel, or takes it away. */
  brightness: (images, { tf, amount, uniforms, full }) => {
    const added = tf.mul(centered(tf, uniforms(1)), amount * (full ?? 1));
    return within(tf, tf.add(images, tf.reshape(added, [-1, 1, 1, 1])), full);
  },

  /** Distances from each channel's mean, times a factor from 1 − amount to 1 + amount. */
  contrast: (images, { tf, amount, uniforms, full }) => {
    const factor = tf.reshape(tf.add(1, tf.mul(centered(tf, uniforms(1)), amount)), [-1, 1, 1, 1]);
    const mean = tf.mean(images, [1, 2], true);
    return within(tf, tf.add(tf.mul(tf.sub(images, mean), factor), mean), full);
  },

  /** A square of 0 around a random pixel, cut off at the edges. Source: DeVries, Taylor, arXiv:1708.04552. */
  cutout: (images, { tf, amount, uniforms }) => {
    const [, height, width] = images.shape;
    const draws = uniforms(2);
    const inside = (extent: number, at: number, shape: number[]): tfjs.Tensor => {
      const center = tf.floor(tf.mul(column(tf, draws, at), extent));
      const begin = tf.reshape(tf.sub(center, Math.floor(amount / 2)), [-1, 1, 1, 1]);
      const places = tf.reshape(tf.range(0, extent, 1, 'float32'), shape);
      return tf.logicalAnd(tf.greaterEqual(places, begin), tf.less(places, tf.add(begin, amount)));
    };
    const cut = tf.logicalAnd(inside(height, 0, [1, height, 1, 1]), inside(width, 1, [1, 1, width, 1]));
    return tf.where(cut, tf.zerosLike(images), images);
  },
};

/** [n, 1] of [n, count]. */
function column(tf: typeof tfjs, values: tfjs.Tensor2D, at: number): tfjs.Tensor2D {
  return tf.slice(values, [0, at], [values.shape[0], 1]);
}

/** In [−1, 1). */
function centered(tf: typeof tfjs, uniforms: tfjs.Tensor2D): tfjs.Tensor2D {
  return tf.sub(tf.mul(uniforms, 2), 1);
}

function within(tf: typeof tfjs, images: tfjs.Tensor4D, full: number | null): tfjs.Tensor4D {
  return full === null ? images : tf.clipByValue(images, 0, full);
}

/** The matrix a b, d e is applied to what a place is away from the middle. */
function aboutMiddle(
  tf: typeof tfjs,
  images: tfjs.Tensor4D,
  [a, b, d, e]: readonly tfjs.Tensor[],
  fill: TransformOptions['fill'],
): tfjs.Tensor4D {
  const [, height, width] = images.shape;
  const [x, y] = [(width - 1) / 2, (height - 1) / 2];
  const c = tf.sub(x, tf.add(tf.mul(a, x), tf.mul(b, y)));
  const f = tf.sub(y, tf.add(tf.mul(d, x), tf.mul(e, y)));
  return move(tf, images, [a, b, c, d, e, f], { interpolation: 'bilinear', fill });
}

function move(tf: typeof tfjs, images: tfjs.Tensor4D, rows: readonly tfjs.Tensor[], options: TransformOptions): tfjs.Tensor4D {
  return transformImages(images, tf.concat(rows as tfjs.Tensor2D[], 1), options);
}
