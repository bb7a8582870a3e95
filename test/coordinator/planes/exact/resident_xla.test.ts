/**
 * Owns: that a whole step by XLA, update included, has the bits of a gradient by XLA and the host's update; and that dense models' steps are XLA's.
 */
import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import type { TopologyModel } from '../../../../src/models/model_source.js';
import { executionOf } from '../../../../src/worker/replica/execution.js';
import type { LocalReplica } from '../../../../src/worker/replica/local_replica.js';
import { advance, copied, EXAMPLES, planeOn, told, type Trained, type Work } from '../../../support/plane_on.js';
import { drawnImages, openReplica } from '../../../support/replica_under_test.js';
import { topologyOf } from '../../../support/topology.js';

const { layers } = tf;

function written(model: tf.LayersModel): TopologyModel {
  const topology = topologyOf(model);
  model.dispose();
  return topology;
}

type Layer = tf.layers.Layer;

const flat = (): Layer => layers.flatten({ inputShape: [6, 6, 1] });
const sequential = (...of: Layer[]): tf.LayersModel => tf.sequential({ layers: [flat(), ...of] });
const l2 = tf.regularizers.l2({ l2: 0.01 });

function residual(): tf.LayersModel {
  const input = tf.input({ shape: [6, 6, 1] });
  const start = layers.dense({ units: 20, activation: 'elu' }).apply(layers.flatten().apply(input)) as tf.SymbolicTensor;
  const more = layers.dense({ units: 20, activation: 'selu' }).apply(start) as tf.SymbolicTensor;
  const joined = layers.concatenate().apply([layers.add().apply([start, more]) as tf.SymbolicTensor, start]);
  return tf.model({ inputs: input, outputs: layers.dense({ units: 4 }).apply(joined) as tf.SymbolicTensor });
}

/** With their losses; odd widths, so that vectors have remainders. */
const MODELS: [string, () => tf.LayersModel, string][] = [
  [
    'relu',
    () => sequential(layers.dense({ units: 33, activation: 'relu' }), layers.dense({ units: 4 })),
    'softmax_cross_entropy',
  ],
  [
    'dropout, a penalty, tanh, a frozen layer',
    () =>
      sequential(
        layers.dense({ units: 17, activation: 'tanh', kernelRegularizer: l2 }),
        layers.dropout({ rate: 0.25 }),
        layers.dense({ units: 9, trainable: false }),
        layers.dense({ units: 4, activation: 'softplus' }),
      ),
    'softmax_cross_entropy',
  ],
  ['branches that meet', residual, 'softmax_cross_entropy'],
  [
    'a softmax at the end',
    () => sequential(layers.dense({ units: 21, activation: 'relu' }), layers.dense({ units: 4, activation: 'softmax' })),
    'softmax_cross_entropy',
  ],
  [
    'penalties and a loss of absolute values',
    () =>
      sequential(
        layers.dense({ units: 17, activation: 'relu', kernelRegularizer: tf.regularizers.l1l2() }),
        layers.dense({ units: 1, biasRegularizer: tf.regularizers.l1() }),
      ),
    'mae',
  ],
  [
    'a mean squared error',
    () => sequential(layers.dense({ units: 130, activation: 'sigmoid' }), layers.dense({ units: 1 })),
    'mse',
  ],
];

const OPTIMIZERS: [string, Work][] = [
  ['sgd', {}],
  ['momentum, decay and clipping', { optimizer: { momentum: 0.9, weightDecay: 1e-3, clipNorm: 0.05 } }],
  ['adamw with a moving average', { rate: 0.01, optimizer: { name: 'adamw', weightDecay: 0.01, emaDecay: 0.9 } }],
  ['adagrad in 3 shards', { rate: 0.01, shards: 3, optimizer: { name: 'adagrad' } }],
];

async function train(replica: LocalReplica, where: 'host' | 'device', work: Work): Promise<Trained> {
  const { plane } = await planeOn(replica, where, work);
  return { outcomes: told(await advance(plane, work)) as never, values: copied(await plane.values()) };
}

describe.each(MODELS)('%s', (_, model, loss) => {
  it('has the same weights and slots after whole steps by XLA and with the update on the host', async () => {
    const dataset = await drawnImages({ examples: EXAMPLES, shape: [6, 6, 1], classes: 4 });
    const objective = { loss, metrics: null };
    const replica = await openReplica({ model: written(model()), dataset, execution: 'xla', objective });
    try {
      expect((await replica.numerics()).execution).toBe('xla');
      for (const [name, work] of OPTIMIZERS) {
        const [host, device] = [await train(replica, 'host', work), await train(replica, 'device', work)];
        expect(device.outcomes, name).toEqual(host.outcomes);
        expect(device.values.parameters, name).toEqual(host.values.parameters);
        expect(device.values.slots, name).toEqual(host.values.slots);
        expect(device.values.parameters, name).not.toEqual((await replica.describe()).initial);
      }
    } finally {
      await replica.close();
    }
  });
});

describe('what is asked for', () => {
  const spec = { device: 'GPU:0', precision: 'fp32', compile: true, intraOpThreads: 2 } as const;
  it('XLA is refused on a GPU, and auto is the graph there', () => {
    const model = sequential(layers.dense({ units: 4 }));
    const engine = { info: { instructionSet: '' } };
    expect(() => executionOf({ spec: { ...spec, execution: 'xla' }, model, engine })).toThrow(
      expect.objectContaining({ code: 'XLA_NEEDS_PROCESSOR', exitCode: 3 }),
    );
    expect(executionOf({ spec: { ...spec, execution: 'auto' }, model, engine })).toBe('compiled');
    model.dispose();
  });

  it('a convolution is refused under xla as a replica is opened, by name', async () => {
    const dataset = await drawnImages({ examples: EXAMPLES, shape: [6, 6, 1], classes: 4 });
    const model = written(
      tf.sequential({
        layers: [layers.conv2d({ filters: 4, kernelSize: 6, inputShape: [6, 6, 1], name: 'c' }), layers.flatten()],
      }),
    );
    await expect(openReplica({ model, dataset, execution: 'xla' })).rejects.toMatchObject({
      code: 'XLA_REFUSED',
      message: expect.stringMatching(
        / is not for XLA: Conv2D is not among .*; layers that it does not take: c \(Conv2D\)$/,
      ) as string,
    });
  });
});

describe('what auto chooses', () => {
  const chosen = async (
    model: tf.LayersModel,
    how: { precision?: 'bf16'; compile?: false; intraOpThreads?: number } = {},
  ): Promise<string> => {
    const dataset = await drawnImages({ examples: 4, shape: [6, 6, 1], classes: 4 });
    const replica = await openReplica({ model: written(model), dataset, execution: 'auto', intraOpThreads: 2, ...how });
    try {
      return (await replica.numerics()).execution;
    } finally {
      await replica.close();
    }
  };
  it.runIf(process.platform === 'linux' && process.arch === 'x64')('XLA for dense models', async () => {
    expect(await chosen(sequential(layers.dense({ units: 4 })))).toBe('xla');
    expect(await chosen(residual())).toBe('xla');
  });

  it('the graph for those with other layers, by one thread, and in bf16', async () => {
    const convolved = [layers.conv2d({ filters: 2, kernelSize: 3, inputShape: [6, 6, 1] }), layers.flatten()];
    expect(await chosen(tf.sequential({ layers: [...convolved, layers.dense({ units: 4 })] }))).toBe('compiled');
    expect(await chosen(sequential(layers.dense({ units: 4 })), { intraOpThreads: 1 })).toBe('compiled');
    expect(await chosen(sequential(layers.dense({ units: 4 })), { precision: 'bf16' })).toBe('compiled');
    expect(await chosen(sequential(layers.dense({ units: 4 })), { compile: false })).toBe('eager');
  });
});
