/**
 * Owns: a short computation whose bits tell one kind of arithmetic from another: libraries, kernels, instructions, precision, as they really are.
 * Does not: know what they are called.
 */
import { createHash } from 'node:crypto';
import type * as tfjs from '@tensorflow/tfjs';
import { sizeOf } from '../../common/shape_size.js';
import { tf } from '../backend/tfjs.js';
import type { Engine } from '../engine.js';
import { LOOP_ELEMENTS } from '../lowering/loop_plan.js';

/** Values in [−1, 1) with all 24 bits of a float32, from a multiplicative hash: the same on every machine. */
function values(count: number, seed: number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => (Math.imul(i + seed, 0x9e3779b1) >>> 8) / 2 ** 23 - 1);
}

/** Odd sizes, so that vectors' remainders are in it, and sums long enough to be cut into parts. */
const PRODUCT = { rows: 37, inner: 531, columns: 29 };
/** As minimal filtering multiplies. */
const TILES = [36, 29, 67] as const;
const CONVOLUTION = { x: [3, 13, 13, 19], filter: [3, 3, 19, 21] } as const;

/**
 * SHA-256 of matrix products, a convolution and the gradient of one, recorded as a step is where `compile` says so; with `xla` of a gradient that XLA
 * compiles besides, and in bf16 of one with loops (fused_loops.ts). Takes some milliseconds of computing, most of them for the recording; XLA's part some
 * tenths of a second.
 */
export function arithmeticProbe(engine: Engine, { compile, xla = false }: { compile: boolean; xla?: boolean }): string {
  const { rows, inner, columns } = PRODUCT;
  const compute = (a: tfjs.Tensor2D, b: tfjs.Tensor2D, x: tfjs.Tensor4D, filter: tfjs.Tensor4D): tfjs.Tensor[] => [
    tf.matMul(a, b),
    tf.conv2d(x, filter, 1, 'same'),
    // Element by element and added up, as a step has them: what XLA compiles, and what mixed precision may be told to paint.
    tf.grad((weight: tfjs.Tensor) => {
      const activated = tf.tanh(tf.conv2d(x, weight as tfjs.Tensor4D, 1, 'same'));
      return tf.mean(tf.square(tf.sub(tf.softmax(activated), tf.sigmoid(tf.sum(activated, 0, true)))));
    })(filter),
  ];
  const loops = (given: tfjs.Tensor2D, weight: tfjs.Tensor2D): tfjs.Tensor =>
    tf.grad((x: tfjs.Tensor) => tf.sum(tf.matMul(tf.sigmoid(tf.tanh(tf.matMul(x as tfjs.Tensor2D, weight))), weight)))(given);
  const gradient = (a: tfjs.Tensor2D, b: tfjs.Tensor2D): tfjs.Tensor =>
    tf.grad((weight: tfjs.Tensor) => tf.sum(tf.sigmoid(tf.tanh(tf.matMul(a, weight as tfjs.Tensor2D)))))(b);
  const compiled = compile ? engine.compile(compute, { name: 'arithmetic_probe' }) : undefined;
  const byXla = xla ? engine.compile(gradient, { name: 'arithmetic_probe_of_xla', xla: 'required' }) : undefined;
  const byLoops =
    compile && engine.context.bfloat16 !== null && engine.context.fuses
      ? engine.compile(loops, { name: 'probe_of_loops', fuse: true })
      : undefined;
  const hash = createHash('sha256');
  // Of minimal filtering: what is computed so. Its transforms round as IEEE 754 says; its products are float32 in bf16 too, as eager ones are.
  if (compile) hash.update(String(engine.context.winogradFrom));
  tf.tidy(() => {
    const a = tf.tensor2d(values(rows * inner, 1), [rows, inner]);
    const b = tf.tensor2d(values(inner * columns, 2), [inner, columns]);
    const x = tf.tensor4d(values(sizeOf(CONVOLUTION.x), 3), [...CONVOLUTION.x]);
    const filter = tf.tensor4d(values(sizeOf(CONVOLUTION.filter), 4), [...CONVOLUTION.filter]);
    const results = [...(compiled ?? compute)(a, b, x, filter), ...(byXla === undefined ? [] : [byXla(a, b)])];
    if (byLoops !== undefined) {
      const width = Math.ceil(Math.sqrt(LOOP_ELEMENTS));
      const square = (seed: number): tfjs.Tensor2D => tf.tensor2d(values(width * width, seed), [width, width]);
      results.push(byLoops(square(5), square(6)));
    }
    const [tiles, others] = [7, 8].map((seed) => tf.tensor3d(values(sizeOf(TILES), seed), [...TILES]));
    results.push(tf.matMul(tiles, others, false, true), tf.matMul(tiles, others, true));
    for (const result of results) hash.update(new Uint8Array(result.dataSync().slice().buffer));
  });
  compiled?.dispose();
  byXla?.dispose();
  byLoops?.dispose();
  return hash.digest('hex');
}
