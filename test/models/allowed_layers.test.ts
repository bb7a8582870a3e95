/**
 * Owns: that a worker builds every class that tfjs registers and that computes, and nothing else, however a topology spells it.
 */
import * as tf from '@tensorflow/tfjs';
import { expect, it } from 'vitest';
import { requireAllowedLayers } from '../../src/models/allowed_layers.js';
import * as classes from '../../src/models/class_names.js';

const layer = (className: unknown, config: object = {}): string =>
  JSON.stringify({ class_name: 'Sequential', config: { layers: [{ class_name: className, config }] } });

const KINDS = {
  layer: classes.LAYERS,
  cell: classes.CELLS,
  model: classes.MODELS,
  'reads data': classes.READS_DATA,
  initializer: classes.INITIALIZERS,
  regularizer: classes.REGULARIZERS,
  constraint: classes.CONSTRAINTS,
  activation: classes.ACTIVATIONS,
  // A model's compile arguments; never part of a topology.
  optimizer: new Set(['Adadelta', 'Adagrad', 'Adam', 'Adamax', 'Momentum', 'RMSProp', 'SGD']),
};

function accepts(topology: string): boolean {
  try {
    requireAllowedLayers(topology);
    return true;
  } catch {
    return false;
  }
}

it('knows each class that tfjs 4.22 registers as exactly one kind, and no class that tfjs has not', () => {
  const { classNameMap } = tf.serialization.SerializationMap.getMap() as unknown as { classNameMap: Record<string, unknown> };
  const registered = Object.keys(classNameMap);
  expect(registered.length).toBe(112);
  const kindsOf = (name: string) => Object.entries(KINDS).flatMap(([kind, names]) => (names.has(name) ? [kind] : []));
  expect(registered.filter((name) => kindsOf(name).length !== 1)).toEqual([]);
  expect(Object.values(KINDS).flatMap((names) => [...names].filter((name) => !registered.includes(name)))).toEqual([]);
});

it('takes layers and models as layers, and no other kind of class', () => {
  for (const [kind, names] of Object.entries(KINDS))
    for (const name of names) expect(accepts(layer(name)), name).toBe(kind === 'layer' || kind === 'model');
});

it('takes wrappers, cells, initializers, regularizers, constraints and activations where each belongs', () => {
  const config = {
    units: 10,
    activation: 'gelu_new',
    recurrent_activation: { class_name: 'hardSigmoid', config: {} },
    kernel_initializer: { class_name: 'VarianceScaling', config: { scale: 1, seed: 2 ** 40 } },
    bias_initializer: 'zeros',
    kernel_regularizer: { class_name: 'L1L2', config: { l2: 0.1 } },
    bias_regularizer: 'l1l2',
    kernel_constraint: 'maxNorm',
  };
  requireAllowedLayers(layer('Dense', config));
  requireAllowedLayers(
    layer('TimeDistributed', { layer: { class_name: 'Bidirectional', config: { layer: { class_name: 'GRU', config } } } }),
  );
  requireAllowedLayers(
    layer('RNN', { cell: { class_name: 'StackedRNNCells', config: { cells: [{ class_name: 'LSTMCell', config }] } } }),
  );
});

it.each([
  ['a layer of somebody’s own', layer('Lambda'), 'the layer "Lambda"'],
  ['a layer that draws in JavaScript', layer('RandomWidth'), 'the layer "RandomWidth"'],
  ['a layer whose name is no text', layer({ class_name: 'Dense' }), 'the layer {"className":"Dense"}'],
  ['a layer without a configuration', '{"class_name":"Sequential"}', 'the configuration of Sequential'],
  ['a wrapped layer', layer('TimeDistributed', { layer: { class_name: 'Evil', config: {} } }), 'the layer "Evil"'],
  ['a layer named by a text alone', layer('TimeDistributed', { layer: 'Dense' }), 'the layer "Dense"'],
  ['a layer as a cell', layer('RNN', { cell: { class_name: 'Dense', config: {} } }), 'the cell "Dense"'],
  ['an initializer by its short name', layer('Dense', { kernel_initializer: 'Evil' }), 'the initializer "Evil"'],
  [
    'a layer as an initializer',
    layer('Dense', { bias_initializer: { class_name: 'Dense', config: {} } }),
    'the initializer "Dense"',
  ],
  ['an activation that is a layer', layer('Dense', { activation: 'Dense' }), 'the activation "Dense"'],
  [
    'a constraint of somebody’s own',
    layer('Dense', { kernel_constraint: { class_name: 'Evil', config: {} } }),
    'the constraint "Evil"',
  ],
  ['a class where none belongs', layer('Dense', { units: { class_name: 'Evil', config: {} } }), 'the layer "Evil"'],
  ['a key of the prototype', '{"class_name":"Sequential","__proto__":{"x":1}}', 'the key __proto__'],
  ['objects of the user’s', layer('Dense', { custom_objects: { Dense: [] } }), 'the key custom_objects'],
  ['a monstrous size', layer('Dense', { units: 1e12 }), 'the number 1000000000000'],
  ['no JSON', 'require("fs")', 'not JSON'],
  ['depth', '['.repeat(100) + ']'.repeat(100), 'too deep'],
])('refuses %s', (_, topology, what) => {
  expect(() => requireAllowedLayers(topology)).toThrow(what);
});

it('takes numbers of any size where they say none', () => {
  requireAllowedLayers(layer('Masking', { mask_value: -1e10 }));
  requireAllowedLayers(layer('Rescaling', { scale: 1e-30, offset: 1e30 }));
  expect(
    accepts('{"class_name":"Sequential","config":{"layers":[{"class_name":"Masking","config":{"mask_value":1e999}}]}}'),
  ).toBe(false);
});

it.each(['className', 'class__name', 'class_Name', 'class___name'])(
  'refuses a foreign layer whose class is under %s, which tfjs reads as className',
  (key) => {
    const topology = JSON.stringify({ class_name: 'Sequential', config: { layers: [{ [key]: 'Evil', config: {} }] } });
    expect(() => requireAllowedLayers(topology)).toThrow('the layer "Evil"');
  },
);

it('refuses a class that two spellings of one key name differently', () => {
  const topology = JSON.stringify({
    class_name: 'Sequential',
    config: { layers: [{ class_name: 'Dense', className: 'Evil', config: {} }] },
  });
  expect(() => requireAllowedLayers(topology)).toThrow('the key className in two spellings');
});

it('refuses a class whose text tfjs changes before it looks for it', () => {
  expect(() => requireAllowedLayers(layer('TimeDistributed', { la_yer: { class_name: 'De_nse', config: {} } }))).toThrow(
    'the layer "DeNse"',
  );
});
