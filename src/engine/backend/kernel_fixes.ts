/**
 * Owns: tfjs-node kernels that must differ because TensorFlow 2.21 differs from the one they were written for, or from tfjs. Does not: add kernels.
 */
import type * as tfjs from '@tensorflow/tfjs';
import { tf } from './tfjs.js';
import { BACKEND_NAME, kernelBackend } from './kernel_backend.js';
import { maxPool3dGradient } from '../ops/max_pool_3d.js';
import { replaceKernel } from './replace_kernel.js';

/** Call once, after tfjs-node's kernels are registered. */
export function fixKernels(): void {
  const kernel = (name: string): tfjs.KernelFunc => tf.getKernel(name, BACKEND_NAME).kernelFunc;

  // Round of integers gives zeros since TensorFlow 2.17 (tensorflow/tensorflow#74789); they are whole already, which is also how Python's
  // tf.round gets around it.
  const identity = kernel('Identity');
  replaceKernel(
    'Round',
    (plain) => (call) => ((call.inputs.x as tfjs.TensorInfo).dtype === 'int32' ? identity(call) : plain(call)),
  );

  replaceKernel('MaxPool3DGrad', () => maxPool3dGradient);

  replaceKernel(
    'ResizeNearestNeighborGrad',
    (plain) => (call) => (kernelBackend().binding.isUsingGpuDevice() && isWholeFactor(call) ? sumOfBlocks(call) : plain(call)),
  );

  const parts = {
    depthwise: kernel('DepthwiseConv2dNative'),
    toBatch: kernel('SpaceToBatchND'),
    toSpace: kernel('BatchToSpaceND'),
  };
  replaceKernel('DepthwiseConv2dNative', (plain) => (call) => (isDilated(call) ? dilatedDepthwise(call, parts) : plain(call)));
  replaceKernel(
    'FusedDepthwiseConv2D',
    (plain) => (call) => (isDilated(call) ? dilatedFusedDepthwise(call, parts) : plain(call)),
  );
}

type KernelCall = Parameters<tfjs.KernelFunc>[0];

/** Pixels of an enlargement by whole numbers, as UpSampling2D makes it. */
function isWholeFactor({ inputs, attrs }: KernelCall): boolean {
  const [to, from] = [(inputs.dy as tfjs.TensorInfo).shape, (inputs.images as tfjs.TensorInfo).shape];
  return attrs?.alignCorners !== true && to[1] % from[1] === 0 && to[2] % from[2] === 0;
}

/** Each pixel's gradient is the sum over its copies; TensorFlow's kernel for GPUs adds them in any order. */
function sumOfBlocks({ inputs }: KernelCall): tfjs.Tensor {
  const dy = inputs.dy as tfjs.Tensor4D;
  const [batch, height, width, channels] = (inputs.images as tfjs.TensorInfo).shape;
  const blocks = [batch, height, dy.shape[1] / height, width, dy.shape[2] / width, channels];
  return tf.tidy(() => tf.sum(tf.reshape(dy, blocks), [2, 4]));
}

/** tfjs allows strides or dilations, never both. */
interface ConvolutionAttributes {
  readonly pad: 'valid' | 'same' | number | [[number, number], [number, number], [number, number], [number, number]];
  readonly dilations: number | [number, number] | null;
  readonly dimRoundingMode?: 'floor' | 'round' | 'ceil';
}

function pairOf(dilations: ConvolutionAttributes['dilations']): [number, number] {
  if (dilations === null || dilations === undefined) return [1, 1];
  return typeof dilations === 'number' ? [dilations, dilations] : dilations;
}

function isDilated({ attrs }: KernelCall): boolean {
  return pairOf((attrs as unknown as ConvolutionAttributes).dilations).some((dilation) => dilation > 1);
}

type Parts = Record<'depthwise' | 'toBatch' | 'toSpace', tfjs.KernelFunc>;

/**
 * TensorFlow's own kernel knows no dilations; with oneDNN on, another one takes its place which does. So, on every processor, what Python's
 * tf.nn.depthwise_conv2d does: pixels that stand one dilation apart become pictures of their own, which are convolved undilated.
 */
function dilatedDepthwise({ inputs, backend, attrs }: KernelCall, { depthwise, toBatch, toSpace }: Parts): tfjs.Tensor {
  const [x, filter] = [inputs.x as tfjs.TensorInfo, inputs.filter as tfjs.TensorInfo];
  const { pad, dilations, dimRoundingMode } = attrs as unknown as ConvolutionAttributes;
  const blockShape = pairOf(dilations);
  const [xShape, filterShape] = [x.shape, filter.shape] as [number, number, number, number][];
  const { padInfo } = tf.backend_util.computeConv2DInfo(xShape, filterShape, 1, blockShape, pad, dimRoundingMode, true);
  const before = [padInfo.top, padInfo.left];
  const padded = [x.shape[1] + padInfo.top + padInfo.bottom, x.shape[2] + padInfo.left + padInfo.right];
  const extra = padded.map((size, i) => (blockShape[i] - (size % blockShape[i])) % blockShape[i]);
  const paddings = [padInfo.bottom, padInfo.right].map((after, i) => [before[i], after + extra[i]]);

  const pictures = toBatch({ inputs: { x }, backend, attrs: { blockShape, paddings } }) as tfjs.Tensor;
  const undilated = { strides: [1, 1], pad: 'valid', dilations: [1, 1] };
  const convolved = depthwise({ inputs: { x: pictures, filter }, backend, attrs: undilated }) as tfjs.Tensor;
  pictures.dispose();
  const crops = extra.map((size) => [0, size]);
  const result = toSpace({ inputs: { x: convolved }, backend, attrs: { blockShape, crops } }) as tfjs.Tensor;
  convolved.dispose();
  return result;
}

/** As tfjs-node's kernel: bias and activation after it, one by one. */
function dilatedFusedDepthwise(call: KernelCall, parts: Parts): tfjs.Tensor {
  const { bias, preluActivationWeights } = call.inputs as Record<string, tfjs.Tensor | undefined>;
  const { activation, leakyreluAlpha } = call.attrs as unknown as { activation: string; leakyreluAlpha: number };
  const steps = [dilatedDepthwise(call, parts)];
  if (bias !== undefined && bias !== null) steps.unshift(tf.add(steps[0], bias));
  const activated = kernelBackend().applyActivation(steps[0], activation, preluActivationWeights, leakyreluAlpha);
  if (activated !== steps[0]) steps.unshift(activated);
  for (const intermediate of steps.slice(1)) intermediate.dispose();
  return steps[0];
}
