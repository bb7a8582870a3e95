import { expect, it } from 'vitest';
import { UsageError } from '../../../../../src/common/errors.js';
import { Fleet } from '../../../../../src/coordinator/planes/exact/fleet/fleet.js';
import type { FleetOptions } from '../../../../../src/coordinator/planes/exact/fleet/fleet_options.js';
import { checksumOf, digestOf } from '../../../../../src/coordinator/planes/exact/fleet/result_checksum.js';
import { FakeReplica, turn, units } from '../../../../support/fake_replica.js';

function fleetOf(names: string[], options: FleetOptions = {}) {
  const notes: string[] = [];
  const fleet = new Fleet({ onNote: ({ message }) => notes.push(message), ...options });
  const replicas = names.map((name) => new FakeReplica(name));
  for (const replica of replicas) fleet.add(replica);
  return { fleet, replicas, notes };
}

it('gives results in shard order whatever the order of arrival', async () => {
  const { fleet, replicas } = fleetOf(['a', 'b', 'c']);
  const round = fleet.computeRound(units([0, 1, 3]));
  await replicas[2].answer(30);
  await replicas[0].answer(10);
  await replicas[1].answer(20);
  expect((await round).map(({ id, lossSum }) => [id.shard, lossSum])).toEqual([
    [0, 10],
    [1, 20],
    [3, 30],
  ]);
  await fleet.close();
  expect(replicas.map(({ closed }) => closed)).toEqual([1, 1, 1]);
});

it('gives the shard of a replica that dies to another, in the same round, with the next attempt number', async () => {
  const { fleet, replicas, notes } = fleetOf(['a', 'b']);
  const round = fleet.computeRound(units([0, 1]));
  await replicas[1].answer(20);
  await replicas[0].die('out of luck');
  expect(replicas[1].assignments.map(({ id }) => [id.shard, id.attempt])).toEqual([
    [1, 0],
    [0, 1],
  ]);
  await replicas[1].answer(10);
  expect((await round).map(({ lossSum }) => lossSum)).toEqual([10, 20]);
  expect(
    notes.some((note) => /^a lost in step 2, shard 0, \d+ ms after it was given: out of luck; 1 replica now$/.test(note)),
  ).toBe(true);
  expect(replicas[0].closed).toBe(1);
  await fleet.close();
});

it('ends the round with the last words when nobody is left, and releases what it held', async () => {
  const { fleet, replicas } = fleetOf(['a', 'b']);
  const round = fleet.computeRound(units([0, 1]));
  await replicas[0].answer(1);
  await replicas[1].die('first');
  const failed = expect(round).rejects.toThrow('no replica is left; a last: second');
  await replicas[0].die('second');
  await failed;
  expect(replicas[0].held).toBe(0);
  await expect(fleet.computeRound(units([0]))).rejects.toThrow('no replica is left');
  await fleet.close();
});

it('ends the round with a fault of the model or the data as it is, and takes nobody for lost', async () => {
  const { fleet, replicas, notes } = fleetOf(['a', 'b']);
  const round = fleet.computeRound(units([0, 1]));
  await replicas[0].answer(1);
  const fault = new UsageError({ code: 'MODEL_FAILS', message: 'no row for token 10', next: 'Mend the data.' });
  const failed = expect(round).rejects.toBe(fault);
  await replicas[1].die(fault);
  await failed;
  await expect(fleet.computeRound(units([0]))).rejects.toBe(fault);
  expect([replicas[0].held, fleet.replicas, notes.filter((note) => note.includes('lost'))]).toEqual([0, ['a', 'b'], []]);
  await fleet.close();
});

it('waits with nobody and goes on with who joins, where one can join', async () => {
  const { fleet, replicas } = fleetOf(['a'], { canJoin: true });
  const round = fleet.computeRound(units([0]));
  await replicas[0].die('gone');
  const late = new FakeReplica('late');
  fleet.add(late);
  await late.answer(5);
  expect((await round)[0].lossSum).toBe(5);
  await fleet.close();
});

it('refuses bad numbers twice with an error that names tensor and replicas, and releases both gradients', async () => {
  const { fleet, replicas } = fleetOf(['a', 'b']);
  const round = fleet.computeRound(units([4], 9));
  await replicas[0].answer(1, { nonFinite: 'dense/kernel' });
  const failed = expect(round).rejects.toMatchObject({
    name: 'DivergedError',
    message: 'NaN or Inf at step 10, shard 4: dense/kernel on a, loss on b. Not applied.',
  });
  await replicas[1].answer(1, { nonFinite: 'loss' });
  await failed;
  expect(replicas.map(({ held }) => held)).toEqual([0, 0]);
  await fleet.close();
});

it('lets a replica that is removed finish its shard first', async () => {
  const { fleet, replicas } = fleetOf(['a', 'b']);
  const round = fleet.computeRound(units([0, 1, 2]));
  let removed = false;
  const removing = fleet.remove(replicas[0]).then(() => (removed = true));
  await turn();
  expect(removed).toBe(false);
  await replicas[0].answer(1);
  await removing;
  expect([replicas[0].closed, fleet.replicas]).toEqual([1, ['b']]);
  await replicas[1].answer(2);
  await replicas[1].answer(3);
  expect((await round).map(({ lossSum }) => lossSum)).toEqual([1, 2, 3]);
  await fleet.close();
});

it('drops and releases the answer to a round that was given up', async () => {
  const { fleet, replicas } = fleetOf(['a']);
  const round = fleet.computeRound(units([0]));
  const failed = expect(round).rejects.toThrow('stopped');
  fleet.abandonRound(new Error('stopped'));
  await failed;
  const next = fleet.computeRound(units([0], 2));
  await replicas[0].answer(1);
  expect(replicas[0].held).toBe(0);
  await replicas[0].answer(2);
  expect((await next)[0].id.step).toBe(2);
  await fleet.close();
});

it('checksums every bit: the sign of a zero counts', async () => {
  const replica = new FakeReplica('a');
  const answer = replica.compute(units([0])[0]);
  await replica.answer(0);
  const result = await answer;
  const sum = checksumOf(result);
  expect(checksumOf({ ...result, lossSum: -0 })).not.toBe(sum);
  expect(checksumOf({ ...result, computeMs: 99, id: { ...result.id, attempt: 5 } })).toBe(sum);
  const gradient = { kind: 'host' as const, values: Float32Array.of(-0, 0), release: () => {} };
  expect(checksumOf({ ...result, gradient })).not.toBe(sum);
});

it('digests an answer so that another one cannot be made to fit, as it can to a checksum', async () => {
  const replica = new FakeReplica('a');
  const answer = replica.compute(units([0])[0]);
  await replica.answer(0);
  const result = await answer;
  const withLoss = (lossSum: number) => ({ ...result, lossSum });
  const key = new Uint8Array(32).fill(1);
  expect(digestOf({ ...result, computeMs: 99 }, key)).toBe(digestOf(result, key));
  expect(digestOf(withLoss(-0), key)).not.toBe(digestOf(withLoss(0), key));
  expect(digestOf(result, new Uint8Array(32).fill(2))).not.toBe(digestOf(result, key));
  // Of 2^18 answers about eight pairs have one CRC-32.
  const seen = new Map<number, number>();
  let alike: [number, number] | null = null;
  for (let i = 0; i < 2 ** 18 && alike === null; i++) {
    const lossSum = Math.sqrt(i);
    const checksum = checksumOf(withLoss(lossSum));
    const other = seen.get(checksum);
    if (other !== undefined) alike = [other, lossSum];
    seen.set(checksum, lossSum);
  }
  if (alike === null) throw new Error('no two answers have one checksum');
  expect(digestOf(withLoss(alike[0]), key)).not.toBe(digestOf(withLoss(alike[1]), key));
});

it('remembers of an earlier start the newest 1,000 that it trusted', async () => {
  const { fleet } = fleetOf([]);
  fleet.trust(Array.from({ length: 3000 }, (_, at): [string, number] => [`w${at}`, at]));
  expect([fleet.trusted.size, fleet.trusted.get('w1999'), fleet.trusted.get('w2000')]).toEqual([1000, undefined, 2000]);
  await fleet.close();
});
