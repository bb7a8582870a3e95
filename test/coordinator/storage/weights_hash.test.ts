import { expect, test } from 'vitest';
import { weightsSha256 } from '../../../src/coordinator/storage/weights_hash.js';

const parameters = Float32Array.of(1, -2, 0.5);
const velocity = Float32Array.of(3, 4);

test('the hash is of the weights and then the optimizer slots as little-endian float32', () => {
  // python3 -c "import hashlib, struct; print(hashlib.sha256(struct.pack('<5f', 1, -2, .5, 3, 4)).hexdigest())"
  expect(weightsSha256(parameters, [velocity])).toBe('7d3946b083000ce5c947962107244136396d0ff6d93621dcb183852db2d56707');
  expect(weightsSha256(parameters, [])).toBe('2ce4bdb6b34a50ac7092eb9fee94337a27498e9eb9bae44192f15b88831b2422');
});

test('only what the array shows is hashed, and shared memory hashes like any other', () => {
  const shared = new Float32Array(new SharedArrayBuffer(20)).fill(9);
  const middle = shared.subarray(1, 4);
  middle.set(parameters);
  expect(weightsSha256(middle, [velocity])).toBe(weightsSha256(parameters, [velocity]));
});

test('minus zero is not zero', () => {
  expect(weightsSha256(Float32Array.of(-0), [])).not.toBe(weightsSha256(Float32Array.of(0), []));
});
