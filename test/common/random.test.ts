import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { below, deriveKey, permutation, philoxBlock, PURPOSE, wordStream } from '../../src/common/random.js';
import type { PhiloxKey, Purpose } from '../../src/common/random.js';

interface Golden {
  keys: { seed: number; purpose: Purpose; layer: number; key: PhiloxKey }[];
  shuffles: { seed: number; epoch: number; count: number; first: number[]; sha256: string }[];
  words: { key: PhiloxKey; counter: [number, number, number, number]; words: number[] }[];
}
/** Made by scripts/golden/philox.py from TensorFlow's own Philox. */
const golden = JSON.parse(readFileSync(new URL('../golden/philox.json', import.meta.url), 'utf8')) as Golden;

function block(key: readonly [number, number], counter: readonly [number, number, number, number]): string[] {
  const words = new Uint32Array(4);
  philoxBlock({ low: key[0], high: key[1] }, ...counter, words, 0);
  return [...words].map((word) => word.toString(16).padStart(8, '0'));
}

// Random123, tests/kat_vectors, "philox4x32 10".
test('Philox gives the known answers of Random123', () => {
  expect(block([0, 0], [0, 0, 0, 0])).toEqual(['6627e8d5', 'e169c58d', 'bc57ac4c', '9b00dbd8']);
  const ones = 0xffffffff;
  expect(block([ones, ones], [ones, ones, ones, ones])).toEqual(['408f276d', '41c83b0e', 'a20bc7c6', '6d5451fd']);
  expect(block([0xa4093822, 0x299f31d0], [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344])).toEqual([
    'd16cfe09',
    '94fdcceb',
    '5001e420',
    '24126ea1',
  ]);
});

test('keys use both halves of the seed and of the layer number', () => {
  expect(golden.keys.length).toBe(6);
  for (const { key, ...use } of golden.keys) expect(deriveKey(use), JSON.stringify(use)).toEqual(key);
  expect(new Set(golden.keys.map(({ key }) => `${key.low} ${key.high}`)).size).toBe(golden.keys.length);
});

test('a seed that is no whole number from 0 on is a bug', () => {
  for (const seed of [-1, 0.5, NaN, 2 ** 53])
    expect(() => deriveKey({ seed, purpose: PURPOSE.shuffle, layer: 0 })).toThrow('internal:');
});

test('the shuffle of an epoch is the golden one', () => {
  for (const { seed, epoch, count, first, sha256 } of golden.shuffles) {
    const order = permutation({ seed, epoch, count });
    expect([...order.subarray(0, 8)]).toEqual(first);
    expect(createHash('sha256').update(order).digest('hex')).toBe(sha256);
  }
});

test('the first eight of 60,000 for seeds 0 and 1', () => {
  const first = (seed: number) => [...permutation({ seed, epoch: 1, count: 60_000 }).subarray(0, 8)];
  expect(first(0)).toEqual([43204, 26050, 6445, 48357, 48416, 30612, 12939, 40812]);
  expect(first(1)).toEqual([44679, 3917, 13772, 32447, 5902, 6936, 35611, 12293]);
});

test('a shuffle holds every example once, for 0, 1, 2 and a prime number of them', () => {
  for (const count of [0, 1, 2, 997]) {
    const order = permutation({ seed: 3, epoch: 1, count });
    expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, i) => i));
  }
});

test('each of the 24 orders of 4 examples is about equally likely', () => {
  const seen = new Map<string, number>();
  for (let epoch = 1; epoch <= 24_000; epoch++) {
    const order = permutation({ seed: 0, epoch, count: 4 }).join('');
    seen.set(order, (seen.get(order) ?? 0) + 1);
  }
  expect(seen.size).toBe(24);
  // Expected 1,000 each with a standard deviation of 31: five of them on either side.
  for (const times of seen.values()) expect(Math.abs(times - 1000)).toBeLessThan(155);
});

test('a bounded draw rejects the words that would make small numbers likelier', () => {
  const from =
    (...words: number[]) =>
    () =>
      words.shift() as number;
  // 2^32 mod 3 = 1: of all words only the one with (3 · word) mod 2^32 < 1, which is 0, is refused.
  expect(below(3, from(0, 0x80000000))).toBe(1);
  expect(below(3, from(1))).toBe(0);
  expect(below(3, from(0xffffffff))).toBe(2);
  expect(below(1, from(0xffffffff))).toBe(0);
  expect(below(0xffffffff, from(0xffffffff))).toBe(0xfffffffe);
});

test('TensorFlow draws the same words from the same key and counter, and carries from one counter word into the next', () => {
  for (const { key, counter, words } of golden.words) {
    const [low, carry] = counter[0] === 0xffffffff ? [0, 1] : [counter[0] + 1, 0];
    const second = [low, counter[1] + carry, counter[2], counter[3]] as const;
    const hex = words.map((word) => word.toString(16).padStart(8, '0'));
    expect([...block([key.low, key.high], counter), ...block([key.low, key.high], second)]).toEqual(hex);
  }
});

test('a word stream is the blocks of its counter in order', () => {
  const next = wordStream({ key: { low: 5, high: 6 }, stream: 2 ** 32 + 9 });
  const words = Array.from({ length: 6 }, () => next().toString(16).padStart(8, '0'));
  expect(words).toEqual([...block([5, 6], [0, 0, 9, 1]), ...block([5, 6], [1, 0, 9, 1]).slice(0, 2)]);
});
