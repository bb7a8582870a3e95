import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
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

/** 3 wide and 2 high, all pixels different; lossless. */
const SMALL = Uint8Array.from({ length: 18 }, (_, at) => at * 14);
const small = () => sharp(SMALL, { raw: { width: 3, height: 2, channels: 3 } });

test('a TIFF that says how it is turned is turned, as by Pillow, and no other picture is', async () => {
  const at = (row: number, column: number): number[] => [...SMALL.subarray((row * 3 + column) * 3, (row * 3 + column) * 3 + 3)];
  const tiff = await small().withMetadata({ orientation: 6 }).tiff({ compression: 'none' }).toBuffer();
  // What lies left at the bottom comes first: a quarter of a turn clockwise.
  const clockwise = [at(1, 0), at(0, 0), at(1, 1), at(0, 1), at(1, 2), at(0, 2)].flat();
  expect(plain(await decoder.decode(tiff, RGB))).toEqual({ height: 3, width: 2, values: clockwise });
  const png = await small().withMetadata({ orientation: 6 }).png().toBuffer();
  expect(plain(await decoder.decode(png, RGB))).toEqual({ height: 2, width: 3, values: [...SMALL] });
});

test('what sharp would draw otherwise than Pillow, or Pillow not at all, is bad', async () => {
  const clear = Buffer.from(SMALL.subarray(0, 16));
  clear.set([255, 255, 255, 255], 3);
  clear[7] = 0;
  const gif = await sharp(clear, { raw: { width: 2, height: 2, channels: 4 } })
    .gif()
    .toBuffer();
  await expect(decoder.decode(gif, RGB)).rejects.toThrow(
    'has transparent pixels, whose colors are not read from a GIF: save it as PNG',
  );
  const svg = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="3" height="2"><rect width="3" height="2"/></svg>');
  await expect(decoder.decode(svg, RGB)).rejects.toThrow('is SVG, wanted PNG, JPEG, WebP, GIF, TIFF or AVIF');
});

test('a TIFF whose numbers are other colors than sharp and Pillow agree on is refused, and YCbCr that JPEG has packed is not', async () => {
  const gray = { ...RGB, channels: 1 as const, depth: 16 as const };
  const rgb = sharp(new Uint8Array(192).fill(128), { raw: { width: 8, height: 8, channels: 3 } });
  const wide = sharp(new Uint16Array(64).fill(1000), { raw: { width: 8, height: 8, channels: 1 } }).toColourspace('grey16');
  const [colors, grays] = [
    await rgb.tiff({ compression: 'none' }).toBuffer(),
    await wide.tiff({ compression: 'none' }).toBuffer(),
  ];
  expect((await decoder.decode(grays, gray)).values).toEqual(new Uint16Array(64).fill(1000));
  await expect(decoder.decode(withPhotometric(grays, 0), gray)).rejects.toThrow('0 is white');
  await expect(decoder.decode(withPhotometric(colors, 6), RGB)).rejects.toThrow('is in YCbCr');

  const packed = await rgb.tiff({ compression: 'jpeg' }).toBuffer();
  expect(photometricOf(packed)).toBe(6);
  expect([...(await decoder.decode(packed, RGB)).values]).toEqual(Array(192).fill(128));
});

/** Where the first directory of a TIFF keeps what its numbers mean. */
function placeOfPhotometric(tiff: Buffer): number {
  const start = tiff.readUInt32LE(4);
  const entries = Array.from({ length: tiff.readUInt16LE(start) }, (_, i) => start + 2 + 12 * i);
  return (entries.find((at) => tiff.readUInt16LE(at) === 262) ?? NaN) + 8;
}

const photometricOf = (tiff: Buffer): number => tiff.readUInt16LE(placeOfPhotometric(tiff));

function withPhotometric(tiff: Buffer, value: number): Buffer {
  const changed = Buffer.from(tiff);
  changed.writeUInt16LE(value, placeOfPhotometric(tiff));
  return changed;
}
