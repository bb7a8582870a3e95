import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { loadDataset } from '../../../src/data/load.js';
import { plain, type PlainData } from '../../support/plain_data.js';

const FOLDER = process.env.TFJS_PARALLEL_MNIST_DIR ?? join(import.meta.dirname, '../../../../shared/data/mnist');
const present = existsSync(join(FOLDER, 'train-images-idx3-ubyte.gz'));
if (!present) console.warn('skipped: real MNIST is not in ../shared/data/mnist; name its folder in TFJS_PARALLEL_MNIST_DIR');

describe.skipIf(!present)('real MNIST', () => {
  let mnist: PlainData;
  const config = { data: 'mnist', dataDir: FOLDER, trainLimit: null, validationLimit: null, seed: 1 };
  beforeAll(async () => {
    mnist = plain(await loadDataset(config));
  });

  test('has 60,000 and 10,000 images whose hashes are those of the reference run', () => {
    expect(mnist).toMatchObject({ inputShape: [28, 28, 1], labelShape: [], classes: 10, scale: 1 / 255 });
    expect([mnist.train.count, mnist.train.x.length, mnist.validation.count, mnist.validation.x.length]).toEqual([
      60000, 47040000, 10000, 7840000,
    ]);
  });

  test('starts with 5 0 4 1 9 in training and 7 2 1 0 4 in validation, and has 5,923 training zeros', () => {
    expect([...mnist.train.y.subarray(0, 5)]).toEqual([5, 0, 4, 1, 9]);
    expect([...mnist.validation.y.subarray(0, 5)]).toEqual([7, 2, 1, 0, 4]);
    expect(mnist.train.y.filter((label) => label === 0).length).toBe(5923);
  });

  test('is the same data when read as any IDX folder, and when limited', async () => {
    const any = plain(await loadDataset({ ...config, data: 'idx', trainLimit: 5900, validationLimit: 1 }));
    expect(any.sha256).toBe(mnist.sha256);
    expect([any.train.count, any.train.x.length, any.validation.count]).toEqual([5900, 5900 * 784, 1]);
  });
});
