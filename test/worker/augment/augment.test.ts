/**
 * Owns: a run's list as a whole: labels softened, smoothed and mixed, in the list's order, partners augmented as in their own place, the module's own function.
 * Does not: repeat what each picture's operation does (picture_ops.test.ts).
 */
import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import type { Field } from '../../../src/common/dataset.js';
import { deriveKey, exampleWords, PURPOSE } from '../../../src/common/random.js';
import { upload } from '../../../src/engine/index.js';
import type { TargetFacts } from '../../../src/objective/create_objective.js';
import { createAugment, type Augment } from '../../../src/worker/augment/augment.js';
import { fitAugmentation, type FittingFacts } from '../../../src/worker/augment/fitting.js';
import { userAugment, type AugmentFunction } from '../../../src/worker/augment/user_augment.js';
import type { TensorBatch } from '../../../src/worker/replica/bind_fields.js';
import { engineForTests } from '../../support/gradient_checks.js';

const CLASSES: TargetFacts = {
  loss: 'softmax_cross_entropy',
  indices: true,
  labels: 'shares',
  classes: 4,
  positions: [],
  mixes: true,
};
const ROWS_OF_CLASSES: TargetFacts = { ...CLASSES, indices: false };
const YES_NO: TargetFacts = { ...CLASSES, loss: 'sigmoid_cross_entropy', indices: false, labels: 'yes_no' };
const VALUES: TargetFacts = { ...CLASSES, loss: 'mean_squared_error', indices: false, labels: 'values' };
const SIGNS: TargetFacts = { ...VALUES, loss: 'hinge', mixes: false };

const field = (name: string, shape: number[], type: Field['type'] = 'float32', scale = 1): Field => ({
  name,
  shape,
  type,
  scale,
});
const bound = (of: Field) => ({ name: `${of.name}_layer`, field: of });
const PICTURE = field('x', [2, 3, 1], 'uint8', 1 / 255);

function factsOf(list: string[], over: Partial<FittingFacts> & { inputs?: Field[]; labels?: Field[] } = {}): FittingFacts {
  const { inputs = [PICTURE], labels = [field('y', [])], ...rest } = over;
  return {
    ...{ list, targets: [CLASSES], masked: labels.map(() => false), weighted: labels.map(() => false) },
    ...{ tokens: inputs.map(() => false), binding: { inputs: inputs.map(bound), targets: labels.map(bound) } },
    ...rest,
  };
}

describe('a list', () => {
  const engine = engineForTests();
  const augmentOf = (facts: FittingFacts, own?: AugmentFunction): Augment => {
    const user = own === undefined ? null : userAugment('model.mjs', own);
    const fitted = fitAugmentation(facts);
    return createAugment({ engine: engine(), seed: 7, binding: facts.binding, facts: facts.targets, fitted, user })!;
  };
  const int = (values: number[], shape = [values.length]): tf.Tensor => upload(engine(), Int32Array.from(values), shape);
  const real = (values: number[], shape: number[]): tf.Tensor => upload(engine(), Float32Array.from(values), shape);

  const PIXELS = [0, 51, 102, 153, 204, 255, 255, 0, 0, 0, 0, 0];
  const picturesOf = (values: number[]): tf.Tensor => upload(engine(), Uint8Array.from(values), [values.length / 6, 2, 3, 1]);
  const batchOf = (over: Partial<TensorBatch> = {}): TensorBatch => ({
    ...{ inputs: { x: picturesOf(PIXELS) }, targets: { y: int([2, 0]) }, weights: {}, scales: {} },
    ...{ drawn: { rows: int([11, 5]), epoch: int([3, 0]) }, ...over },
  });
  const list = (tensor: tf.Tensor): number[] => [...tensor.dataSync()];
  /** First number of a row for the augmentation at a place of the list. */
  const first = (row: number, place: number): number =>
    Math.floor(exampleWords(deriveKey({ seed: 7, purpose: PURPOSE.augment, layer: place }), { row, epoch: 3 })() / 2 ** 8) /
    2 ** 24;

  it('draws by seed, epoch, row and place in the list, on scaled pictures that stay within their range', () => {
    const { inputs, targets } = augmentOf(factsOf(['brightness 0.5', 'brightness 0.25'])).apply(batchOf());
    const clamp = (value: number): number => Math.min(Math.max(value, 0), 1);
    const wanted = PIXELS.map((pixel, i) => {
      const row = [11, 5][Math.floor(i / 6)];
      return clamp(clamp(pixel / 255 + (2 * first(row, 0) - 1) * 0.5) + (2 * first(row, 1) - 1) * 0.25);
    });
    list(inputs.x).forEach((value, i) => expect(value).toBeCloseTo(wanted[i], 6));
    expect([list(targets.y), targets.y.dtype]).toEqual([[2, 0], 'int32']);
  });

  it('smooths labels: indices become rows of shares, one-hot rows and yes and no stay what they are', () => {
    const indices = augmentOf(factsOf(['label_smoothing 0.2'])).apply(batchOf()).targets.y;
    expect(indices.shape).toEqual([2, 4]);
    list(indices).forEach((value, i) => expect(value).toBeCloseTo([0.05, 0.05, 0.85, 0.05, 0.85, 0.05, 0.05, 0.05][i], 6));
    const rows = factsOf(['label_smoothing 0.2'], { targets: [ROWS_OF_CLASSES], labels: [field('y', [4])] });
    const soft = augmentOf(rows).apply(batchOf({ targets: { y: real([0, 0, 1, 0, 0.5, 0.5, 0, 0], [2, 4]) } })).targets.y;
    list(soft).forEach((value, i) => expect(value).toBeCloseTo([0.05, 0.05, 0.85, 0.05, 0.45, 0.45, 0.05, 0.05][i], 6));
    const yesNo = factsOf(['label_smoothing 0.2'], { targets: [YES_NO] });
    list(augmentOf(yesNo).apply(batchOf({ targets: { y: real([1, 0], [2]) } })).targets.y).forEach((value, i) =>
      expect(value).toBeCloseTo([0.9, 0.1][i], 6),
    );
  });

  it('takes an index for each position of an output apart', () => {
    const facts = factsOf(['mixup 1'], { targets: [{ ...CLASSES, positions: [2], classes: 3 }], labels: [field('y', [2, 1])] });
    const batch = batchOf({ targets: { y: int([2, 0, 1, 1], [2, 2, 1]) } });
    expect(augmentOf({ ...facts, list: ['label_smoothing 0.3'] }).apply(batch).targets.y.shape).toEqual([2, 2, 3]);
  });

  it('mixes pictures and labels with the partner as augmented in its own place, and goes on with the row of the example', () => {
    const partner = {
      inputs: { x: picturesOf([...PIXELS].reverse()) },
      targets: { y: int([1, 2]) },
      rows: int([5, 90]),
      shares: real([0.75, 0.5], [2]),
    };
    const drawn = { ...batchOf().drawn!, partner };
    const names = ['brightness 0.5', 'mixup 0.2', 'contrast 0.5'];
    const mixed = augmentOf(factsOf(names)).apply(batchOf({ drawn }));
    // By hand, of operations that the tests above know.
    const before = augmentOf(factsOf(names.slice(0, 1)));
    const [own, other] = [
      before.apply(batchOf()).inputs.x,
      before.apply({ ...batchOf(), inputs: partner.inputs, drawn: { rows: partner.rows, epoch: drawn.epoch } }).inputs.x,
    ];
    const [a, b] = [list(own), list(other)];
    const share = (i: number): number => [0.75, 0.5][Math.floor(i / 6)];
    const sum = a.map((value, i) => share(i) * value + (1 - share(i)) * b[i]);
    const wanted = sum.map((value, i) => {
      const [n, row] = [Math.floor(i / 6), [11, 5][Math.floor(i / 6)]];
      const mean = sum.slice(6 * n, 6 * n + 6).reduce((total, one) => total + one, 0) / 6;
      return Math.min(Math.max(mean + (1 + (2 * first(row, 2) - 1) * 0.5) * (value - mean), 0), 1);
    });
    list(mixed.inputs.x).forEach((value, i) => expect(value).toBeCloseTo(wanted[i], 6));
    expect(list(mixed.targets.y)).toEqual([0, 0.25, 0.75, 0, 0.5, 0, 0.5, 0]);
    const values = factsOf(['mixup 0.2'], { targets: [VALUES] });
    const targets = { y: real([4, 8], [2]) };
    const mixedValues = augmentOf(values).apply(
      batchOf({ targets, drawn: { ...drawn, partner: { ...partner, targets: { y: real([0, 2], [2]) } } } }),
    );
    expect(list(mixedValues.targets.y)).toEqual([3, 5]);
  });

  it('comes after the function of the module, which sees labels as the data have them and may leave things out', () => {
    const own: AugmentFunction = (of, { inputs, targets }, random) => {
      expect([inputs.x.dtype, targets.y.dtype, random([]).shape, random([2, 1], { distribution: 'normal' }).shape]).toEqual([
        ...['float32', 'int32'],
        ...[[2], [2, 2, 1]],
      ]);
      return { inputs: { x: of.sub(1, inputs.x) } };
    };
    const { inputs, targets } = augmentOf(factsOf(['label_smoothing 0.2']), own).apply(batchOf());
    list(inputs.x).forEach((value, i) => expect(value).toBeCloseTo(1 - PIXELS[i] / 255, 6));
    expect(targets.y.shape).toEqual([2, 4]);
    const random: AugmentFunction = (of, _, draw) => ({
      inputs: { x: of.mul(of.ones([2, 2, 3, 1]), of.reshape(draw([], { minval: 2, maxval: 4 }), [-1, 1, 1, 1])) },
    });
    const drawn = list(augmentOf(factsOf([]), random).apply(batchOf()).inputs.x);
    expect([drawn[0], drawn[6]]).toEqual([11, 5].map((row) => Math.fround(2 + 2 * first(row, 2 ** 20))));
  });

  it.each<[string, AugmentFunction]>([
    ['it returns undefined', () => undefined as never],
    ['it returns inputs.z, and inputs are x', ({ ones }) => ({ inputs: { z: ones([2]) } })],
    ['inputs.x that it returns is [2, 2], wanted [2, 2, 3, 1]', (of) => ({ inputs: { x: of.ones([2, 2]) } })],
    ['targets.y that it returns is number, wanted a tensor', () => ({ targets: { y: 5 as never } })],
    [
      'no luck',
      () => {
        throw new Error('no luck');
      },
    ],
  ])('refuses a function of which it must be said: %s', (why, own) => {
    const message = `augment of model.mjs fails: ${why}`;
    expect(() => augmentOf(factsOf([]), own).apply(batchOf())).toThrow(
      expect.objectContaining({ code: 'MODEL_FAILS', message: expect.stringContaining(message) as string }),
    );
  });

  it('leaves nothing behind', () => {
    const augment = augmentOf(
      factsOf(['flip both', 'shift 1', 'rotate 9', 'zoom 0.1', 'contrast 0.1', 'cutout 1', 'label_smoothing 0.1']),
      (of, { inputs }, random) => ({
        inputs: { x: of.add(inputs.x, random([2, 3, 1])) },
      }),
    );
    const batch = batchOf();
    const before = [tf.memory().numTensors, engine().liveHandles()];
    const made = augment.apply(batch);
    expect(tf.memory().numTensors - before[0]).toBe(2);
    tf.dispose(made as unknown as tf.TensorContainer);
    expect([tf.memory().numTensors, engine().liveHandles()]).toEqual(before);
    expect(list(batch.targets.y)).toEqual([2, 0]);
  });
});

describe('what does not fit is refused by name', () => {
  const refusal = (words: string, over?: Parameters<typeof factsOf>[1]): string => {
    try {
      fitAugmentation(factsOf([words], over));
      return 'taken';
    } catch (error) {
      const { code, message, next } = error as { code: string; message: string; next: string };
      return `${code}: ${message}\n${next}`;
    }
  };
  const two = { inputs: [PICTURE, field('note', [5])] };

  it('of inputs', () => {
    expect(refusal('flip', { inputs: [field('x', [784])] })).toMatchInlineSnapshot(`
      "AUGMENT_INPUT: flip wants pictures, [height, width, channels], and examples of x are [784]
      Give the data the shape of pictures, or write augment(tf, { inputs, targets }, random) in the model's module."
    `);
    expect(refusal('flip', two)).toMatchInlineSnapshot(`
      "AUGMENT_INPUT: flip does not say which of several inputs: x, note
      Name one: flip … on x."
    `);
    expect(refusal('flip on nite', two)).toMatchInlineSnapshot(`
      "AUGMENT_INPUT: flip is on nite, and the inputs are x, note
      Name one: flip … on x."
    `);
    expect([refusal('flip on x', two), refusal('flip on x_layer', two)]).toEqual(['taken', 'taken']);
    expect(refusal('shift 2')).toMatchInlineSnapshot(`
      "AUGMENT_INPUT: shift by 2 pixels leaves nothing of pictures of 2 × 3
      Give fewer than 2."
    `);
    expect(refusal('mixup 1', { tokens: [true] })).toMatchInlineSnapshot(`
      "AUGMENT_INPUT: mixup adds parts of two examples, and x goes into an embedding: no token lies between two
      Leave mixup out, or write augment(tf, { inputs, targets }, random) in the model's module."
    `);
  });

  it('of labels', () => {
    expect(refusal('label_smoothing 0.1', { targets: [VALUES] })).toMatchInlineSnapshot(`
      "AUGMENT_LABELS: label_smoothing wants labels that are classes, or yes and no, and mean_squared_error takes other ones
      Leave it out, or choose softmax_cross_entropy, sigmoid_cross_entropy or another loss of classes."
    `);
    expect(refusal('mixup 1', { targets: [SIGNS] })).toMatchInlineSnapshot(`
      "AUGMENT_LABELS: mixup adds parts of two examples, and hinge takes no labels between y's
      Leave mixup out, or write augment(tf, { inputs, targets }, random) in the model's module."
    `);
    expect(refusal('mixup 1', { masked: [true] })).toContain('positions of the output are masked');
    expect(refusal('mixup 1', { weighted: [true] })).toContain('examples count by weights');
    expect(refusal('rotate 5', { labels: [field('y', [2, 3])] })).toMatchInlineSnapshot(`
      "AUGMENT_LABELS: rotate moves the picture and not its labels, which are [2, 3] (softmax_cross_entropy)
      To move both alike, write augment(tf, { inputs, targets }, random) in the model's module."
    `);
    expect(refusal('brightness 0.5', { labels: [field('y', [2, 3])] })).toBe('taken');
    const outputs = { labels: [field('a', []), field('b', [])], targets: [CLASSES, VALUES] };
    expect(refusal('label_smoothing 0.1', outputs)).toMatchInlineSnapshot(`
      "AUGMENT_LABELS: label_smoothing does not say which of several outputs: a, b
      Name one: label_smoothing … on a."
    `);
    expect(refusal('label_smoothing 0.1 on a', outputs)).toBe('taken');
    expect(fitAugmentation(factsOf(['mixup 1'], outputs)).softens).toEqual([true, false]);
  });
});
