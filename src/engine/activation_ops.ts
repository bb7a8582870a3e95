/**
 * Owns: one TensorFlow op each for the gradients of activations and for adding a bias, in place of tfjs's chains of element-wise ops.
 * Does not: change what is computed: results agree with tfjs's to rounding.
 */
import * as tf from '@tensorflow/tfjs';
import { TF_FLOAT, TF_INT32 } from './data_types.js';
import { BACKEND_NAME } from './kernel_backend.js';
import { floatAttr, stringAttr, typeAttr, withRawOps } from './raw_ops.js';

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

/** Gradients that need the input `x`: op(dy, x). */
const INPUT_GRADIENTS = [
  { kernelName: 'Softplus', op: 'SoftplusGrad', inputName: 'x' },
  { kernelName: 'LeakyRelu', op: 'LeakyReluGrad', inputName: 'x' },
] as const;

/** Registers the gradients and the bias kernel with tfjs, for every model in this thread. */
export function installActivationOps(): void {
  for (const { kernelName, op, gradientFirst } of OUTPUT_GRADIENTS) {
    replaceGradient(kernelName, {
      outputsToSave: [true],
      gradFunc: (dy, [y]) => ({ x: () => gradientOp(op, gradientFirst ? [dy as tf.Tensor, y] : [y, dy as tf.Tensor]) }),
    });
  }
  for (const { kernelName, op, inputName } of INPUT_GRADIENTS) {
    replaceGradient(kernelName, {
      inputsToSave: [inputName],
      gradFunc: (dy, [x], attributes) => ({
        x: () =>
          gradientOp(
            op,
            [dy as tf.Tensor, x],
            kernelName === 'LeakyRelu' ? [floatAttr('alpha', attributes.alpha as number)] : [],
          ),
      }),
    });
  }
  installBiasAdd();
}

type Gradient = Omit<tf.GradConfig, 'kernelName'>;

/** Under tfjs's other backends its own gradient stays in force. */
function replaceGradient(kernelName: string, gradient: Gradient): void {
  const plain = tf.getGradient(kernelName);
  const pick = (): Gradient => (tf.getBackend() === BACKEND_NAME ? gradient : plain);
  tf.registerGradient({
    kernelName,
    get inputsToSave() {
      return pick().inputsToSave;
    },
    get outputsToSave() {
      return pick().outputsToSave;
    },
    gradFunc: (dy, saved, attributes) => pick().gradFunc(dy, saved, attributes),
  });
}

/** These ops want tensors of one shape; tfjs's dy always has it. */
function gradientOp(op: string, inputs: tf.Tensor[], attributes = [] as ReturnType<typeof floatAttr>[]): tf.Tensor {
  return withRawOps((ops) => ops.keep(ops.one(op, inputs, [FLOAT, ...attributes])));
}

/**
 * tfjs adds a bias as a broadcast addition. TensorFlow's graph optimiser joins a convolution or product with what follows only if that is a
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
      const { a, b } = args.inputs as Record<string, tf.TensorInfo>;
      return isBias(a, b) ? biasAdd(a, b) : plainKernel.kernelFunc(args);
    },
  });
  replaceGradient('Add', {
    inputsToSave: ['a', 'b'],
    gradFunc: (dy, saved, attributes) => {
      const [a, b] = saved;
      if (!isBias(a, b)) return plainGradient(dy, saved, attributes);
      return { a: () => tf.clone(dy as tf.Tensor), b: () => biasAddGradient(dy as tf.Tensor, b.shape) };
    },
  });
}

/** True if `b` is a vector along the last axis of the larger, float32 `a`: a bias. */
function isBias(a: tf.TensorInfo, b: tf.TensorInfo): boolean {
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

function biasAdd(a: tf.TensorInfo, b: tf.TensorInfo): tf.Tensor {
  return withRawOps((ops) => {
    const channels = a.shape[a.shape.length - 1];
    const vector =
      b.shape.length === 1 ? b : ops.one('Reshape', [b, ops.constant(Int32Array.of(channels), [1], TF_INT32)], RESHAPE);
    return ops.keep(ops.one('BiasAdd', [a, vector], [FLOAT, stringAttr('data_format', 'NHWC')]));
  });
}

const RESHAPE = [FLOAT, typeAttr('Tshape', TF_INT32)];

function biasAddGradient(dy: tf.Tensor, shape: number[]): tf.Tensor {
  const vector = withRawOps((ops) => ops.keep(ops.one('BiasAddGrad', [dy], [FLOAT, stringAttr('data_format', 'NHWC')])));
  return shape.length === 1 ? vector : tf.reshape(vector, shape);
}
