import { beforeAll, expect, test } from 'vitest';
import { permutation } from '../../../src/common/random.js';
import { syntheticDigits } from '../../../src/data/sources/synthetic.js';
import { sha256 } from '../../support/idx_bytes.js';
import { plain, type PlainData, type PlainSplit } from '../../support/plain_data.js';

const PIXELS = 784;
let digits: PlainData;
beforeAll(async () => {
  digits = plain(await syntheticDigits({ seed: 1 }));
});

function image({ x }: PlainSplit, row: number): Uint8Array {
  return x.subarray(PIXELS * row, PIXELS * (row + 1)) as Uint8Array;
}

/** Share of the validation set whose nearest class mean (over the training set under `labels`) is its label's. */
function nearestMeanAccuracy({ train, validation }: PlainData, labels: ArrayLike<number>): number {
  const means = Array.from({ length: 10 }, () => new Float64Array(PIXELS));
  const counts = new Float64Array(10);
  for (let row = 0; row < train.count; row++) {
    counts[labels[row]] += 1;
    image(train, row).forEach((gray, i) => (means[labels[row]][i] += gray));
  }
  means.forEach((mean, label) => mean.forEach((sum, i) => (mean[i] = sum / counts[label])));
  return share(validation.count, (row) => indexOfNearest(image(validation, row), means) === validation.y[row]);
}

function indexOfNearest(point: ArrayLike<number>, others: readonly ArrayLike<number>[]): number {
  let nearest = -1;
  let smallest = Infinity;
  others.forEach((other, index) => {
    let distance2 = 0;
    for (let i = 0; i < PIXELS; i++) distance2 += (point[i] - other[i]) ** 2;
    if (distance2 < smallest) [nearest, smallest] = [index, distance2];
  });
  return nearest;
}

function share(count: number, holds: (row: number) => boolean): number {
  let held = 0;
  for (let row = 0; row < count; row++) if (holds(row)) held++;
  return held / count;
}

test('by default there are 20,000 and 4,000 gray images on shared memory', () => {
  expect(digits).toMatchObject({
    name: 'synthetic digits',
    inputShape: [28, 28, 1],
    labelShape: [],
    classes: 10,
    scale: 1 / 255,
  });
  expect([digits.train.count, digits.train.x.length, digits.validation.count, digits.validation.y.length]).toEqual([
    20000, 15680000, 4000, 4000,
  ]);
  for (const { x, y } of [digits.train, digits.validation])
    for (const values of [x, y]) expect(values.buffer).toBeInstanceOf(SharedArrayBuffer);
});

test('seed 1 makes these bytes on every machine and every version of Node', () => {
  // A worker proves by this hash that it holds the coordinator's data: a new value is a new data set, and belongs in CHANGELOG.md.
  expect(digits.sha256).toBe('631d15d2dd658c93d3c6858e7f9a7f691d4a63968298bd441e63050df4157318');
});

test('the first examples do not depend on how many follow', async () => {
  const few = plain(await syntheticDigits({ seed: 1, train: 257, validation: 1 }));
  expect(sha256(few.train.x as Uint8Array)).toBe(sha256(digits.train.x.subarray(0, 257 * PIXELS) as Uint8Array));
  expect(few.train.y).toEqual(digits.train.y.slice(0, 257));
  expect(few.validation.x).toEqual(image(digits.validation, 0).slice());
});

test('seeds 0, 1 and 2³² make different data, and the same seed the same', async () => {
  const hash = async (seed: number): Promise<string> => (await syntheticDigits({ seed, train: 11, validation: 7 })).sha256;
  expect(new Set(await Promise.all([hash(0), hash(1), hash(2 ** 32)])).size).toBe(3);
  expect(await hash(0)).toBe(await hash(0));
});

test('no image occurs twice, not in one split and not in both', () => {
  const seen = new Set<string>();
  for (const split of [digits.train, digits.validation])
    for (let row = 0; row < split.count; row++) seen.add(sha256(image(split, row)));
  expect(seen.size).toBe(24_000);
});

test('each digit is a tenth of the set, within four standard deviations', () => {
  for (const { y, count } of [digits.train, digits.validation]) {
    const counts = Array.from({ length: 10 }, (_, digit) => share(count, (row) => y[row] === digit) * count);
    const deviation = Math.sqrt(count * 0.1 * 0.9);
    for (const found of counts) expect(Math.abs(found - count / 10)).toBeLessThan(4 * deviation);
  }
});

test('a digit looks like one', () => {
  // One with clear ink.
  const fives = Array.from(digits.train.y.keys()).filter((row) => digits.train.y[row] === 5);
  const gray = image(digits.train, fives[2]);
  const shades = ' .:+#';
  const lines = Array.from({ length: 28 }, (_, y) =>
    Array.from({ length: 28 }, (_, x) => shades[Math.floor((5 * gray[28 * y + x]) / 256)])
      .join('')
      .trimEnd(),
  );
  expect(lines.join('\n')).toMatchInlineSnapshot(`
    "


           :+::+:::::
           :::.:..:::
           :.
           +:
           +.
           +.
           +. .:++:.
           +.++:..:+:
          .+:       :+
           .         +
                     :.
                     +
                    .:
                   .+.
                 .:+
         :      :+.
         :+:  :+:.
          .++++






    "
  `);
});

test('no template solves it, its neighbors in the training set do, and under shuffled labels nothing does', () => {
  const { train, validation } = digits;
  const template = nearestMeanAccuracy(digits, train.y);
  expect(template).toBeGreaterThan(0.5);
  expect(template).toBeLessThan(0.8);

  const few = Array.from({ length: 4000 }, (_, row) => image(train, row));
  expect(share(100, (row) => train.y[indexOfNearest(image(validation, row), few)] === validation.y[row])).toBeGreaterThan(0.85);

  const shuffled = permutation({ seed: 5, epoch: 1, count: train.count }).map((row) => train.y[row]);
  expect(nearestMeanAccuracy(digits, shuffled)).toBeLessThan(0.2);
});
