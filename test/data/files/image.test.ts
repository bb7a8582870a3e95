import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { DataError } from '../../../src/common/errors.js';
import { openImageDecoder, type ImageForm } from '../../../src/data/files/image.js';
import { listNpyArrays, rowsOf } from '../../../src/data/files/npy_arrays.js';
import type { Pixels } from '../../../src/data/files/resample.js';

/** Pictures and their pixels by Pillow, made by scripts/golden/make_files.py. */
const golden = (name: string): string => fileURLToPath(new URL(`../../golden/files/${name}`, import.meta.url));
const decoder = await openImageDecoder();
const expected = await listNpyArrays(golden('pixels.npz'));
const RGB: ImageForm = { channels: 3, depth: 8, size: null, fit: 'stretch' };

async function decode(name: string, form: Partial<ImageForm> = {}): Promise<Pixels> {
  return decoder.decode(await readFile(golden(`pictures/${name}`)), { ...RGB, ...form });
}

async function pillow(key: string): Promise<{ height: number; width: number; values: number[] }> {
  const array = expected.get(key);
  if (array === undefined || array instanceof DataError) throw new Error(`no pixels of ${key}`);
  const values: number[] = [];
  for await (const rows of rowsOf(array, 1000, Infinity)) values.push(...rows);
  return { height: array.shape[0], width: array.shape[1], values };
}

const plain = ({ height, width, values }: Pixels) => ({ height, width, values: [...values] });

test('RGB and gray pixels of every format are those of Pillow, with profiles and rotation left alone', async () => {
  const names = [...expected.keys()].filter((key) => / (rgb|gray)$/.test(key) && !key.startsWith('gray16'));
  expect(names).toHaveLength(34);
  const different: string[] = [];
  for (const key of names) {
    const [name, channels] = key.split(' ');
    const got = plain(await decode(name, { channels: channels === 'rgb' ? 3 : 1 }));
    if (JSON.stringify(got) !== JSON.stringify(await pillow(key))) different.push(key);
  }
  expect(different).toEqual([]);
});

test('16 bits are all there', async () => {
  expect(plain(await decode('gray16.png', { channels: 1, depth: 16 }))).toEqual(await pillow('gray16.png gray'));
  const small = { channels: 1, depth: 16, size: { height: 5, width: 7 } } as const;
  expect(plain(await decode('gray16.png', small))).toEqual(await pillow('gray16.png gray 5x7'));
});

test('enlarged, shrunk, stretched and cropped they are those of Pillow', async () => {
  const names = [...expected.keys()].filter((key) => / (stretch|crop) /.test(key));
  expect(names).toHaveLength(20);
  const different: string[] = [];
  for (const key of names) {
    const [name, fit, size] = key.split(' ');
    const [height, width] = size.split('x').map(Number);
    const got = plain(await decode(name, { fit: fit as 'crop', size: { height, width } }));
    if (JSON.stringify(got) !== JSON.stringify(await pillow(key))) different.push(key);
  }
  expect(different).toEqual([]);
});

test('what is broken, or has other colors or bits, is bad', async () => {
  const told: string[] = [];
  const bad: [string, Partial<ImageForm>][] = [
    ['cut.jpg', {}],
    ['text.png', {}],
    ['cmyk.jpg', {}],
    ['gray16.png', {}],
    ['gray.png', { depth: 16 }],
  ];
  for (const [name, form] of bad)
    told.push(
      await decode(name, form).then(
        () => `${name} is read`,
        (error: Error) => `${name} ${error.message}`,
      ),
    );
  expect(told).toMatchInlineSnapshot(`
    [
      "cut.jpg cannot be decoded: Input buffer has corrupt header: VipsJpeg: premature end of JPEG image",
      "text.png cannot be decoded: Input buffer contains unsupported image format",
      "cmyk.jpg is in CMYK, wanted gray or RGB",
      "gray16.png has 16 bits a value, wanted 8",
      "gray.png has 8 bits a value, wanted 16",
    ]
  `);
});
