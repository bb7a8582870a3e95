import { expect, test } from 'vitest';
import { datasetFromArrays, type ArraysSource } from '../../src/data/arrays.js';
import { limitDataset } from '../../src/data/load.js';

/** Three training examples of two inputs and two targets, two of validation. */
function source(over: Partial<ArraysSource> = {}): ArraysSource {
  return {
    train: {
      x: { left: Float32Array.of(1, 2, 3, 4, 5, 6), right: Uint8Array.of(7, 8, 9) },
      y: { kind: Int32Array.of(0, 2, 1), size: Float32Array.of(0.5, 1.5, 2.5) },
    },
    validation: {
      x: { left: Float32Array.of(1, 2, 3, 4), right: Uint8Array.of(7, 8) },
      y: { kind: Int32Array.of(1, 0), size: Float32Array.of(3.5, 4.5) },
    },
    inputShape: { left: [2], right: [1] },
    ...over,
  };
}

async function failure(over: unknown): Promise<string> {
  const error: unknown = await datasetFromArrays(source(over as Partial<ArraysSource>)).catch((thrown: unknown) => thrown);
  return `${(error as { code: string }).code} ${(error as Error).message}`;
}

test('records of arrays are fields by name, with shape, type, scale and classes of their own', async () => {
  const { fields, train, validation } = await datasetFromArrays(source({ scale: { right: 0.1 }, classes: { kind: 5 } }));
  expect(fields).toEqual({
    inputs: [
      { name: 'left', shape: [2], type: 'float32', scale: 1 },
      { name: 'right', shape: [1], type: 'uint8', scale: 0.1 },
    ],
    targets: [
      { name: 'kind', shape: [], type: 'int32', scale: 1, classes: 5 },
      { name: 'size', shape: [1], type: 'float32', scale: 1 },
    ],
  });
  expect([train.count, ...train.inputs.right, ...train.targets.size]).toEqual([3, 7, 8, 9, 0.5, 1.5, 2.5]);
  expect([validation?.count, ...validation!.targets.kind]).toEqual([2, 1, 0]);
});

test('lists of arrays are fields by position', async () => {
  const { train, inputShape } = source();
  const { left, right } = train.x as Record<string, Float32Array>;
  const set = await datasetFromArrays({
    train: { x: [left, right], y: [Float32Array.of(1, 2, 3)] },
    inputShape: Object.values(inputShape) as number[][],
    labelShape: [[1]],
  });
  expect(set.fields.inputs.map(({ name, shape }) => [name, shape])).toEqual([
    ['0', [2]],
    ['1', [1]],
  ]);
  expect(set.fields.targets).toEqual([{ name: '0', shape: [1], type: 'float32', scale: 1 }]);
  expect(set.validation).toBeNull();
});

test('names are part of the identity, one unnamed input and target are as before there were names', async () => {
  const hash = async (over: Partial<ArraysSource>): Promise<string> => (await datasetFromArrays(source(over))).sha256;
  const { train } = source();
  const base = await hash({ validation: null });
  expect(await hash({ validation: null, classes: { kind: 3 } })).toBe(base);
  const y = train.y as Record<string, Float32Array>;
  const others = await Promise.all([
    hash({}),
    hash({ validation: null, scale: { left: 2 } }),
    hash({ validation: null, train: { ...train, y: { kind: y.kind, length: y.size } } }),
    hash({ validation: null, train: { ...train, y: { size: y.size, kind: y.kind } } }),
    hash({ validation: null, train: { ...train, y: { kind: y.kind, size: Float32Array.of(0.5, 1.5, 2) } } }),
  ]);
  expect(new Set([base, ...others]).size).toBe(6);
  const single = { x: Float32Array.of(1, 2, 3, 4), y: Uint8Array.of(0, 1) };
  const plain = { train: single, validation: single, inputShape: [2] };
  // As the commit before names printed it: runs of then are resumed.
  expect((await datasetFromArrays(plain)).sha256).toBe('df98e7c2aad0863a0e5388e0323b892bccdd472bca5f421b752c6b7eca0bd640');
  expect(
    (
      await datasetFromArrays({
        ...plain,
        train: { x: { x: single.x }, y: { y: single.y } },
        validation: { x: { x: single.x }, y: { y: single.y } },
        inputShape: { x: [2] },
      })
    ).sha256,
  ).toBe('df98e7c2aad0863a0e5388e0323b892bccdd472bca5f421b752c6b7eca0bd640');
});

test('what does not fit together is named by its array', async () => {
  const { train } = source();
  const [x, y] = [train.x as Record<string, Float32Array>, train.y as Record<string, Float32Array>];
  expect(await failure({ inputShape: [2] })).toBe(
    'DATA_ARRAYS arrays: inputShape is [2], wanted a record of left, right, as the arrays are given',
  );
  expect(await failure({ inputShape: { left: [2] } })).toBe(
    'DATA_ARRAYS arrays: inputShape.right is undefined, wanted a list of positive whole numbers',
  );
  expect(await failure({ inputShape: { left: [2], right: [1], wrong: [1] } })).toBe(
    'DATA_ARRAYS arrays: inputShape.wrong is of no array: there are left, right',
  );
  expect(await failure({ train: { ...train, x: { ...x, right: Uint8Array.of(1, 2) } } })).toBe(
    'DATA_ARRAYS arrays: train.x.right has 2 examples, train.x.left has 3',
  );
  expect(await failure({ train: { ...train, y: { ...y, size: Float32Array.of(1, 2) } } })).toBe(
    'DATA_ARRAYS arrays: train.y.size has 2 values, wanted 3: 3 examples of labelShape [1]',
  );
  expect(await failure({ train: { ...train, y: { ...y, size: [1, 2, 3] } } })).toBe(
    'DATA_ARRAYS arrays: train.y.size is [1, 2, 3], wanted a typed array (Uint8Array, Int32Array, Float32Array ...)',
  );
  expect(await failure({ train: { ...train, y: { kind: y.kind } } })).toBe(
    'DATA_ARRAYS arrays: train has x of left, right and y of kind, validation has x of left, right and y of kind, size',
  );
  expect(await failure({ train: { ...train, x: {} } })).toBe('DATA_ARRAYS arrays: train.x is an object of no arrays');
  expect(await failure({ classes: { kind: 2 } })).toBe(
    'DATA_LABELS arrays: label 1 of the train set is 2, wanted a whole number from 0 to 1',
  );
});

test('data without validation are data; a slip of the pen in its name is told, and so is a read beside arrays', async () => {
  const { train, validation } = source();
  expect((await datasetFromArrays({ train, inputShape: source().inputShape })).validation).toBeNull();
  for (const name of ['valdation', 'val', 'test'])
    expect(await failure({ validation: undefined, [name]: validation })).toBe(
      `DATA_ARRAYS arrays: there is a ${name} set and no validation, did you mean that? Give validation: null where there is none`,
    );
  expect((await datasetFromArrays({ ...source({ validation: null }), ...{ test: validation } })).validation).toBeNull();
  expect(await failure({ train: { count: 3, read: () => train } })).toMatch(
    /^DATA_ARRAYS arrays: train.read is a function: train and validation are both arrays, or both { count, read }/,
  );
});

test('weights of examples are one array for all targets or one for each, part of the identity, and cut by a limit', async () => {
  const { train } = source();
  const with_ = (weights: unknown): unknown => ({ validation: null, train: { ...train, weights } });
  const set = await datasetFromArrays(source(with_(Float64Array.of(0, 0.5, 2)) as Partial<ArraysSource>));
  expect([...set.train.weights!.kind, ...set.train.weights!.size]).toEqual([0, 0.5, 2, 0, 0.5, 2]);
  const one = await datasetFromArrays(source(with_({ kind: Uint8Array.of(0, 1, 2) }) as Partial<ArraysSource>));
  expect(Object.keys(one.train.weights!)).toEqual(['kind']);
  expect([...limitDataset(one, { trainLimit: 2, validationLimit: null }).train.weights!.kind]).toEqual([0, 1]);
  const without = await datasetFromArrays(source({ validation: null }));
  expect(new Set([set.sha256, one.sha256, without.sha256]).size).toBe(3);
  expect(await failure(with_(Float32Array.of(1, 2)))).toBe(
    'DATA_ARRAYS arrays: train.weights has 2 values, wanted 3: one for each example',
  );
  expect(await failure(with_({ sort: Float32Array.of(1, 2, 3) }))).toBe(
    'DATA_ARRAYS arrays: train.weights.sort is of no labels: there are kind, size',
  );
});
