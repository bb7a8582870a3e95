/** Owns: that `deterministicGpu` reaches C, where TensorFlow reads it, and leaves alone what the user has set. */
import { afterAll, expect, it } from 'vitest';
import { installEngine } from '../../../src/engine/index.js';
import { openLibrary } from '../../../src/engine/capi/ffi.js';

const getenv = openLibrary(null).func('getenv', 'str', ['str']) as (name: string) => string | null;

process.env.TF_CUDNN_USE_AUTOTUNE = '1'; // as the user's
const engine = installEngine({ deterministicGpu: true });
afterAll(() => engine.dispose());

it('sets the variables that TensorFlow and cuDNN read, but for those the user has set', () => {
  expect(getenv('TF_DETERMINISTIC_OPS')).toBe('1');
  expect(getenv('TF_CUDNN_DETERMINISTIC')).toBe('1');
  expect(getenv('NVIDIA_TF32_OVERRIDE')).toBe('0');
  expect(getenv('TF_CUDNN_USE_AUTOTUNE')).toBe('1');
});

it('changes nothing that a processor computes', () => {
  expect(Array.from(engine.tf.add([1, 2], [10, 20]).dataSync())).toEqual([11, 22]);
});
