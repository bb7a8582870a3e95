import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { exampleWords } from '../../../src/common/random.js';
import { exampleNormals, exampleUniforms, upload } from '../../../src/engine/index.js';
import { engineForTests } from '../../support/gradient_checks.js';

const key = { low: 0x9abcdef0, high: 0xf2345678 };
const ROWS = [5, 0, 2 ** 31 - 1, 123_456];
const EPOCH = 3 * 2 ** 32 + 0x80000001;

/** 24 bits of each word, from the generator in plain JavaScript. */
function reference(row: number, elements: number, epoch = EPOCH): number[] {
  const next = exampleWords(key, { row, epoch });
  return Array.from({ length: elements }, () => Math.floor(next() / 2 ** 8) / 2 ** 24);
}

describe('random numbers of examples', () => {
  const engine = engineForTests();
  const drawOf = (rows: readonly number[], epoch = EPOCH) => ({
    ...{ key, rows: upload(engine(), Int32Array.from(rows), [rows.length]) },
    epoch: upload(engine(), Int32Array.of(epoch | 0, Math.floor(epoch / 2 ** 32)), [2]),
  });

  it.each([1, 4, 7, 33])('are the specified ones to the bit, %i of each example, eager and compiled', (elements) => {
    const { rows, epoch } = drawOf(ROWS);
    const wanted = ROWS.flatMap((row) => reference(row, elements));
    const compiled = engine().compile((a: tf.Tensor, b: tf.Tensor) => exampleUniforms(elements, { key, rows: a, epoch: b }));
    expect([...exampleUniforms(elements, { key, rows, epoch }).dataSync()]).toEqual(wanted);
    expect([...compiled(rows, epoch).dataSync()]).toEqual(wanted);
  });

  it('of a row are the same in any company, and others in another epoch', () => {
    const alone = exampleUniforms(5, drawOf([123_456])).dataSync();
    expect([...exampleUniforms(5, drawOf(ROWS)).dataSync()].slice(15)).toEqual([...alone]);
    expect([...exampleUniforms(5, drawOf([123_456], EPOCH + 1)).dataSync()]).toEqual(reference(123_456, 5, EPOCH + 1));
    expect(reference(123_456, 5, EPOCH + 1)).not.toEqual([...alone]);
  });

  it.each([1, 6, 7])('are normal by Box and Muller, %i of each example', (elements) => {
    const pairs = Math.ceil(elements / 2);
    const wanted = ROWS.flatMap((row) => {
      const u = reference(row, 2 * pairs);
      const of = (wave: (angle: number) => number): number[] =>
        Array.from({ length: pairs }, (_, i) => Math.sqrt(-2 * Math.log(1 - u[i])) * wave(2 * Math.PI * u[pairs + i]));
      return [...of(Math.cos), ...of(Math.sin)].slice(0, elements);
    });
    // Some roundings of angles up to 2π and of radii up to 6.
    exampleNormals(elements, drawOf(ROWS))
      .dataSync()
      .forEach((value, i) => expect(Math.abs(value - wanted[i])).toBeLessThan(1e-5));
  });

  it('have the mean and deviation that they should', () => {
    const rows = Array.from({ length: 4000 }, (_, row) => row);
    const { mean, variance } = tf.moments(exampleNormals(10, drawOf(rows, 1)));
    // 40,000 numbers: five deviations of their mean are 0.025, of their variance 0.035.
    expect(Math.abs(mean.dataSync()[0])).toBeLessThan(0.025);
    expect(Math.abs(variance.dataSync()[0] - 1)).toBeLessThan(0.036);
  });
});
