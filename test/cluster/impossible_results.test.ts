/**
 * Owns: that what a worker sends is judged before it counts: values that cannot be end its part in the run, by name, and others compute its shard.
 */
import { hostValues } from '../../src/common/host_gradient.js';
import { expect, it } from 'vitest';
import type { MessageOf } from '../../src/common/protocol/messages.js';
import type { ShardAssignment } from '../../src/common/replica.js';
import { loopbackCluster } from '../support/loopback_cluster.js';
import { helloOf, preparedOf, scriptedWorker } from '../support/scripted_peers.js';

type Lie = Partial<MessageOf<'result'>> & { values?: number[] };

/** Two rows, 2 and 3: five gradients of parameters + 5, and one statistic. */
function unit(kind: 'train' | 'evaluate', shard: number, values: Float32Array): ShardAssignment {
  const parameters = { version: 0, values };
  const id = { kind, step: 0, shard, attempt: 0 };
  return { id, rows: Int32Array.of(2, 3), firstExample: 2, regularizationWeight: 0, parameters };
}

/** A worker that answers the first shard it is given with a lie; an honest one joins after it was given. */
async function runWithLiar(kind: 'train' | 'evaluate', { values = [1, 2, 3, 4, 5, 6], ...lie }: Lie) {
  const cluster = await loopbackCluster();
  await (
    await cluster.join({ name: 'first' })
  ).admitted;
  const { model } = await cluster.cluster.first;
  const hello = helloOf('liar');
  const liar = await scriptedWorker(cluster);
  void liar.send(hello);
  await liar.hear('welcome');
  void liar.send(await preparedOf());
  await liar.hear('admitted');
  let checksum = 0;
  liar.onMessage = (message, _, sum) => {
    if (message.type === 'parameters') checksum = sum;
    if (message.type !== 'assign') return;
    const { id, version, replica } = message;
    const asked = { id, version, replica, coordinatorEpoch: 1, parametersChecksum: checksum };
    const honest = { examples: 2, lossSum: 0.5, sums: [1], nonFinite: null, computeMs: 1 };
    const bytes = kind === 'train' ? new Uint8Array(Float32Array.from(values).buffer) : new Uint8Array(0);
    void liar.send({ type: 'result', ...asked, ...honest, ...lie }, bytes);
  };
  // Two shards for two workers: the liar gets the second.
  const units = [0, 1].map((shard) => unit(kind, shard, model.initial));
  const results = await cluster.fleet.computeRound(units);
  return { cluster, liar, hello, results };
}

const NAN = Number.NaN;
it.each<['train' | 'evaluate', string, Lie, string]>([
  ['train', 'half a correct example', { sums: [0.5] }, 'acc is 0.5, wanted a whole number from 0 to 2'],
  ['train', 'fewer than none', { sums: [-1000] }, 'acc is -1000, wanted'],
  ['evaluate', '10^300 of them', { sums: [1e300] }, 'acc is 1e+300, wanted'],
  ['evaluate', 'one more than there are', { sums: [3] }, 'acc is 3, wanted'],
  ['train', 'a metric too many', { sums: [1, 1] }, '2 sums of metrics, wanted 1'],
  ['train', 'a loss below 0', { lossSum: -1 }, 'lossSum is -1, wanted a number of at least 0'],
  ['train', 'a loss of 10^300', { lossSum: 1e300 }, 'lossSum is 1e+300, wanted'],
  ['evaluate', 'a loss of 10^300', { lossSum: 1e300 }, 'lossSum is 1e+300, wanted'],
  ['train', 'a NaN loss that is not marked', { lossSum: NAN }, 'lossSum is NaN, and not marked as such'],
  ['train', 'a NaN gradient that is not marked', { values: [1, 2, NAN, 4, 5, 6] }, 'hold a NaN or Inf that is not marked'],
  ['train', 'an infinite statistic', { values: [1, 2, 3, 4, 5, Infinity] }, 'hold a NaN or Inf that is not marked'],
  [
    'train',
    'a variance below zero',
    { values: [1, 2, 3, 4, 5, -46] },
    'a variance of -46 in moving_variance, wanted at least -45.01',
  ],
  ['train', 'a mark without a NaN', { nonFinite: 'w' }, 'w is marked as holding a NaN or Inf, and all values are finite'],
  ['evaluate', 'a time of −1', { computeMs: -1 }, 'computeMs is -1, wanted a time'],
])('%s: a worker that sends %s is put out by name, and another computes its shard', async (kind, _, lie, why) => {
  const { cluster, liar, hello, results } = await runWithLiar(kind, lie);
  expect(results.map(({ lossSum, sums }) => [lossSum, ...sums])).toEqual([
    [0.5, 1],
    [0.5, 1],
  ]);
  expect(results.map(({ gradient }) => gradient && [...hostValues(gradient)])).toEqual(
    Array(2).fill(kind === 'train' ? [5, 6, 7, 8, 9] : undefined),
  );
  expect(cluster.lines.find((line) => line.startsWith('worker liar is put out of the run'))).toContain(why);
  expect(cluster.fleet.replicas).toEqual(['first:cpu(0)']);
  expect(await liar.hear('refused')).toMatchObject({
    code: 'RESULT_IMPOSSIBLE',
    message: expect.stringContaining(why) as string,
  });
  // The same process is not let in again.
  const again = await scriptedWorker(cluster);
  void again.send(hello);
  expect(await again.hear('refused')).toMatchObject({ code: 'WORKER_PUT_OUT' });
});

it('takes an honest NaN in an evaluation once another has found it too', async () => {
  const cluster = await loopbackCluster();
  for (const name of ['a', 'b']) {
    const { admitted } = await cluster.join({ name, sums: { lossSum: NAN } });
    await admitted;
  }
  const { model } = await cluster.cluster.first;
  const [result] = await cluster.fleet.computeRound([unit('evaluate', 1, model.initial)]);
  expect(result.lossSum).toBeNaN();
  expect(cluster.fleet.incidents.recomputed).toBe(1);
});
