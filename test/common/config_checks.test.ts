import { expect, test } from 'vitest';
import { checkConfig, requireBatchCoversShards, shardsOn } from '../../src/common/config_checks.js';
import { chooseDevices, replicasOf } from '../../src/common/device_choice.js';
import { UsageError } from '../../src/common/errors.js';
import { parseStateEvery } from '../../src/common/state_every.js';
import { editDistance, suggest } from '../../src/common/suggest.js';
import {
  DEFAULT_TRAIN_CONFIG,
  type OptimizerConfig,
  type ScheduleConfig,
  type TrainConfig,
} from '../../src/common/train_config.js';

function messageOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (error instanceof UsageError) return `${error.code}: ${error.message}\n${error.next}`;
    throw error;
  }
  return 'no error';
}

interface Changes extends Partial<Omit<TrainConfig, 'optimizer'>> {
  optimizer?: Partial<OptimizerConfig>;
  schedule?: Partial<ScheduleConfig>;
}

function configWith({ optimizer, schedule, ...changes }: Changes): TrainConfig {
  const base = DEFAULT_TRAIN_CONFIG.optimizer;
  return {
    ...DEFAULT_TRAIN_CONFIG,
    ...changes,
    optimizer: { ...base, ...optimizer, schedule: { ...base.schedule, ...schedule } },
  };
}

const checking = (changes: Changes) => messageOf(() => checkConfig(configWith(changes), {}));

test('a batch of exactly the shards is enough, one less is not', () => {
  expect(() => requireBatchCoversShards({ batch: 3, shards: 3 })).not.toThrow();
  expect(messageOf(() => requireBatchCoversShards({ batch: 2, shards: 3 }))).toMatchInlineSnapshot(`
    "BATCH_SMALLER_THAN_SHARDS: batch is 2 and shards is 3: 1 of the shards would have no example in any step
    give --batch 3 or more, or --shards 2 or fewer (default: one per replica)"
  `);
});

test('shards are what accumulate makes of the replicas, and both given must agree', () => {
  expect([shardsOn(3, { shards: null, accumulate: null }), shardsOn(3, { shards: null, accumulate: 2 })]).toEqual([3, 6]);
  expect([shardsOn(3, { shards: 4, accumulate: null }), shardsOn(3, { shards: 6, accumulate: 2 })]).toEqual([4, 6]);
  expect(messageOf(() => shardsOn(2, { shards: 6, accumulate: 2 }))).toMatchInlineSnapshot(`
    "ACCUMULATE_CONFLICT: shards is 6, and accumulate is 2 on 2 replicas, which are 4 shards
    Leave out one of the two: --shards alone gives the same result on any number of replicas."
  `);
  expect(messageOf(() => shardsOn(4, { shards: null, accumulate: 1024 }))).toMatchInlineSnapshot(`
    "ACCUMULATE_CONFLICT: accumulate is 1024, on 4 replicas that are 4096 shards, at most 1024 are possible
    Give --accumulate 256 or fewer."
  `);
  expect(checking({ batch: 3, workers: 2, accumulate: 2 })).toContain('batch is 3 and shards is 4');
  expect(checking({ shards: 5, accumulate: 2 })).toMatchInlineSnapshot(`
    "ACCUMULATE_CONFLICT: shards is 5 and accumulate is 2: no number of replicas makes 5 shards of 2 on each
    Give --shards 6, or leave out one of the two."
  `);
  expect(checking({ shards: 6, accumulate: 2, workers: 1 })).toBe('no error');
});

test('synchronized batch norm is refused with the reason, and two limits of one set', () => {
  expect(checking({ batchNorm: 'synchronized' })).toMatchInlineSnapshot(`
    "BATCH_NORM_SYNCHRONIZED: batch_norm is synchronized: replicas would have to exchange statistics inside the forward and the backward pass, and in exact mode they meet once a step, when a shard is done, so that any of them may be lost
    Give --shards 1, whose only shard is the whole batch (on one replica), or --batch-norm fixed or shard."
  `);
  expect(checking({ overfit: 4, validationLimit: 5 })).toMatchInlineSnapshot(`
    "OVERFIT_CONFLICT: overfit is 4, which is the limit of both sets, and validation_limit is 5
    Leave out one of the two."
  `);
});

test('XLA is refused beside bf16 and where nothing is compiled', () => {
  const conflict =
    /^EXECUTION_CONFLICT: execution is xla and (precision is bf16|compile is false).*\nLeave out one of the two\.$/;
  expect(checking({ execution: 'xla', precision: 'bf16' })).toMatch(conflict);
  expect(checking({ execution: 'xla', compile: false })).toMatch(conflict);
  for (const execution of ['xla', 'auto', 'graph'] as const) expect(checking({ execution })).toBe('no error');
  for (const precision of ['fp32', 'bf16'] as const) expect(checking({ execution: 'auto', precision })).toBe('no error');
});

test('shards are one per replica where they are not given, and unknown where the GPUs are', () => {
  expect(checking({ batch: 3, gpus: '0-3' })).toContain('batch is 3 and shards is 4');
  expect(checking({ batch: 3, workers: 4 })).toContain('batch is 3 and shards is 4');
  expect(checking({ batch: 3, workers: 4, shards: 3 })).toBe('no error');
  expect(checking({ batch: 1, gpus: 'all' })).toBe('no error');
});

test('settings that contradict each other are refused', () => {
  expect(checking({ data: 'idx' })).toMatchInlineSnapshot(`
    "DATA_DIR_MISSING: data is idx, and no data_dir says where its files are
    add --data-dir FOLDER, the folder with its files"
  `);
  expect(checking({ optimizer: { nesterov: true } })).toMatchInlineSnapshot(`
    "OPTIMIZER_CONFLICT: optimizer.nesterov is true and optimizer.momentum is 0: Nesterov looks ahead along the momentum
    set optimizer.momentum (0.9 is usual), or optimizer.nesterov to false"
  `);
  expect(checking({ schedule: { name: 'step' } })).toMatchInlineSnapshot(`
    "SCHEDULE_CONFLICT: optimizer.schedule.name is step, and optimizer.schedule.milestones is empty: the rate would never change
    list the epochs at which it drops (--set optimizer.schedule.milestones=[60,90]), or choose constant"
  `);
  expect(checking({ schedule: { name: 'step', milestones: [2, 5, 5] } })).toMatchInlineSnapshot(`
    "SCHEDULE_CONFLICT: optimizer.schedule.milestones must rise, found 5 after 5
    list each epoch once, in order"
  `);
  expect(checking({ gpus: '0,1', workers: 2 })).toMatchInlineSnapshot(`
    "GPUS_AND_WORKERS: gpus is "0,1" and workers is 2: workers counts replicas on the CPU, and a run is on one kind of device
    leave out workers for one replica per GPU, or give --gpus none for 2 on the CPU"
  `);
  expect(checking({ stateEvery: '60' })).toMatchInlineSnapshot(`
    "STATE_EVERY_INVALID: state_every cannot be "60": "60" is not understood, or said twice
    give epoch, a time (60s, 10m, 1h), a number of steps (500 steps), or several joined by commas: epoch,60s"
  `);
});

test('settings that do nothing are warnings, where someone gave them', () => {
  const config = configWith({
    data: 'synthetic',
    dataDir: 'd',
    epochs: 5,
    optimizer: { beta1: 0.8 },
    schedule: { decay: 0.5, warmupEpochs: 5 },
  });
  const provenance = { data_dir: 'flag --data-dir', 'optimizer.beta1': 'a.yaml:3', 'optimizer.schedule.decay': 'default' };
  expect(checkConfig(config, provenance)).toMatchInlineSnapshot(`
    [
      "optimizer.beta1 (a.yaml:3) has no effect: it belongs to adam, adamw and adamax, and the optimizer is sgd",
      "data_dir (flag --data-dir) has no effect: data is synthetic, which reads no folder",
      "optimizer.schedule.warmup_epochs is 5 and epochs is 5: the base rate is never reached",
    ]
  `);
  const adam = configWith({ optimizer: { name: 'adam', nesterov: true }, schedule: { name: 'step', milestones: [2, 200] } });
  expect(checkConfig(adam, { 'optimizer.nesterov': 'flag --set' })).toMatchInlineSnapshot(`
    [
      "optimizer.nesterov (flag --set) has no effect: it belongs to sgd, and the optimizer is adam",
      "optimizer.schedule.milestones 200 come after the last epoch, 130",
    ]
  `);
});

test('gpus are indices, ranges, all or none', () => {
  const chosen = (gpus: string | null, workers: number | null = null) => chooseDevices({ gpus, workers });
  expect(chosen('0')).toEqual({ kind: 'gpus', indices: [0] });
  expect(chosen('1,0')).toEqual({ kind: 'gpus', indices: [1, 0] });
  expect(chosen('0-3')).toEqual({ kind: 'gpus', indices: [0, 1, 2, 3] });
  expect(chosen(' 0-1, 4 ')).toEqual({ kind: 'gpus', indices: [0, 1, 4] });
  expect(chosen('all')).toEqual({ kind: 'all_gpus' });
  expect(chosen('none')).toEqual({ kind: 'cpu', replicas: 1 });
  expect(chosen('none', 3)).toEqual({ kind: 'cpu', replicas: 3 });
  expect(chosen(null, 3)).toEqual({ kind: 'cpu', replicas: 3 });
  expect(chosen(null)).toEqual({ kind: 'auto' });
  expect([chosen('0-3'), chosen('none', 5), chosen('all'), chosen(null)].map(replicasOf)).toEqual([4, 5, null, null]);
});

test('gpus that mean nothing are refused with the reason', () => {
  const refused = ['', '0,', '-1', 'gpu0', '3-1', '0,0', '0-2,1', '5000'].map((gpus) =>
    messageOf(() => chooseDevices({ gpus, workers: null })),
  );
  expect(refused).toMatchInlineSnapshot(`
    [
      "GPUS_INVALID: gpus cannot be "": "" is not an index or a range
    give indices (--gpus 0,1), a range (--gpus 0-3), all or none",
      "GPUS_INVALID: gpus cannot be "0,": "" is not an index or a range
    give indices (--gpus 0,1), a range (--gpus 0-3), all or none",
      "GPUS_INVALID: gpus cannot be "-1": "-1" is not an index or a range
    give indices (--gpus 0,1), a range (--gpus 0-3), all or none",
      "GPUS_INVALID: gpus cannot be "gpu0": "gpu0" is not an index or a range
    give indices (--gpus 0,1), a range (--gpus 0-3), all or none",
      "GPUS_INVALID: gpus cannot be "3-1": the range 3-1 runs backwards
    give indices (--gpus 0,1), a range (--gpus 0-3), all or none",
      "GPUS_INVALID: gpus cannot be "0,0": GPU 0 is named twice
    give indices (--gpus 0,1), a range (--gpus 0-3), all or none",
      "GPUS_INVALID: gpus cannot be "0-2,1": GPU 1 is named twice
    give indices (--gpus 0,1), a range (--gpus 0-3), all or none",
      "GPUS_INVALID: gpus cannot be "5000": index 5000 is beyond 1023
    give indices (--gpus 0,1), a range (--gpus 0-3), all or none",
    ]
  `);
});

test('checkpoints are due by epoch, time, steps, or all of them', () => {
  expect(parseStateEvery('epoch,60s')).toEqual({ epoch: true, intervalMs: 60_000, steps: null });
  expect(parseStateEvery('500 steps')).toEqual({ epoch: false, intervalMs: null, steps: 500 });
  expect(parseStateEvery('1 step, 1.5m')).toEqual({ epoch: false, intervalMs: 90_000, steps: 1 });
  expect(parseStateEvery('2h')).toEqual({ epoch: false, intervalMs: 7_200_000, steps: null });
  for (const wrong of ['', '60', '0s', '0 steps', '1.5 steps', 'epoch,epoch', '1s,2s', 'never']) {
    expect(() => parseStateEvery(wrong)).toThrow(UsageError);
  }
});

test('a swap of neighbors is one mistake, like a missing, wrong or superfluous letter', () => {
  expect([editDistance('', ''), editDistance('abc', ''), editDistance('', 'ab')]).toEqual([0, 3, 2]);
  expect(['bacth', 'bach', 'batxh', 'batchh'].map((word) => editDistance(word, 'batch'))).toEqual([1, 1, 1, 1]);
  expect(suggest('bacth', ['batch', 'keep'])).toBe('batch');
  expect(suggest('a', ['batch', 'keep', 'b'])).toBeNull();
});
