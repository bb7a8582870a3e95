import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { dropoutMask, maskLayout } from '../../src/common/dropout_mask.js';
import { deriveKey, PURPOSE, type DropoutSlice } from '../../src/common/random.js';

interface Golden {
  masks: (DropoutSlice & { rate: number; kept: string })[];
}
/** Made by scripts/golden/philox.py from TensorFlow's own Philox. */
const golden = JSON.parse(readFileSync(new URL('../golden/philox.json', import.meta.url), 'utf8')) as Golden;

test('the mask is the golden one, with 8 bits per element and with 16', () => {
  expect(golden.masks.map(({ rate }) => maskLayout(rate, 1).bits)).toEqual([8, 16, 8]);
  for (const { kept, ...slice } of golden.masks) {
    const { keptScale } = maskLayout(slice.rate, slice.elementsPerExample);
    expect([...dropoutMask(slice)]).toEqual([...kept].map((bit) => (bit === '1' ? keptScale : 0)));
  }
});

test('any slice of a batch draws the mask that the whole batch draws', () => {
  const key = deriveKey({ seed: 1, purpose: PURPOSE.dropout, layer: 2 });
  for (const elementsPerExample of [0, 1, 7, 16, 17]) {
    for (const rate of [0.25, 0.2]) {
      const draw = (firstExample: number, examples: number) => [
        ...dropoutMask({ key, step: 5, firstExample, examples, elementsPerExample, rate }),
      ];
      const whole = draw(0, 11);
      expect(whole.length).toBe(11 * elementsPerExample);
      expect([...draw(0, 4), ...draw(4, 4), ...draw(8, 3)]).toEqual(whole);
      expect(draw(3, 0)).toEqual([]);
    }
  }
});

test('seeds, layers, steps and examples draw different masks', () => {
  const draw = (seed: number, layer: number, step: number, firstExample: number) =>
    dropoutMask({
      key: deriveKey({ seed, purpose: PURPOSE.dropout, layer }),
      step,
      firstExample,
      examples: 1,
      elementsPerExample: 64,
      rate: 0.5,
    }).join();
  expect(new Set([draw(0, 0, 1, 0), draw(1, 0, 1, 0), draw(0, 1, 1, 0), draw(0, 0, 2, 0), draw(0, 0, 1, 1)]).size).toBe(5);
});
