import { expect, test } from 'vitest';
import type { ExpectedError } from '../../src/common/errors.js';
import { datasetFromArrays, type SourceArray } from '../../src/data/arrays.js';
import { findLoss } from '../../src/objective/find_names.js';
import { requireLabels } from '../../src/objective/labels.js';
import { takesIndices } from '../../src/objective/shapes.js';
import { plain } from '../support/plain_data.js';

/** What is said of these labels, with as many inputs; `taken` where nothing is. The validation set has the first label alone. */
async function said(loss: string, y: SourceArray, labelShape: number[]): Promise<string> {
  const width = labelShape.reduce((a, b) => a * b, 1);
  const given = await datasetFromArrays({
    train: { x: new Float32Array(y.length / width), y },
    validation: { x: new Float32Array(1), y: y.slice(0, width) },
    inputShape: [1],
    labelShape,
  });
  try {
    const found = findLoss(loss);
    const indices = labelShape.length === 0 && found.loss.labels.indices !== 'never';
    requireLabels({ name: found.name, labels: found.loss.labels }, plain(given), { indices, classes: null });
    return 'taken';
  } catch (error) {
    const { exitCode, code, message } = error as ExpectedError;
    return `${exitCode} ${code}: ${message}`;
  }
}

test('labels that a cross-entropy has no meaning for are refused with their place', async () => {
  expect([
    await said('sigmoid_cross_entropy', Uint8Array.of(0, 255, 0), [1]),
    await said('sigmoid_cross_entropy', Float32Array.of(1, -1), [1]),
    await said('sigmoid_cross_entropy', Int32Array.of(1, 2), []),
    await said('sigmoid_cross_entropy', Int8Array.of(1, -1), []),
    await said('sigmoid_cross_entropy', Float32Array.of(0, 1, 1, 0, 0, 2), [1, 3]),
    await said('softmax_cross_entropy', Uint8Array.of(0, 255, 255, 0), [2]),
    await said('softmax_cross_entropy', Float32Array.of(1, 0, 0, -0.5), [2]),
    await said('softmax_cross_entropy', Int32Array.of(0, -1, 2), []),
    await said('softmax_cross_entropy', Float32Array.of(0, 1.5), []),
  ]).toMatchInlineSnapshot(`
    [
      "4 DATA_LABELS: arrays: label 1 of the train set is 255, and sigmoid_cross_entropy wants probabilities from 0 to 1",
      "4 DATA_LABELS: arrays: label 1 of the train set is -1, and sigmoid_cross_entropy wants probabilities from 0 to 1",
      "4 DATA_LABELS: arrays: label 1 of the train set is 2, and sigmoid_cross_entropy wants probabilities from 0 to 1",
      "4 DATA_LABELS: arrays: label 1 of the train set is -1, and sigmoid_cross_entropy wants probabilities from 0 to 1",
      "4 DATA_LABELS: arrays: label 1 of the train set is 2 in value 2, and sigmoid_cross_entropy wants probabilities from 0 to 1",
      "4 DATA_LABELS: arrays: label 0 of the train set is 255 in value 1, and softmax_cross_entropy wants shares from 0 to 1 in the rows of labels",
      "4 DATA_LABELS: arrays: label 1 of the train set is -0.5 in value 1, and softmax_cross_entropy wants shares from 0 to 1 in the rows of labels",
      "4 DATA_LABELS: arrays: label 1 of the train set is -1, wanted a whole number of at least 0: softmax_cross_entropy takes it for the index of a class",
      "4 DATA_LABELS: arrays: label 1 of the train set is 1.5, wanted a whole number of at least 0: softmax_cross_entropy takes it for the index of a class",
    ]
  `);
});

test('probabilities, shares, rows of any sum and the targets of a regression are taken', async () => {
  const all = [
    await said('sigmoid_cross_entropy', Float32Array.of(0, 0.25, 1), [1]),
    await said('sigmoid_cross_entropy', Uint8Array.of(0, 1), []),
    await said('softmax_cross_entropy', Float32Array.of(0, 0, 0.5, 0.2, 1, 1), [2]),
    await said('softmax_cross_entropy', Uint8Array.of(0, 2, 1), []),
    await said('mean_squared_error', Int8Array.of(-100, 3), []),
    await said('mean_squared_error', Float32Array.of(-1e9, 255), [2]),
  ];
  expect(all).toEqual(all.map(() => 'taken'));
});

test('labels that start at 1 are told to begin at 0', async () => {
  const set = plain(
    await datasetFromArrays({
      train: { x: new Float32Array(3), y: Int32Array.of(1, 2, 3) },
      validation: { x: new Float32Array(1), y: Int32Array.of(3) },
      inputShape: [1],
    }),
  );
  const { name, loss } = findLoss('softmax_cross_entropy');
  const check = (classes: number) => () => requireLabels({ name, labels: loss.labels }, set, { indices: true, classes });
  expect(check(4)).not.toThrow();
  expect(check(3)).toThrow(
    expect.objectContaining({ code: 'DATA_LABELS', next: expect.stringContaining('start at 1: subtract 1') as string }) as Error,
  );
  expect(() => takesIndices({ name, loss }, { output: [3], label: [], classes: 4 })).toThrow(
    expect.objectContaining({ code: 'LABELS_SHAPE', next: expect.stringContaining('start at 1, subtract 1') as string }) as Error,
  );
});
