import { expect, test } from 'vitest';
import { hostGradient } from '../../../../src/common/host_gradient.js';
import type { ShardAssignment, ShardResult } from '../../../../src/common/replica.js';
import { DEFAULT_TRAIN_CONFIG, type OptimizerConfig } from '../../../../src/common/train_config.js';
import { ExactPlane } from '../../../../src/coordinator/planes/exact/exact_plane.js';
import { tinyModel } from '../../../support/run_state.js';

const { layout } = tinyModel;
const never = new AbortController().signal;

/** Every example's gradient is 1 in each trained weight; evaluations answer the sum of the weights that they were given. */
function planeWith(optimizer: Partial<OptimizerConfig>, { shards = 1, hang = false } = {}) {
  const held = { now: 0, most: 0 };
  const evaluated: { version: number; values: number[] }[] = [];
  const trained: { rows: number[]; ahead: number[][] }[] = [];
  const answer = ({ id, rows, parameters, ahead }: ShardAssignment): ShardResult => {
    const { kind, shard } = id;
    if (kind === 'train') trained.push({ rows: [...rows], ahead: (ahead?.rows ?? []).map((one) => [...one]) });
    if (kind === 'evaluate') evaluated.push({ version: parameters.version, values: [...parameters.values] });
    const common = {
      id,
      version: parameters.version,
      examples: rows.length,
      lossSum: 1,
      sums: [0],
      computeMs: 1,
      replica: shard === 0 ? 'cpu(0)' : 'cpu(1)',
    };
    if (kind === 'evaluate') return common;
    held.now += 1;
    held.most = Math.max(held.most, held.now);
    const values = new Float32Array(layout.trainedSize).fill(rows.length);
    const gradient = hostGradient({ kind: 'host', values, release: () => void (held.now -= 1) });
    return { ...common, gradient, statistics: new Float32Array(layout.statisticsSize) };
  };
  const fleet = {
    ...{ replicas: [], lose: () => undefined },
    computeRound: async (units: readonly ShardAssignment[], take = (result: ShardResult) => result): Promise<ShardResult[]> => {
      if (hang) await new Promise(() => undefined);
      const results: ShardResult[] = [];
      for (const unit of units) {
        const result = answer(unit);
        results.push(unit.id.kind === 'train' ? take(result) : result);
        await new Promise((resolve) => setImmediate(resolve));
      }
      return results;
    },
  };
  const config = { ...DEFAULT_TRAIN_CONFIG.optimizer, ...optimizer };
  const plane = new ExactPlane({ model: tinyModel, shards, optimizer: config, fleet, nowMs: () => 0 });
  return { plane, held, evaluated, trained };
}

const work = (upTo: number, signal = never) => ({
  from: { step: 0, example: 0 },
  upTo,
  rows: { seed: 1, epoch: 1, examples: 192, batch: 64, shuffle: true },
  rates: { schedule: DEFAULT_TRAIN_CONFIG.optimizer.schedule, base: 0.5, stepsPerEpoch: 3, epochs: 1 },
  signal,
});

async function advance(plane: ExactPlane, upTo: number) {
  const outcomes = [];
  for await (const outcome of plane.advance(work(upTo))) outcomes.push(outcome);
  return outcomes;
}

test('a plane steps to the boundary that was named, or the end of the epoch, and its values carry their version', async () => {
  const { plane } = planeWith({});
  expect((await advance(plane, 2)).map(({ kind }) => kind)).toEqual(['committed', 'committed']);
  const { version, parameters } = await plane.values();
  expect([version, parameters[0]]).toEqual([2, -1]);
  expect(await advance(planeWith({}).plane, Infinity)).toHaveLength(3);
});

test('the last steps of an epoch name the first rows of the next, where there is one', async () => {
  const { plane, trained } = planeWith({});
  const epoch = async (rows: { epoch: number; nextEpoch?: number }): Promise<void> => {
    const { rows: base, ...rest } = work(Infinity);
    for await (const outcome of plane.advance({ ...rest, rows: { ...base, ...rows } })) expect(outcome.kind).toBe('committed');
  };
  await epoch({ epoch: 1, nextEpoch: 2 });
  await epoch({ epoch: 2 });
  const rows = trained.map((step) => step.rows);
  expect(trained.map(({ ahead }) => ahead)).toEqual([
    [rows[1], rows[2]],
    [rows[2], rows[3]],
    [rows[3], rows[4]],
    [rows[4], rows[5]],
    [rows[5]],
    [],
  ]);
});

test('64 shards on one replica hold no more than 7 gradients, and all are given back', async () => {
  const { plane, held } = planeWith({}, { shards: 64 });
  await advance(plane, 1);
  expect(held).toEqual({ now: 0, most: 7 });
  expect((await plane.values()).parameters[0]).toBe(-0.5);
});

test('a step that is given up is not applied', async () => {
  const { plane } = planeWith({}, { hang: true });
  const hurry = new AbortController();
  const outcomes: unknown[] = [];
  const stepping = (async () => {
    for await (const outcome of plane.advance(work(1, hurry.signal))) outcomes.push(outcome);
  })();
  hurry.abort();
  await stepping;
  expect([outcomes, (await plane.values()).version]).toEqual([[], 0]);
});

test('a layer’s factor multiplies its learning rate alone', async () => {
  const { plane } = planeWith({ layerRates: ['dense/bias=0.5'] });
  await advance(plane, 1);
  const { parameters } = await plane.values();
  expect([...parameters.subarray(0, 8)]).toEqual([-0.5, -0.5, -0.5, -0.5, -0.5, -0.5, -0.25, -0.25]);
  expect(() => planeWith({ layerRates: ['dens=0.5'] })).toThrow('no trained weight belongs to it, did you mean dense?');
  expect(() => planeWith({ layerRates: ['dense'] })).toThrow('wanted a layer, an equals sign and a number');
  expect(() => planeWith({ layerRates: ['dense=1', 'dense/bias=2'] })).toThrow('dense/bias has a factor already');
});

test('the moving average is kept, and stands for the weights where that was asked for', async () => {
  const { plane, evaluated } = planeWith({ emaDecay: 0.5, emaFor: ['evaluation', 'model'] });
  await advance(plane, 2);
  // Weights 0, −0.5, −1: the average is −0.25 and then −0.125 − 0.5.
  const { parameters, optimizerSlots } = await plane.values();
  expect([parameters[0], optimizerSlots[0].name, optimizerSlots[0].values[0]]).toEqual([-1, 'average', -0.625]);
  expect((await plane.model())[0]).toBe(-0.625);
  await plane.evaluate({ examples: 3, batch: 3, signal: never });
  expect(evaluated[0].values[0]).toBe(-0.625);
  // Not the version of the weights themselves, which replicas may hold.
  expect(evaluated[0].version).not.toBe(2);
  const unasked = planeWith({ emaDecay: 0.5 });
  await advance(unasked.plane, 2);
  expect((await unasked.plane.model())[0]).toBe(-1);
});

test('tells the norm of a gradient that nothing clips, and the weights are the same', async () => {
  const { plane: silent } = planeWith({});
  const { plane: telling } = planeWith({ clipNorm: Infinity });
  const [without] = await advance(silent, 1);
  const [step] = await advance(telling, 1);
  expect(without).not.toHaveProperty('gradientNorm');
  // Each mean gradient is 1.
  expect(step).toMatchObject({ gradientNorm: Math.sqrt(layout.trainedSize) });
  expect((await telling.values()).parameters).toEqual((await silent.values()).parameters);
});

test('tells how long each replica computed, all of its shards together', async () => {
  const [step] = await advance(planeWith({}, { shards: 3 }).plane, 1);
  expect(step).toMatchObject({
    replicaTimes: [
      { replica: 'cpu(0)', computeMs: 1 },
      { replica: 'cpu(1)', computeMs: 2 },
    ],
  });
});
