/**
 * Owns: `--data synthetic`: a data set of drawn digits, made from the seed alone.
 * Does not: draw (digit_painter.ts does), or stand in for MNIST: it is only used where it was asked for by name.
 */
import { setImmediate } from 'node:timers/promises';
import type { MemoryDataset } from '../../common/dataset.js';
import { below, deriveKey, PURPOSE, wordStream, type PhiloxKey } from '../../common/random.js';
import { assemblePlain, type PlainSplit } from '../assemble.js';
import { DIGIT_SIZE, DigitPainter } from '../digit_painter.js';
import type { SourceRow } from './source.js';

export const synthetic: SourceRow = {
  says: 'synthetic',
  isMeant: (data) => data === 'synthetic',
  everywhere: true,
  load: ({ seed }) => syntheticDigits({ seed }),
};

/** The splits' keys are kept apart by the key's layer, so that no digit is drawn for both. The numbers are part of the data: never change one. */
const SPLIT = { train: 0, validation: 1 } as const;

export interface SyntheticOptions {
  readonly seed: number;
  /** Examples; default 20,000 and 4,000. */
  readonly train?: number;
  readonly validation?: number;
}

/** Example i has a stream of random words of its own. Digits of [28, 28, 1] as bytes with scale 1/255, ten classes. The first N examples are the same for any larger size. */
export async function syntheticDigits({ seed, train = 20_000, validation = 4_000 }: SyntheticOptions): Promise<MemoryDataset> {
  const dataset = await assemblePlain({
    name: 'synthetic digits',
    inputShape: [DIGIT_SIZE, DIGIT_SIZE, 1],
    labelShape: [],
    classes: 10,
    scale: 1 / 255,
    train: await draw(deriveKey({ seed, purpose: PURPOSE.synthetic, layer: SPLIT.train }), train),
    validation: await draw(deriveKey({ seed, purpose: PURPOSE.synthetic, layer: SPLIT.validation }), validation),
  });
  return { ...dataset, oneOfEach: 'Drawn digits' };
}

async function draw(key: PhiloxKey, count: number): Promise<PlainSplit> {
  const pixels = DIGIT_SIZE * DIGIT_SIZE;
  const x = new Uint8Array(new SharedArrayBuffer(count * pixels));
  const y = new Uint8Array(new SharedArrayBuffer(count));
  const painter = new DigitPainter();
  for (let example = 0; example < count; example++) {
    const next = wordStream({ key, stream: example });
    y[example] = below(10, next);
    painter.paint(y[example], next, x, example * pixels);
    // About 10 ms: signals and the display come in between.
    if (example % 256 === 255) await setImmediate();
  }
  return { x, y, count };
}
