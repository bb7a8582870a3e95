/**
 * Owns: that frozen is frozen however it is wrapped: the copy that a replica builds trains exactly the weights that the user's model trains, and a
 * file of Keras freezes what it says.
 */
import * as tf from '@tensorflow/tfjs';
import { expect, it } from 'vitest';
import { buildModel } from '../../src/models/build.js';
import { topologyJson } from '../../src/models/topology.js';

const rnn = () => tf.layers.simpleRNN({ units: 2, returnSequences: true, name: 'rnn' });
const both = () => tf.layers.bidirectional({ layer: rnn(), inputShape: [3, 2], mergeMode: 'concat', name: 'both' });
const base = () =>
  tf.sequential({
    name: 'base',
    layers: [tf.layers.dense({ units: 2, inputShape: [2], name: 'b1' }), tf.layers.batchNormalization({ name: 'bn' })],
  });
interface Parts {
  forwardLayer: tf.layers.Layer;
  cell: tf.layers.Layer & { cells: tf.layers.Layer[] };
  layer: tf.LayersModel;
}
const parts = (layer: tf.layers.Layer) => layer as unknown as Parts;
const freeze = (layer: { trainable?: boolean }) => void (layer.trainable = false);
const firstWeight = (layer: tf.layers.Layer) => layer.trainableWeights[0] as unknown as { trainable: boolean };

const KINDS: readonly [what: string, make: () => tf.layers.Layer, freeze: (layer: tf.layers.Layer) => void, frozen: number][] = [
  ['a Bidirectional', both, freeze, 6],
  ['one direction', both, (layer) => freeze(parts(layer).forwardLayer), 3],
  ['one weight of one direction', both, (layer) => freeze(firstWeight(parts(layer).forwardLayer)), 1],
  ['an LSTM', () => tf.layers.lstm({ units: 2, returnSequences: true, inputShape: [3, 2] }), freeze, 3],
  [
    'the cell of an LSTM',
    () => tf.layers.lstm({ units: 2, returnSequences: true, inputShape: [3, 2] }),
    (layer) => freeze(parts(layer).cell),
    3,
  ],
  [
    'one of two stacked cells',
    () =>
      tf.layers.rnn({
        cell: [tf.layers.lstmCell({ units: 2 }), tf.layers.gruCell({ units: 2 })],
        returnSequences: true,
        inputShape: [3, 2],
      }),
    (layer) => freeze(parts(layer).cell.cells[1]),
    3,
  ],
  [
    'two stacked cells together',
    () =>
      tf.layers.rnn({
        cell: [tf.layers.lstmCell({ units: 2 }), tf.layers.gruCell({ units: 2 })],
        returnSequences: true,
        inputShape: [3, 2],
      }),
    (layer) => freeze(parts(layer).cell),
    6,
  ],
  ['a single weight', () => tf.layers.dense({ units: 2, inputShape: [3, 2] }), (layer) => freeze(firstWeight(layer)), 1],
  ['a TimeDistributed', () => tf.layers.timeDistributed({ layer: tf.layers.dense({ units: 2 }), inputShape: [3, 2] }), freeze, 2],
  [
    'a model in a TimeDistributed',
    () => tf.layers.timeDistributed({ layer: base(), inputShape: [3, 2] }),
    (layer) => freeze(parts(layer).layer),
    6,
  ],
  [
    'a layer of a model in a TimeDistributed',
    () => tf.layers.timeDistributed({ layer: base(), inputShape: [3, 2] }),
    (layer) => freeze(parts(layer).layer.layers[0]),
    4,
  ],
  [
    'a Bidirectional in a TimeDistributed',
    () => tf.layers.timeDistributed({ layer: both(), inputShape: [4, 3, 2] }),
    (layer) => freeze(parts(layer).layer),
    6,
  ],
  ['nothing', both, () => undefined, 0],
];

const names = (weights: tf.LayerVariable[] | unknown[]) =>
  (weights as tf.LayerVariable[]).map(({ originalName }) => originalName);

it.each(KINDS)('%s', async (_, make, change, frozen) => {
  const layer = make();
  const model = tf.sequential({ layers: [layer, tf.layers.flatten(), tf.layers.dense({ units: 1, name: 'head' })] });
  change(layer);
  expect(model.nonTrainableWeights.length).toBe(frozen);
  const topology = topologyJson(model);
  const copy = await buildModel(tf, { kind: 'topology', name: 'm', topology }, 1);
  expect(names(copy.trainableWeights)).toEqual(names(model.trainableWeights));
  expect(names(copy.weights).sort()).toEqual(names(model.weights).sort());
  // And of the copy's copy, as of a saved model that is trained on.
  const again = await buildModel(tf, { kind: 'topology', name: 'm', topology: topologyJson(copy) }, 1);
  expect(names(again.trainableWeights)).toEqual(names(model.trainableWeights));
  // tfjs itself still reads it.
  const plain = await tf.models.modelFromJSON(JSON.parse(topology) as tf.io.ModelJSON);
  expect(plain.weights.length).toBe(model.weights.length);
});

it.each(['Bidirectional', 'TimeDistributed', 'Sequential'])(
  'a %s that a file of Keras calls not trainable',
  async (className) => {
    const dense = { class_name: 'Dense', config: { name: 'd', units: 2, batch_input_shape: [null, 3, 2] } };
    const inner =
      className === 'Bidirectional' ? { class_name: 'LSTM', config: { name: 'l', units: 1, return_sequences: true } } : dense;
    const config = className === 'Sequential' ? { layers: [dense] } : { layer: inner, batch_input_shape: [null, 3, 2] };
    const layers = [
      { class_name: className, config: { name: 'frozen', trainable: false, ...config } },
      { class_name: 'Dense', config: { name: 'head', units: 1 } },
    ];
    const topology = JSON.stringify({ class_name: 'Sequential', config: { name: 's', layers } });
    const model = await buildModel(tf, { kind: 'topology', name: 'm', topology }, 1);
    expect(names(model.trainableWeights)).toEqual(['head/kernel', 'head/bias']);
  },
);
