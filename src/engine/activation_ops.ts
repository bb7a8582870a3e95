/**
 * Owns: one TensorFlow op each for the gradients of activations and for adding a bias, in place of tfjs's chains of element-wise ops.
 * Does not: change what is computed: results agree with tfjs's to rounding.
 */
import type * as tfjs from '@tensorflow/tfjs';
import { tf } from './tfjs.js';
import { TF_FLOAT, TF_INT32 } from './data_types.js';
import { BACKEND_NAME } from './kernel_backend.js';
import { floatAttr, stringAttr, typeAttr, withRawOps } from './raw_ops.js';
import { tfjsEngine } from './tfjs_watch.js';

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

/** Registers the gradients and the bias kernel with tfjs, for every model in this thread. */
export function installActivationOps(): void {
  for (const { kernelName, op, gradientFirst } of OUTPUT_GRADIENTS) {
    replaceGradient(
      kernelName,
      {
        outputsToSave: [true],
        gradFunc: (dy, [y]) => ({ x: () => gradientOp(op, gradientFirst ? [dy as tfjs.Tensor, y] : [y, dy as tfjs.Tensor]) }),
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
  installBiasAdd();
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

/** True inside tf.grad of tf.grad: the gradients of what runs now will be differentiated themselves. */
export function isDifferentiatedTwice(): boolean {
  return tfjsEngine().state.gradientDepth > 1;
}

type Gradient = Omit<tfjs.GradConfig, 'kernelName'>;

/** tfjs's own gradient stays in force under its other backends, and where none is given. `composed`: for gradients of gradients. */
function replaceGradient(kernelName: string, gradient?: Gradient, composed?: Gradient): void {
  const plain = tf.getGradient(kernelName);
  const pick = (): Gradient => {
    if (tf.getBackend() !== BACKEND_NAME) return plain;
    return (isDifferentiatedTwice() ? composed : gradient) ?? plain;
  };
  // tfjs asks for all three when the op runs, so that what is saved and what uses it later belong together.
  tf.registerGradient({
    kernelName,
    get inputsToSave() {
      return pick().inputsToSave;
    },
    get outputsToSave() {
      return pick().outputsToSave;
    },
    get gradFunc() {
      return pick().gradFunc;
    },
  });
}

/** These ops want tensors of one shape, which tfjs's dy always has, and of one type, though tfjs has a relu of integers too. */
function gradientOp(op: string, inputs: tfjs.Tensor[], attributes = [] as ReturnType<typeof floatAttr>[]): tfjs.Tensor {
  const floats = inputs.map((input) => (input.dtype === 'float32' ? input : tf.cast(input, 'float32')));
  return withRawOps((ops) => ops.keep(ops.one(op, floats, [FLOAT, ...attributes])));
}

/**
 * tfjs adds a bias as a broadcast addition. TensorFlow's graph optimizer joins a convolution or product with what follows only if that is a
 * BiasAdd, and its gradient is one op instead of a reduction and a reshape.
 */
function installBiasAdd(): void {
  const plainKernel = tf.getKernel('Add', BACKEND_NAME);
  const plainGradient = tf.getGradient('Add').gradFunc;
  tf.unregisterKernel('Add', BACKEND_NAME);
  tf.registerKernel({
    kernelName: 'Add',
    backendName: BACKEND_NAME,
    kernelFunc: (args) => {
      const { a, b } = args.inputs as Record<string, tfjs.TensorInfo>;
      return isBias(a, b) ? biasAdd(a, b) : plainKernel.kernelFunc(args);
    },
  });
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
    const vector =
      b.shape.length === 1 ? b : ops.one('Reshape', [b, ops.constant(Int32Array.of(channels), [1], TF_INT32)], RESHAPE);
    return ops.keep(ops.one('BiasAdd', [a, vector], [FLOAT, stringAttr('data_format', 'NHWC')]));
  });
}

const RESHAPE = [FLOAT, typeAttr('Tshape', TF_INT32)];

function biasAddGradient(dy: tfjs.Tensor, shape: number[]): tfjs.Tensor {
  const vector = withRawOps((ops) => ops.keep(ops.one('BiasAddGrad', [dy], [FLOAT, stringAttr('data_format', 'NHWC')])));
  return shape.length === 1 ? vector : tf.reshape(vector, shape);
}
