/** Owns: a replica computes with as many threads as its model keeps busy, whatever it began with, and with the bits of one that was given them. */
import * as tf from '@tensorflow/tfjs';
import { afterEach, describe, expect, it } from 'vitest';
import { datasetFromArrays } from '../../../src/data/arrays.js';
import type { LocalReplica } from '../../../src/worker/replica/local_replica.js';
import type { ReplicaSpec } from '../../../src/worker/replica/replica_spec.js';
import { openReplica } from '../../support/replica_under_test.js';
import { stepOn } from '../../support/shards_on.js';
import { topologyOf } from '../../support/topology.js';

const ROWS = 64;

const open: LocalReplica[] = [];
afterEach(async () => {
  for (const replica of open.splice(0)) await replica.close();
});

const network = (units: number): tf.LayersModel =>
  tf.sequential({ layers: [tf.layers.dense({ inputShape: [units], units, activation: 'tanh' }), tf.layers.dense({ units: 3 })] });

async function replicaOf(units: number, spec: Pick<ReplicaSpec, 'intraOpThreads' | 'threadsWanted'>): Promise<LocalReplica> {
  const split = {
    x: Float32Array.from({ length: ROWS * units }, (_, i) => Math.sin(i)),
    y: Int32Array.from({ length: ROWS }, (_, i) => i % 3),
  };
  const dataset = await datasetFromArrays({ name: 'drawn', train: split, validation: split, inputShape: [units], classes: 3 });
  const replica = await openReplica({ model: topologyOf(network(units)), dataset, ...spec });
  open.push(replica);
  return replica;
}

describe.each([
  { units: 8, busy: 1 },
  // 64 rows × 512 × 512: 16.7 million.
  { units: 512, busy: 2 },
])('a replica of a dense layer of $units', ({ units, busy }) => {
  it.each([1, 2])('that begins with %i and may have two', async (begins) => {
    const wanted = { rows: ROWS, most: 2 };
    const replica = await replicaOf(units, { intraOpThreads: begins, threadsWanted: wanted });
    expect((await replica.numerics()).intraOpThreads).toBe(busy);
    const given = await replicaOf(units, { intraOpThreads: busy, threadsWanted: null });
    const [a, b] = [await stepOn(replica, { rows: ROWS, shards: 1 }), await stepOn(given, { rows: ROWS, shards: 1 })];
    expect(a.gradient).toEqual(b.gradient);
    expect(await replica.numerics()).toEqual(await given.numerics());
  });
});

it('a replica that is closed while it begins again ends its thread', async () => {
  const replica = await replicaOf(8, { intraOpThreads: 2, threadsWanted: { rows: ROWS, most: 2 } });
  await replica.close();
  await expect(replica.memory()).rejects.toThrow();
});
