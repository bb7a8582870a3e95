/**
 * Owns: which array goes to which input and output: by name, by position, or because there is but one.
 */
import * as tf from '@tensorflow/tfjs';
import { expect, it } from 'vitest';
import type { Field } from '../../../src/common/dataset.js';
import { bindFields } from '../../../src/worker/replica/bind_fields.js';

const field = (name: string, width: number): Field => ({ name, shape: [width], type: 'float32', scale: 1 });

/** `name ← field` of each input and output, or the refusal. */
function bound(model: tf.LayersModel, inputs: Field[], targets: Field[]): string {
  try {
    const binding = bindFields(model, { name: 'given', fields: { inputs, targets } });
    return [...binding.inputs, ...binding.targets].map(({ name, field: { name: from } }) => `${name} ← ${from}`).join(', ');
  } catch (error) {
    return `${(error as { code: string }).code}: ${(error as Error).message}`;
  }
}

function twoByTwo(): tf.LayersModel {
  const [a, b] = [tf.input({ shape: [2], name: 'a' }), tf.input({ shape: [3], name: 'b' })];
  const both = tf.layers.concatenate({ name: 'both' }).apply([a, b]) as tf.SymbolicTensor;
  const outputs = ['c', 'd'].map((name) => tf.layers.dense({ units: 1, name }).apply(both) as tf.SymbolicTensor);
  return tf.model({ inputs: [a, b], outputs });
}

it('several go by name in any order, or as a list; nothing is guessed from shapes', () => {
  const model = twoByTwo();
  const named = [field('b', 3), field('a', 2)];
  expect(bound(model, named, [field('d', 1), field('c', 1)])).toBe('a ← a, b ← b, c ← c, d ← d');
  expect(bound(model, [field('0', 2), field('1', 3)], [field('0', 1), field('1', 1)])).toBe('a ← 0, b ← 1, c ← 0, d ← 1');
  expect(bound(model, named, [field('d', 1), field('e', 1)])).toBe(
    'MODEL_INPUTS: the model has 2 outputs (c, d), given has 2 arrays of labels (d, e)',
  );
  expect(bound(model, [field('x', 2)], [])).toBe('MODEL_INPUTS: the model has 2 inputs (a, b), given has 1 array of inputs (x)');
  expect(bound(model, [field('0', 3), field('1', 2)], [field('0', 1), field('1', 1)])).toBe(
    'MODEL_INPUT_SHAPE: the model takes examples of [2] for a, those of given are [3]',
  );
});

it('two outputs of one layer, which no name tells apart, are refused', () => {
  const [a, b] = [tf.input({ shape: [2], name: 'a' }), tf.input({ shape: [2], name: 'b' })];
  const head = tf.layers.dense({ units: 1, name: 'head' });
  const outputs = [a, b].map((input) => head.apply(input) as tf.SymbolicTensor);
  const inputs = [field('a', 2), field('b', 2)];
  for (const targets of [[field('0', 1), field('1', 1)], [field('y', 1)]])
    expect(bound(tf.model({ inputs: [a, b], outputs }), inputs, targets)).toBe(
      "MODEL_INPUTS: 2 outputs of the model come out of layer head, and labels, losses and metrics find an output by its layer's name",
    );
});

it('one goes to the one, whatever it is called, in a sequential model too', () => {
  const model = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [2], name: 'only' })] });
  expect(bound(model, [field('x', 2)], [field('y', 1)])).toBe('only_input ← x, only ← y');
  expect(bound(model, [field('pixels', 2)], [field('0', 1)])).toBe('only_input ← pixels, only ← 0');
});

it('of a table it is said how its columns are given names, and which it has', () => {
  const refused = (columns: string[], of: tf.LayersModel, inputs: Field[], targets: Field[]): string => {
    try {
      bindFields(of, { name: 't.csv', columns, fields: { inputs, targets } });
      return 'bound';
    } catch (error) {
      return (error as { next: string }).next;
    }
  };
  const columns = Array.from({ length: 40 }, (_, at) => `c${at}`);
  const [x, y] = [[field('x', 5)], [field('y', 1)]];
  expect(refused(['age', 'price'], twoByTwo(), x, y)).toBe(
    'Say with --inputs a=COLUMN,b=COLUMN what each takes, a name once for each of its columns; t.csv has age, price.',
  );
  expect(refused(columns, twoByTwo(), [field('a', 2), field('b', 3)], y)).toBe(
    `Say with --labels c=COLUMN,d=COLUMN what each takes, a name once for each of its columns; t.csv has ${columns.slice(0, 30).join(', ')}, ….`,
  );
  const one = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [2], name: 'only' })] });
  expect(refused(['age', 'price'], one, [field('a', 1), field('b', 1)], y)).toBe(
    'Name with --inputs what the one input of the model is made of; t.csv has age, price.',
  );
});

it('of pictures and IDX files, which have one input and one label, it is said what can take several', () => {
  const refused = (inputs: Field[], targets: Field[]): string => {
    try {
      bindFields(twoByTwo(), { name: 'photos', oneOfEach: 'Pictures', fields: { inputs, targets } });
      return 'bound';
    } catch (error) {
      return (error as { next: string }).next;
    }
  };
  const module = (letter: string, names: string): string =>
    `Read them in a module, --data ./data.mjs, whose ${letter} is a record by the model's names (${names}): docs/data.md, "Your own arrays".`;
  expect(refused([field('x', 5)], [field('y', 1)])).toBe(`Pictures have one input for each example. ${module('x', 'a, b')}`);
  expect(refused([field('a', 2), field('b', 3)], [field('y', 1)])).toBe(
    `Pictures have one label for each example. ${module('y', 'c, d')}`,
  );
});

it('examples of another shape are told with what brings both together', () => {
  const model = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [2] })] });
  const next = (of: { columns?: string[]; oneOfEach?: string }): string => {
    try {
      bindFields(model, { name: 't', ...of, fields: { inputs: [field('x', 3)], targets: [field('y', 1)] } });
      return 'bound';
    } catch (error) {
      return (error as { next: string }).next;
    }
  };
  const give = "Give the model's input the shape [3], or";
  expect(next({})).toBe(`${give} bring the data to the model's.`);
  expect(next({ columns: ['id', 'a', 'b'] })).toBe(`${give} choose with --inputs what goes into it: t has id, a, b.`);
  expect(next({ oneOfEach: 'Pictures' })).toBe(
    `${give} bring the pictures to its shape, with --image-size and --image-channels.`,
  );
});

it('says for a measurement which flag to give, and what to do where it cannot measure', () => {
  const next = (model: tf.LayersModel, shape: number[]): string => {
    const fields = { inputs: [{ name: 'x', shape, type: 'uint8', scale: 1 } as const], targets: [field('y', 1)] };
    try {
      bindFields(model, { name: 'drawn bytes', fields, drawn: true });
      return 'bound';
    } catch (error) {
      return (error as { next: string }).next;
    }
  };
  const model = tf.sequential({ layers: [tf.layers.conv2d({ filters: 1, kernelSize: 1, inputShape: [null, 8, 3] })] });
  expect(next(model, [28, 28, 1])).toBe('Give --input-shape 28,8,3.');
  expect(next(model, [])).toBe('Give --input-shape 32,8,3.');
  expect(next(model, [5, 8, 3])).toBe('bound');
  expect(next(twoByTwo(), [2])).toContain('Train the model for a while on data of its own');
});
