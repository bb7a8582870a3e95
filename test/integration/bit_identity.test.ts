/**
 * Owns: promise P1 on real processes: with the same shards, 1, 2 and 4 replicas end in the same bits, dropout and batch norm on.
 */
import { describe, expect, it } from 'vitest';
import { trainSmall, type JsonRecord } from '../support/trained_run.js';
import { temporaryFolder } from '../support/temporary_folder.js';

/** What must not depend on the replicas: each step's loss, each epoch's numbers, the weights. */
function resultOf({ records, end }: { records: readonly JsonRecord[]; end: JsonRecord }): unknown {
  const steps = records.filter(({ type }) => type === 'step').map(({ step, loss, epoch_acc }) => [step, loss, epoch_acc]);
  const epochs = records
    .filter(({ type }) => type === 'epoch')
    .map(({ loss, acc, val_loss, val_acc }) => [loss, acc, val_loss, val_acc]);
  return { steps, epochs, weights: end.weights_sha256 };
}

describe.each([
  {
    name: 'batches of 200, the last of 100',
    flags: '--batch 200 --train-limit 500',
    sizes: [50, 50, 50, 50],
    workers: [1, 2, 4],
  },
  {
    name: 'uneven shards, the last batch uneven too',
    flags: '--batch 198 --train-limit 500',
    sizes: [50, 50, 49, 49],
    workers: [1, 4],
  },
  {
    name: 'a last batch that leaves a shard empty, op by op, momentum, weight decay and clipping',
    flags:
      '--no-compile --batch 50 --train-limit 103 --set optimizer.momentum=0.9 --set optimizer.weight_decay=0.001 --set optimizer.clip_norm=0.5',
    sizes: [13, 13, 12, 12],
    workers: [1, 3],
  },
  {
    name: 'adam from seed 0',
    flags: '--batch 50 --train-limit 103 --set optimizer.name=adam --lr 0.001 --seed 0',
    sizes: [13, 13, 12, 12],
    workers: [1, 3],
  },
])('$name', ({ flags, sizes, workers }) => {
  it(`in 4 shards gives the same weights on ${workers.join(' and ')} replicas`, async () => {
    const cwd = await temporaryFolder();
    const runs = workers.map((count) => trainSmall(`--shards 4 --workers ${count} ${flags} --log-every 1`, { cwd }));
    runs.forEach(({ start, end }, index) => {
      expect((start.replicas as string[]).length).toBe(workers[index]);
      expect((start.plan as JsonRecord).shard_sizes).toEqual(sizes);
      expect(end).toMatchObject({ steps: 3, reason: 'done' });
    });
    const [first, ...others] = runs.map(resultOf);
    for (const other of others) expect(other).toEqual(first);
  });
});
