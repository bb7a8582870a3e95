import { expect, it } from 'vitest';
import { encodeDescription, readDescription } from '../../src/common/protocol/description.js';
import { ACCURACY_OBJECTIVE } from '../support/accuracy_objective.js';
import { createBucketLayout } from '../../src/common/bucket_layout.js';

const weights = [
  { name: 'w', shape: [2, 3] },
  { name: 'moving', shape: [3], statisticMomentum: 0.9 },
];
const model = {
  name: 'm',
  topology: '{}',
  layout: createBucketLayout({ weights, trained: 1 }),
  objective: ACCURACY_OBJECTIVE,
  initial: Float32Array.from({ length: 9 }, (_, i) => i / 8),
};

it('carries a model to the bit', () => {
  expect(readDescription(encodeDescription(model))).toEqual(model);
});

/** The description with its JSON changed, and its bytes in proportion. */
function spoiled(change: (json: Record<string, unknown>) => unknown, initial = model.initial) {
  const { jsonBytes, bytes } = encodeDescription({ ...model, initial });
  const json = JSON.parse(Buffer.from(bytes.subarray(0, jsonBytes)).toString()) as Record<string, unknown>;
  const text = Buffer.from(JSON.stringify(change(json)));
  return { jsonBytes: text.length, weights: 9, bytes: Buffer.concat([text, bytes.subarray(jsonBytes)]) };
}
const shape = (changes: object) => (json: Record<string, unknown>) => ({
  ...json,
  shapes: [{ ...weights[0], ...changes }, weights[1]],
});

it.each([
  ['no weights', (json: object) => ({ ...json, shapes: [] }), 'shapes'],
  ['a negative extent', shape({ shape: [-2, -3] }), 'shapes.0.shape.0'],
  ['half an extent', shape({ shape: [0.5, 12] }), 'shapes.0.shape.0'],
  ['nine dimensions', shape({ shape: [6, 1, 1, 1, 1, 1, 1, 1, 1] }), 'shapes.0.shape'],
  ['a name without end', shape({ name: 'x'.repeat(501) }), 'shapes.0.name'],
  ['one name twice', shape({ name: 'moving' }), 'two weights of one name'],
  ['more trained weights than there are', (json: object) => ({ ...json, trained: 3 }), '3 trained weights among 2'],
  ['a trained moving statistic', (json: object) => ({ ...json, trained: 2 }), 'a moving statistic that is trained'],
  ['a momentum of 2', shape({ statisticMomentum: 2 }), 'shapes.0.statisticMomentum'],
  ['more weights than it brings', shape({ shape: [3, 3] }), '12 weights with 9'],
  ['another key', (json: object) => ({ ...json, path: '/etc' }), 'path'],
])('refuses %s', (_, change, why) => {
  expect(() => readDescription(spoiled(change))).toThrow(why);
});

it('refuses what is no JSON, and initial weights that are not finite', () => {
  expect(() => readDescription({ jsonBytes: 3, weights: 0, bytes: Buffer.from('{]}') })).toThrow('not JSON');
  const initial = model.initial.map((value, at) => (at === 4 ? Infinity : value));
  expect(() => readDescription(spoiled((json) => json, initial))).toThrow('not finite');
});
