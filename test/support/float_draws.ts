/** Owns: float32 numbers that two ways of computing are compared on, denormals among them, and counting where they differ. */
import { deriveKey, PURPOSE, wordStream } from '../../src/common/random.js';

const words = wordStream({ key: deriveKey({ seed: 11, purpose: PURPOSE.synthetic, layer: 1 }), stream: 0 });
const unit = (): number => words() / 2 ** 31 - 1;

export const DRAWS = {
  training: () => unit() * 10 ** -(words() % 9),
  // Down to the least denormal, 2^-149.
  tiny: () => unit() * 2 ** -(100 + (words() % 50)),
  // Products and quotients of these lie around 2^-126, where the smallest normal number ends.
  edge: () => (1 - (words() % 2 ** 12) * 2 ** -24) * 2 ** (-64 + (words() % 4)),
  'any exponent': () => unit() * 2 ** ((words() % 240) - 126),
} satisfies Record<string, () => number>;

export function draw(value: () => number, size: number): Float32Array {
  const values = new Float32Array(size);
  for (let i = 0; i < size; i++) values[i] = value();
  return values;
}

/** Places where the bits differ; a NaN has no meaning in its own. */
export function differences(found: Float32Array, expected: Float32Array): number {
  const [a, b] = [found, expected].map((values) => new Uint32Array(values.buffer, values.byteOffset, values.length));
  let count = 0;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i] && !(Number.isNaN(found[i]) && Number.isNaN(expected[i]))) count++;
  return count;
}
