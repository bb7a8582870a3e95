/**
 * Owns: moving, turning and scaling pictures by one TensorFlow op, each picture by a transformation of its own. Not differentiable.
 */
import type * as tfjs from '@tensorflow/tfjs';
import { tf } from '../backend/tfjs.js';
import { TF_FLOAT, TF_INT32 } from '../capi/data_types.js';
import { stringAttr, typeAttr, withRawOps } from '../backend/raw_ops.js';

export interface TransformOptions {
  readonly interpolation: 'nearest' | 'bilinear';
  /** Beyond the edge: 0, the nearest pixel, or the picture mirrored at its edge (`d c b a | a b c d | d c b a`). */
  readonly fill: 'zero' | 'edge' | 'reflect';
}

const MODES = { zero: 'CONSTANT', edge: 'NEAREST', reflect: 'REFLECT' } as const;

/**
 * `images`: float32 [n, h, w, c]. `transforms`: float32 [n, 6], rows a b c d e f: the pixel at column x and row y of the result is that of the image at
 * column a·x + b·y + c and row d·x + e·y + f. Source: tensorflow/core/kernels/image/image_ops.h, ImageProjectiveTransformV3.
 */
export function transformImages(
  images: tfjs.Tensor4D,
  transforms: tfjs.Tensor2D,
  { interpolation, fill }: TransformOptions,
): tfjs.Tensor4D {
  const [examples, height, width] = images.shape;
  const projective = tf.concat([transforms, tf.zeros([examples, 2])], 1);
  const moved = withRawOps((ops) =>
    ops.keep(
      ops.one(
        'ImageProjectiveTransformV3',
        [
          ...[images, projective],
          ops.constant(Int32Array.of(height, width), [2], TF_INT32),
          ops.constant(Float32Array.of(0), [], TF_FLOAT),
        ],
        [
          typeAttr('dtype', TF_FLOAT),
          stringAttr('interpolation', interpolation.toUpperCase()),
          stringAttr('fill_mode', MODES[fill]),
        ],
      ),
    ),
  );
  projective.dispose();
  return moved as tfjs.Tensor4D;
}
