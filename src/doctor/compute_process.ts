/**
 * Owns: a process that multiplies matrices on one device, tells how fast and whether rightly, and ends.
 * Does not: judge. Started by compute.ts with its request as the one argument.
 */
import type * as tfjs from '@tensorflow/tfjs';
import { tf } from '../engine/backend/tfjs.js';
import { ExpectedError } from '../common/errors.js';
import { errorMessage } from '../common/error_facts.js';
import { installEngine } from '../engine/index.js';
import type { ComputeMessage, ComputeRequest } from './compute.js';

/** 2 · 1024³ = 2.1 · 10⁹ operations a product: some ten ms on a core, and enough for all threads. */
const CPU_SIZE = 1024;
const GPU_SIZE = 4096;
const CHECKED_ENTRIES = 64;

function measure({ device, folder, threads, computeMs }: ComputeRequest): ComputeMessage {
  const began = performance.now();
  const size = device.startsWith('GPU') ? GPU_SIZE : CPU_SIZE;
  const rates: { threads: number; gflops: number }[] = [];
  let openMs = 0;
  let right = true;
  let facts: Pick<Extract<ComputeMessage, { kind: 'computed' }>, 'tensorflow' | 'deviceModel' | 'oneDnn' | 'oneDnnIsa'> | null =
    null;
  // Most first: after a context of one thread, another one in the same thread computes with one too, whatever it was given.
  for (const count of threads.toSorted((a, b) => b - a)) {
    const engine = installEngine({ device, folder, intraOpThreads: count });
    openMs ||= performance.now() - began;
    const { tensorflowVersion, deviceModel, oneDnn, oneDnnIsa } = engine.info;
    facts = { tensorflow: tensorflowVersion, deviceModel, oneDnn, oneDnnIsa };
    const [a, b] = [wholeNumbers(size, 1), wholeNumbers(size, 2)];
    const [x, y] = [tf.tensor2d(a, [size, size]), tf.tensor2d(b, [size, size])];
    // One number is read, so that a GPU has ended; all of them would take longer than a product. None goes through tf.tidy, which walks through arrays.
    const product = (): tfjs.Tensor => {
      const result = tf.matMul(x, y);
      const corner = tf.slice(result, [0, 0], [1, 1]);
      corner.dataSync();
      corner.dispose();
      return result;
    };
    let result = product();
    const first = (result.dataSync() as Float32Array).slice();
    const beganMs = performance.now();
    let products = 0;
    do {
      result.dispose();
      result = product();
      products += 1;
    } while (performance.now() - beganMs < computeMs / threads.length);
    const seconds = (performance.now() - beganMs) / 1000;
    const last = result.dataSync() as Float32Array;
    rates.unshift({ threads: count, gflops: (2e-9 * size ** 3 * products) / seconds });
    right &&=
      Buffer.from(first.buffer).equals(Buffer.from(last.buffer, last.byteOffset, last.byteLength)) &&
      isProduct(first, a, b, size);
    tf.dispose([x, y, result]);
    engine.dispose();
  }
  if (facts === null) throw new Error('internal: at least one number of threads is measured');
  return { kind: 'computed', ...facts, openMs, rates, right };
}

/** −2 to 2: sums of some thousand products of them are exact in float32, in TF32 and bfloat16 multiplication too, in any order. */
function wholeNumbers(size: number, seed: number): Float32Array {
  return Float32Array.from({ length: size * size }, (_, i) => ((Math.imul(i + seed, 0x9e3779b1) >>> 8) % 5) - 2);
}

function isProduct(got: Float32Array, a: Float32Array, b: Float32Array, size: number): boolean {
  for (let entry = 0; entry < CHECKED_ENTRIES; entry++) {
    const [row, column] = [(entry * 7919) % size, (entry * 104_729) % size];
    let sum = 0;
    for (let k = 0; k < size; k++) sum += a[row * size + k] * b[k * size + column];
    if (got[row * size + column] !== sum) return false;
  }
  return true;
}

function answer(): ComputeMessage {
  try {
    return measure(JSON.parse(process.argv[2]) as ComputeRequest);
  } catch (error) {
    const next = error instanceof ExpectedError ? error.next : 'Run `tfjs-parallel bench` with the same device and -v for more.';
    return { kind: 'refused', message: errorMessage(error), next };
  }
}

process.send?.(answer(), () => process.disconnect());
