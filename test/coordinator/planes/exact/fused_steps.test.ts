/**
 * Owns: that with loops in the place of element-wise ops a step is one step: in one function or several, by itself or in a call of several, with the
 * weights on the host or with the replica.
 */
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LOOP_ELEMENTS } from '../../../../src/engine/lowering/loop_plan.js';
import type { LocalReplica } from '../../../../src/worker/replica/local_replica.js';
import { advance, copied, EXAMPLES, planeOn, told, type Work } from '../../../support/plane_on.js';
import { drawnImages, openReplica } from '../../../support/replica_under_test.js';
import { topologyOf } from '../../../support/topology.js';

const SIDE = 192;
const FILTERS = 4;
const UNITS = 1024;

/** Every row is large enough for loops, and so are the weights of the dense layer. */
function wide(): tf.LayersModel {
  const { layers } = tf;
  return tf.sequential({
    layers: [
      layers.upSampling2d({ size: [SIDE / 6, SIDE / 6], inputShape: [6, 6, 1] }),
      layers.conv2d({ filters: FILTERS, kernelSize: 3, padding: 'same', activation: 'tanh' }),
      layers.dropout({ rate: 0.25 }),
      layers.batchNormalization({ momentum: 0.9 }),
      layers.conv2d({ filters: FILTERS, kernelSize: 3, padding: 'same', activation: 'sigmoid' }),
      layers.averagePooling2d({ poolSize: SIDE / 6 }),
      layers.flatten(),
      layers.dense({ units: UNITS, activation: 'relu' }),
      layers.dense({ units: 4 }),
    ],
  });
}

describe.each(['bf16', 'fp32'] as const)('steps with loops in %s', (precision) => {
  let replica: LocalReplica;
  beforeAll(async () => {
    const dataset = await drawnImages({ examples: EXAMPLES, shape: [6, 6, 1], classes: 4 });
    replica = await openReplica({ model: topologyOf(wide()), dataset, precision });
  });
  afterAll(() => replica.close());

  const batch = 3;
  const trained = async (where: 'host' | 'device', work: Work, stretches = false): Promise<unknown> => {
    const { plane } = await planeOn(replica, where, { ...work, stretches });
    const outcomes = await advance(plane, { steps: 22, batch, ...work });
    const { parameters, slots } = copied(await plane.values());
    return { outcomes: told(outcomes), parameters, slots };
  };

  it('are large enough for them', () => {
    expect(SIDE * SIDE * FILTERS).toBeGreaterThanOrEqual(LOOP_ELEMENTS);
    expect(6 * 6 * FILTERS * UNITS).toBeGreaterThanOrEqual(LOOP_ELEMENTS);
  });

  it.each<[string, Work]>([
    ['momentum', { rate: 0.01, optimizer: { momentum: 0.9 } }],
    ['adam over two shards', { rate: 0.01, shards: 2, optimizer: { name: 'adam', clipNorm: 0.05 } }],
  ])('%s: the same on the replica, several in one call, and on the host', async (_name, work) => {
    const single = await trained('device', work);
    expect(await trained('device', work, true)).toEqual(single);
    expect(await trained('host', work)).toEqual(single);
  });
});
