/**
 * Owns: one TensorFlow op each for the gradients of activations, in place of tfjs's chains of element-wise ops.
 * Does not: change what is computed: results agree with tfjs's to rounding.
 */
import type * as tfjs from '@tensorflow/tfjs';
import { tf } from '../backend/tfjs.js';
import { TF_FLOAT } from '../capi/data_types.js';
import { kernelBackend } from '../backend/kernel_backend.js';
import { floatAttr, typeAttr, withRawOps } from '../backend/raw_ops.js';
import { replaceGradient, type Gradient } from '../backend/replace_gradient.js';

const FLOAT = typeAttr('T', TF_FLOAT);

/** Gradients that need the activation's output `y` alone: op(y, dy), or op(dy, y) where TensorFlow wants it so. */
const OUTPUT_GRADIENTS = [
  { kernelName: 'Tanh', op: 'TanhGrad', gradientFirst: false },
  { kernelName: 'Sigmoid', op: 'SigmoidGrad', gradientFirst: false },
  { kernelName: 'Sqrt', op: 'SqrtGrad', gradientFirst: false },
  { kernelName: 'Rsqrt', op: 'RsqrtGrad', gradientFirst: false },
  { kernelName: 'Relu', op: 'ReluGrad', gradientFirst: true },
  { kernelName: 'Relu6', op: 'Relu6Grad', gradientFirst: true },
  { kernelName: 'Elu', op: 'EluGrad', gradientFirst: true },
  { kernelName: 'Selu', op: 'SeluGrad', gradientFirst: true },
] as const;

const { SELU_SCALE, SELU_SCALEALPHA } = tf.backend_util;

/**
 * The same derivatives of tfjs's own ops, for gradients of gradients: the ops above are not seen by tfjs's tape. Of the input, because tfjs
 * does not connect an output that it saved: its own second derivatives of tanh, sigmoid and exp are wrong, on every backend.
 */
const DERIVATIVES: Readonly<Record<string, (x: tfjs.Tensor, attributes: tfjs.NamedAttrMap) => tfjs.Tensor>> = {
  Tanh: (x) => tf.sub(1, tf.square(tf.tanh(x))),
  Sigmoid: (x) => tf.mul(tf.sigmoid(x), tf.sigmoid(tf.neg(x))),
  Sqrt: (x) => tf.mul(0.5, tf.rsqrt(x)),
  Rsqrt: (x) => tf.div(tf.mul(-0.5, tf.rsqrt(x)), x),
  Relu: (x) => tf.step(x),
  Relu6: (x) => tf.mul(tf.step(x), tf.step(tf.sub(6, x))),
  Elu: (x) => tf.add(1, tf.elu(negativePart(x))),
  Selu: (x) => tf.add(tf.selu(negativePart(x)), tf.add(SELU_SCALEALPHA, tf.mul(tf.step(x), SELU_SCALE - SELU_SCALEALPHA))),
  Softplus: (x) => tf.sigmoid(x),
  LeakyRelu: (x, { alpha }) => tf.add(alpha as number, tf.mul(tf.step(x), 1 - (alpha as number))),
  Exp: (x) => tf.exp(x),
};

function negativePart(x: tfjs.Tensor): tfjs.Tensor {
  return tf.neg(tf.relu(tf.neg(x)));
}

/** Registers the gradients with tfjs, for every model in this thread. */
export function installActivationOps(): void {
  for (const { kernelName, op, gradientFirst } of OUTPUT_GRADIENTS) {
    replaceGradient(
      kernelName,
      {
        outputsToSave: [true],
        gradFunc: (dy, [y]) => ({
          x: () =>
            op === 'SeluGrad' && kernelBackend().binding.recorder?.forXla === true
              ? seluGradient(dy as tfjs.Tensor, y)
              : gradientOp(op, gradientFirst ? [dy as tfjs.Tensor, y] : [y, dy as tfjs.Tensor]),
        }),
      },
      composedGradient(kernelName),
    );
  }
  replaceGradient(
    'Softplus',
    { inputsToSave: ['x'], gradFunc: (dy, [x]) => ({ x: () => gradientOp('SoftplusGrad', [dy as tfjs.Tensor, x]) }) },
    composedGradient('Softplus'),
  );
  replaceGradient(
    'LeakyRelu',
    {
      inputsToSave: ['x'],
      outputsToSave: [true],
      // The op asks for a sign alone, which x and y share unless alpha is negative; of y, x need not be kept.
      gradFunc: (dy, [x, y], { alpha }) => ({
        x: () =>
          gradientOp('LeakyReluGrad', [dy as tfjs.Tensor, (alpha as number) < 0 ? x : y], [floatAttr('alpha', alpha as number)]),
      }),
    },
    composedGradient('LeakyRelu'),
  );
  replaceGradient('Exp', undefined, composedGradient('Exp'));
  replaceGradient('Softmax', undefined, {
    inputsToSave: ['logits'],
    gradFunc: (dy, [x], { dim }) => ({
      logits: () => {
        const y = tf.softmax(x, dim as number);
        const weighed = tf.mul(dy as tfjs.Tensor, y);
        return tf.sub(weighed, tf.mul(tf.sum(weighed, dim as number, true), y));
      },
    }),
  });
  replaceGradient('LogSoftmax', undefined, {
    inputsToSave: ['logits'],
    gradFunc: (dy, [x], { axis }) => ({
      logits: () =>
        tf.sub(dy as tfjs.Tensor, tf.mul(tf.sum(dy as tfjs.Tensor, axis as number, true), tf.softmax(x, axis as number))),
    }),
  });
}

function composedGradient(kernelName: string): Gradient {
  return {
    inputsToSave: ['x'],
    gradFunc: (dy, [x], attributes) => ({ x: () => tf.mul(dy as tfjs.Tensor, DERIVATIVES[kernelName](x, attributes)) }),
  };
}

/** As TensorFlow's kernel has it; by XLA the op is another at 0 (findings/tensorflow_xla_selu_gradient.sh). */
function seluGradient(dy: tfjs.Tensor, y: tfjs.Tensor): tfjs.Tensor {
  return tf.where(tf.less(y, 0), tf.mul(dy, tf.add(y, SELU_SCALEALPHA)), tf.mul(dy, SELU_SCALE));
}

/** These ops want tensors of one shape, which tfjs's dy always has, and of one type, though tfjs has a relu of integers too. */
function gradientOp(op: string, inputs: tfjs.Tensor[], attributes = [] as ReturnType<typeof floatAttr>[]): tfjs.Tensor {
  const floats = inputs.map((input) => (input.dtype === 'float32' ? input : tf.cast(input, 'float32')));
  return withRawOps((ops) => ops.keep(ops.one(op, floats, [FLOAT, ...attributes])));
}
