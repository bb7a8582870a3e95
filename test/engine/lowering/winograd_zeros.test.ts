/** Owns: that maps by minimal filtering are 0 where the convolution's are, as over the black of a picture, and are asked to where that matters. */
import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import type { Engine } from '../../../src/engine/index.js';
import { Uses } from '../../../src/engine/lowering/loop_plan.js';
import { keepsZeros } from '../../../src/engine/lowering/winograd.js';
import { engineForTests, irregular } from '../../support/gradient_checks.js';
import { FUSES, recordedNodes, withContext } from '../../support/recorded_nodes.js';

type Convolve = (pictures: tf.Tensor4D, filter: tf.Tensor4D) => tf.Tensor;
const FILTER: [number, number, number, number] = [3, 3, 32, 33];
const PATCHES = 8;

/** Pictures of a patch each, at other places of a tile; of a pixel in the corner of one channel; and of nothing. */
function onBlack(): tf.Tensor4D {
  const pictures = tf.buffer<tf.Rank.R4, 'float32'>([PATCHES + 2, 14, 13, 32]);
  for (let at = 0; at < PATCHES; at++)
    for (let place = 0; place < 9 * 32; place++) {
      const [row, column, channel] = [Math.floor(place / 96) + 3 + (at % 4), (Math.floor(place / 32) % 3) + at, place % 32];
      pictures.set(Math.sin(7 * at + 13 * place) + 1.1, at, row, column, channel);
    }
  pictures.set(-1e-30, PATCHES, 13, 12, 31);
  return pictures.toTensor();
}

/** Of a compiled function, by minimal filtering or not. */
function computed(engine: Engine, fn: Convolve, { byMinimalFiltering }: { byMinimalFiltering: boolean }): Float32Array {
  const compiled = engine.compile(fn, { name: 'on_black', fuse: true });
  const from = { winogradFrom: byMinimalFiltering ? 0 : Infinity };
  const [pictures, filter] = [onBlack(), irregular(FILTER) as tf.Tensor4D];
  const result = withContext(engine, from, () => compiled(pictures, filter));
  const numbers = result.dataSync() as Float32Array;
  tf.dispose([pictures, filter, result]);
  compiled.dispose();
  return numbers;
}

describe('maps of pictures on black', () => {
  const engine = engineForTests({ device: 'CPU:0' });

  it.skipIf(!FUSES).each(['same', 'valid'] as const)('are 0 where nothing is under the filter: %s', (pad) => {
    const convolve: Convolve = (x, w) => tf.conv2d(x, w, 1, pad);
    const [wanted, given] = [false, true].map((byMinimalFiltering) => computed(engine(), convolve, { byMinimalFiltering }));
    expect(given.some((value, at) => value !== wanted[at])).toBe(true);
    const zeros = (values: Float32Array): number[] => [...values.keys()].filter((at) => values[at] === 0);
    expect(zeros(given)).toEqual(zeros(wanted));
    const largest = wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    expect(given.findIndex((value, at) => !(Math.abs(value - wanted[at]) <= 2 ** -16 * largest))).toBe(-1);
  });

  it.skipIf(!FUSES)('come near to it where only what is smooth follows', () => {
    const convolve: Convolve = (x, w) => tf.sub(tf.sigmoid(tf.conv2d(x, w, 1, 'same')), 0.5);
    const [wanted, given] = [false, true].map((byMinimalFiltering) => computed(engine(), convolve, { byMinimalFiltering }));
    expect(given.some((value, at) => value !== 0 && wanted[at] === 0)).toBe(true);
    expect(given.findIndex((value, at) => !(Math.abs(value - wanted[at]) <= 1e-3))).toBe(-1);
  });
});

describe('maps are 0 where the convolution is', () => {
  const engine = engineForTests();
  const kept = (after: (map: tf.Tensor4D, b: tf.Tensor1D) => tf.Tensor): boolean => {
    const fn = (x: tf.Tensor4D, w: tf.Tensor4D, b: tf.Tensor1D): tf.Tensor[] => [after(tf.conv2d(x, w, 1, 'same'), b)];
    const { nodes, results } = recordedNodes(engine(), fn as never, [[2, 8, 8, 4], [3, 3, 4, 4], [4]]);
    const uses = new Uses(nodes, results);
    return keepsZeros(
      nodes.find(({ op }) => op === 'Conv2D')!,
      uses,
    );
  };

  const again = (map: tf.Tensor): tf.Tensor => tf.conv2d(map as tf.Tensor4D, tf.ones([3, 3, 4, 4]), 1, 'same');
  it.each([
    ['relu', (map: tf.Tensor4D) => tf.relu(map)],
    ['a bias and relu', (map: tf.Tensor4D, b: tf.Tensor1D) => tf.relu(tf.add(map, b))],
    ['selu', (map: tf.Tensor4D) => tf.selu(map)],
    ['a maximum of several', (map: tf.Tensor4D) => tf.maxPool(map, 2, 2, 'valid')],
    ['what is given back', (map: tf.Tensor4D) => map],
    ['sigmoid, and relu', (map: tf.Tensor4D) => tf.add(tf.sigmoid(map), tf.relu(map))],
    ['another convolution and relu', (map: tf.Tensor4D) => tf.relu(again(map))],
    ['tanh, a convolution and relu', (map: tf.Tensor4D) => tf.relu(again(tf.tanh(map)))],
  ])('before %s', (_, after) => expect(kept(after)).toBe(true));

  it.each([
    ['sigmoid', (map: tf.Tensor4D) => tf.sigmoid(map)],
    [
      'a bias, tanh, a factor and softplus',
      (map: tf.Tensor4D, b: tf.Tensor1D) => tf.softplus(tf.mul(tf.tanh(tf.add(map, b)), 2)),
    ],
    ['convolutions and sigmoid', (map: tf.Tensor4D) => tf.sigmoid(again(tf.tanh(again(map))))],
  ])('and need not be before %s', (_, after) => expect(kept(after)).toBe(false));
});
