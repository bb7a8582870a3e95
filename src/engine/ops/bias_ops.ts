/**
 * Owns: a bias as TensorFlow knows it: added by one op, and its gradient, a sum over all axes but the last, taken by one.
 * Does not: change what is computed: results agree with tfjs's to rounding.
 */
import type * as tfjs from '@tensorflow/tfjs';
import { tf } from '../backend/tfjs.js';
import { TF_FLOAT } from '../capi/data_types.js';
import { reshape, stringAttr, typeAttr, withRawOps } from '../backend/raw_ops.js';
import { replaceGradient } from '../backend/replace_gradient.js';
import { replaceKernel } from '../backend/replace_kernel.js';

const NHWC = [typeAttr('T', TF_FLOAT), stringAttr('data_format', 'NHWC')];
/** Columns from which on TensorFlow's sum for biases is faster than its general one, by two to four times (docs/benchmarks.md). */
const MANY_COLUMNS = 8;
/** BiasAddGrad takes no more elements (tensorflow/core/kernels/bias_op.cc). */
const MOST_ELEMENTS = 2 ** 31 - 1;

export function installBiasOps(): void {
  installBiasAdd();
  installSumOfRows();
}

/**
 * tfjs adds a bias as a broadcast addition. TensorFlow's graph optimizer joins a convolution or product with what follows only if that is a
 * BiasAdd, and its gradient is one op instead of a reduction and a reshape.
 */
function installBiasAdd(): void {
  replaceKernel('Add', (plain) => (args) => {
    const { a, b } = args.inputs as Record<string, tfjs.TensorInfo>;
    return isBias(a, b) ? biasAdd(a, b) : plain(args);
  });
  const plainGradient = tf.getGradient('Add').gradFunc;
  replaceGradient('Add', {
    inputsToSave: ['a', 'b'],
    gradFunc: (dy, saved, attributes) => {
      const [a, b] = saved;
      if (!isBias(a, b)) return plainGradient(dy, saved, attributes);
      return { a: () => tf.clone(dy as tfjs.Tensor), b: () => biasAddGradient(dy as tfjs.Tensor, b.shape) };
    },
  });
}

/** True if `b` is a vector along the last axis of the larger, float32 `a`: a bias. */
function isBias(a: tfjs.TensorInfo, b: tfjs.TensorInfo): boolean {
  if (
    a.dtype !== 'float32' ||
    b.dtype !== 'float32' ||
    tf.util.sizeFromShape(a.shape) > MOST_ELEMENTS ||
    a.shape.length < 2 ||
    b.shape.length > a.shape.length ||
    b.shape.length === 0
  )
    return false;
  const channels = a.shape[a.shape.length - 1];
  const leading = b.shape.slice(0, -1);
  return (
    channels > 0 &&
    b.shape[b.shape.length - 1] === channels &&
    leading.every((extent) => extent === 1) &&
    a.shape.slice(0, -1).some((extent) => extent > 1)
  );
}

function biasAdd(a: tfjs.TensorInfo, b: tfjs.TensorInfo): tfjs.Tensor {
  return withRawOps((ops) => {
    const channels = a.shape[a.shape.length - 1];
    const vector = b.shape.length === 1 ? b : reshape(ops, b, TF_FLOAT, [channels]);
    return ops.keep(ops.one('BiasAdd', [a, vector], NHWC));
  });
}

function biasAddGradient(dy: tfjs.Tensor, shape: number[]): tfjs.Tensor {
  const vector = sumOfRows(dy);
  return shape.length === 1 ? vector : tf.reshape(vector, shape);
}

/** A sum over all axes but the last, which tfjs makes of the gradient of a bias that it fused with a convolution or product. */
function installSumOfRows(): void {
  replaceKernel('Sum', (plain) => (args) => {
    const x = args.inputs.x as tfjs.TensorInfo;
    const { axis, keepDims } = args.attrs as unknown as { axis: number | number[]; keepDims?: boolean };
    return keepDims !== true && isOverRows(x, axis) ? sumOfRows(x) : plain(args);
  });
}

function isOverRows(x: tfjs.TensorInfo, axis: number | number[]): boolean {
  const last = x.shape.length - 1;
  if (x.dtype !== 'float32' || last < 1 || x.shape[last] < MANY_COLUMNS) return false;
  const size = tf.util.sizeFromShape(x.shape);
  if (size === 0 || size > MOST_ELEMENTS) return false;
  const axes = new Set(tf.util.parseAxisParam(axis, x.shape));
  return axes.size === last && !axes.has(last);
}

function sumOfRows(x: tfjs.TensorInfo): tfjs.Tensor {
  return withRawOps((ops) => ops.keep(ops.one('BiasAddGrad', [x], NHWC)));
}
