/** Owns: what is counted of a model's answers, and the pictures of its worst ones: small enough to be redone by hand. */
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import type { DataFields, MemorySplit } from '../../src/common/dataset.js';
import { judgeClasses, MOST_WRONG } from '../../src/data/judge_classes.js';
import { MOST_PIXELS, pictureShape, pngOf } from '../../src/data/picture.js';

const at = { epoch: 3, step: 9 };

function data(x: number[], shape: number[], y: Int32Array | Float32Array, label: number[] = [], classes?: number) {
  const target = { name: 'y', shape: label, type: y instanceof Int32Array ? 'int32' : 'float32', scale: 1 } as const;
  const fields: DataFields = {
    inputs: [{ name: 'x', shape, type: 'float32', scale: 1 }],
    targets: [{ ...target, ...(classes !== undefined && { classes }) }],
  };
  const rows = y.length / label.reduce((a, b) => a * b, 1);
  const validation: MemorySplit = { count: rows, inputs: { x: Float32Array.from(x) }, targets: { y } };
  return { fields, validation };
}

const told = (classes: number[], probabilities: number[]) => ({
  ...at,
  classes: Int32Array.from(classes),
  probabilities: Float32Array.from(probabilities),
});

describe('what a model says of its examples', () => {
  it('is counted by pairs, and the surest mistakes come first, equal ones in their order', async () => {
    const judged = await judgeClasses(
      told([0, 1, 0, 2, 0, 2], [0.5, 0.75, 0.625, 0.5, 0.875, 0.625]),
      data(new Array<number>(6).fill(0), [1], Int32Array.of(0, 0, 1, 1, 1, 2), [], 3),
    );
    expect(judged.names).toBeUndefined();
    expect(judged).toMatchObject({ ...at, examples: 6, right: 2, classes: 3 });
    expect(judged.pairs.map(({ is, said, count }) => `${is}→${said}: ${count}`)).toEqual([
      ...['0→0: 1', '0→1: 1', '1→0: 2', '1→2: 1', '2→2: 1'],
    ]);
    expect(judged.wrong.map(({ row, probability }) => [row, probability])).toEqual([
      [4, 0.875],
      [1, 0.75],
      [2, 0.625],
      [3, 0.5],
    ]);
    expect(judged.wrong.every(({ picture }) => picture === null)).toBe(true);
  });

  it('takes rows of shares by their largest, and yes and no from one half on', async () => {
    const shares = await judgeClasses(
      told([1, 0], [0.5, 0.5]),
      data([0, 0], [1], Float32Array.of(0.25, 0.75, 0.125, 0.875), [2]),
    );
    expect(shares).toMatchObject({ right: 1, wrong: [{ row: 1, is: 1, said: 0 }] });
    const yesNo = await judgeClasses(told([1, 1], [0.75, 0.75]), data([0, 0], [1], Float32Array.of(1, 0)));
    expect(yesNo).toMatchObject({ right: 1, classes: 2, wrong: [{ row: 1, is: 0, said: 1 }] });
  });

  it('shows so many examples and no more; a probability that is none is no confidence', async () => {
    const rows = MOST_WRONG + 2;
    const ones = new Array<number>(rows).fill(1);
    const judged = await judgeClasses(
      told(ones, [NaN, ...ones.slice(1).map(() => 0.5)]),
      data(new Array<number>(rows).fill(0), [1], new Int32Array(rows), [], 2),
    );
    expect(judged.wrong.map(({ row }) => row)).toEqual(Array.from({ length: MOST_WRONG }, (_, row) => row + 1));
  });
});

describe('a picture of an example', () => {
  const decode = async (png: Buffer) => sharp(png).raw().toBuffer({ resolveWithObject: true });

  it('has the bytes of the data, gray or red, green and blue', async () => {
    for (const channels of [1, 3]) {
      const values = Uint8Array.from({ length: 4 * 5 * channels }, (_, i) => (i * 37) % 256);
      const { data: pixels, info } = await decode(pngOf(values, { height: 4, width: 5, channels }));
      expect([info.width, info.height]).toEqual([5, 4]);
      const shown = [...values.keys()].map((i) => pixels[Math.floor(i / channels) * info.channels + (i % channels)]);
      expect(shown).toEqual([...values]);
    }
  });

  it('of values from 0 to 1, or of any others, goes from black to white', async () => {
    const shape = { height: 4, width: 4, channels: 1 };
    const fractions = await decode(
      pngOf(
        Float32Array.from({ length: 16 }, (_, i) => (i % 2) / 2),
        shape,
      ),
    );
    expect([fractions.data[0], fractions.data[fractions.info.channels]]).toEqual([0, 128]);
    const any = await decode(
      pngOf(
        Float32Array.from({ length: 16 }, (_, i) => (i % 2 === 0 ? -3 : 7)),
        shape,
      ),
    );
    expect([any.data[0], any.data[any.info.channels]]).toEqual([0, 255]);
  });

  it('is no larger than the page can bear', async () => {
    // What compresses worst: noise.
    let seed = 1;
    const noise = Uint8Array.from({ length: 200 * 100 * 3 }, () => (seed = (seed * 48271) % 2147483647) % 256);
    const png = pngOf(noise, { height: 100, width: 200, channels: 3 });
    const { info } = await decode(png);
    expect([info.width, info.height]).toEqual([MOST_PIXELS, MOST_PIXELS / 2]);
    // Stored as they are, a byte a line, and some 100 of headers.
    expect(png.length).toBeLessThan(MOST_PIXELS * (MOST_PIXELS * 3 + 1) + 100);
  });

  it('is made of what has the shape of one', () => {
    expect(pictureShape([28, 28, 1])).toEqual({ height: 28, width: 28, channels: 1 });
    expect(pictureShape([8, 9])).toEqual({ height: 8, width: 9, channels: 1 });
    for (const shape of [[28, 28, 2], [100], [3, 28, 28], [28, 2, 1], [5000, 8, 3], [4, 4, 4, 3]])
      expect(pictureShape(shape)).toBe(null);
  });
});
