/**
 * Owns: the walk of docs/models.md through every optimizer and every constraint (against plain tfjs in float64, constraints after each step), every random
 * layer, every loss and every metric: two steps on one machine and in a cluster, in fp32 and bf16, compiled and not, learning and frozen.
 *
 * Tolerance as in layer_walk.test.ts. What random layers draw, and what losses and metrics are, is compared with its truth in keyed_random.test.ts,
 * all_losses.test.ts and loss_walk.test.ts; here every way of computing it must give the same: to the bit on one machine and in a cluster.
 */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { LOSSES } from '../../src/objective/losses.js';
import { METRICS } from '../../src/objective/metrics.js';
import { OPTIMIZERS } from '../../src/optimizers/table.js';
import { createModel } from '../support/models/constraint_walk.mjs';
import { PRECISIONS, runAt, type Place, type Told } from '../support/run_anywhere.js';
import { folderOfTests } from '../support/temporary_folder.js';

const N = 5;
const FLOAT32 = 2 ** -24;
const X = Array.from({ length: N * 6 }, (_, i) => Math.fround(Math.sin(1 + i * 1.7)));
type Weights = Record<string, number[]>;

const folder = folderOfTests();

/** Targets of `outputs` numbers, or a record of them. */
function dataFile(name: string, y: string, more = ''): string {
  const path = join(folder, name);
  const split = `{ x: Float32Array.from(${JSON.stringify(X)}), y: ${y} }`;
  writeFileSync(
    path,
    `export const train = ${split};\nexport const validation = train;\nexport const inputShape = [6];\n${more}`,
  );
  return path;
}
const waves = (outputs: number): number[] => Array.from({ length: N * outputs }, (_, i) => Math.fround(Math.cos(i * 3)));

interface Way {
  readonly place: Place;
  readonly precision: 'fp32' | 'bf16';
  readonly compile: boolean;
}
const [MACHINE, EAGER, CLUSTER, ROUGH, ROUGH_CLUSTER]: readonly Way[] = [
  { place: 'machine', precision: 'fp32', compile: true },
  { place: 'machine', precision: 'fp32', compile: false },
  { place: 'cluster', precision: 'fp32', compile: true },
  { place: 'machine', precision: 'bf16', compile: true },
  { place: 'cluster', precision: 'bf16', compile: true },
];

async function walked({ place, precision, compile }: Way, settings: object): Promise<Told> {
  const common = { batch: N, shards: 1, epochs: 2, report: ['none'], precision, compile };
  return runAt(place, { runDir: folder, settings: { ...common, loss: 'mean_squared_error', ...settings } });
}

const norm = (values: ArrayLike<number>): number => Math.hypot(...Array.from(values));
const minus = (a: ArrayLike<number>, b: ArrayLike<number>): number[] => Array.from(a, (value, i) => value - b[i]);

/** Epsilons are large: next to a gradient of nothing its rounding would say where a step goes. */
const WALKED: Readonly<Record<string, { name: keyof typeof OPTIMIZERS } & Record<string, unknown>>> = {
  sgd: { name: 'sgd', learning_rate: 0.5 },
  momentum: { name: 'sgd', learning_rate: 0.5, momentum: 0.8, nesterov: true },
  adagrad: { name: 'adagrad', learning_rate: 0.2, initial_accumulator_value: 0.1 },
  adadelta: { name: 'adadelta', learning_rate: 0.5, rho: 0.9, epsilon: 0.01 },
  adam: { name: 'adam', learning_rate: 0.1, beta1: 0.8, beta2: 0.9, epsilon: 0.05 },
  adamw: { name: 'adamw', learning_rate: 0.1, beta1: 0.8, beta2: 0.9, epsilon: 0.05, weight_decay: 0.3 },
  adamax: { name: 'adamax', learning_rate: 0.1, beta1: 0.8, beta2: 0.9, epsilon: 0.05 },
  rmsprop: { name: 'rmsprop', learning_rate: 0.1, rho: 0.8, momentum: 0.5, epsilon: 0.05 },
};

describe('every optimizer, and every constraint', () => {
  let initial: Weights;
  let truth: { float64: Record<string, Weights>; float32: Record<string, Weights> };
  const [outputs, model] = [18, resolve('test/support/models/constraint_walk.mjs')];

  beforeAll(async () => {
    await tf.setBackend('cpu');
    initial = Object.fromEntries(createModel(tf).weights.map((weight) => [weight.originalName, [...weight.read().dataSync()]]));
    const computed = (precision: string): Record<string, Weights> => {
      const input = JSON.stringify({ precision, x: X, y: waves(outputs), count: N, optimizers: WALKED, initial });
      const script = resolve('test/support/optimizer_truth.mjs');
      const { status, stdout, stderr } = spawnSync(process.execPath, [script], { input, encoding: 'utf8' });
      if (status !== 0) throw new Error(stderr);
      return JSON.parse(stdout) as Record<string, Weights>;
    };
    truth = { float64: computed('float64'), float32: computed('float32') };
  });

  /** What is further off than it may be. */
  function wrongIn(weights: Readonly<Record<string, ArrayLike<number>>>, optimizer: string, roundings: number): string[] {
    return Object.entries(truth.float64[optimizer]).flatMap(([name, right]) => {
      const moved = norm(minus(right, initial[name]));
      const own = norm(minus(truth.float32[optimizer][name], right));
      const allowed = roundings * (8 * own + 32 * FLOAT32 * moved) + 4 * FLOAT32 * norm(right);
      const off = norm(minus(weights[name], right));
      return off <= allowed ? [] : [`${name}: off by ${off.toExponential(2)}, may be ${allowed.toExponential(2)}`];
    });
  }

  it('are all here, and each constraint holds something: two steps move what learns, to where without it they would not', () => {
    expect(new Set(Object.values(WALKED).map(({ name }) => name))).toEqual(new Set(Object.keys(OPTIMIZERS)));
    for (const optimizer of Object.keys(WALKED)) {
      const after = truth.float64[optimizer];
      const columns = (name: string): number[] =>
        [0, 1, 2].map((column) => norm(after[`${name}/kernel`].filter((_, at) => at % 3 === column)));
      for (const size of columns('max')) expect(size).toBeLessThan(0.6 + 1e-6);
      for (const size of columns('unit')) expect(size).toBeCloseTo(1, 6);
      expect(Math.min(...after['positive/kernel'])).toBe(0);
      expect(after['still_frozen/kernel']).toEqual(initial['still_frozen/kernel']);
      expect(wrongIn(initial, optimizer, 2 ** 16).length).toBeGreaterThan(8);
    }
  });

  describe.each(Object.keys(WALKED))('%s', (optimizer) => {
    const rough = Object.keys(WALKED).indexOf(optimizer) % 2 === 0 ? ROUGH : ROUGH_CLUSTER;
    it.each([MACHINE, EAGER, CLUSTER, rough].filter(({ precision }) => PRECISIONS.includes(precision)))(
      'on one $place, in $precision, compile $compile',
      async (way) => {
        const data = dataFile(
          'optimizers.mjs',
          `Float32Array.from(${JSON.stringify(waves(outputs))})`,
          `export const labelShape = [${outputs}];`,
        );
        const { weights } = await walked(way, { model, data, optimizer: WALKED[optimizer] });
        expect(wrongIn(weights, optimizer, way.precision === 'bf16' ? 2 ** 16 : 1)).toEqual([]);
        expect([...weights['still_frozen/kernel']]).toEqual(initial['still_frozen/kernel']);
      },
    );
  });
});

/** The same bits on one machine and in a cluster; operation by operation to rounding; in bf16 to its own. */
async function everyWay(settings: object): Promise<Told> {
  const [machine, cluster] = [await walked(MACHINE, settings), await walked(CLUSTER, settings)];
  expect(cluster.weights).toEqual(machine.weights);
  expect(lastEpoch(cluster)).toEqual(lastEpoch(machine));
  const rough = PRECISIONS.includes('bf16') ? await walked(ROUGH, settings) : null;
  if (rough !== null) expect((await walked(ROUGH_CLUSTER, settings)).weights).toEqual(rough.weights);
  const eager = await walked(EAGER, settings);
  for (const [name, values] of Object.entries(machine.weights)) {
    const near = (other: Told, roundings: number): void =>
      expect(norm(minus(other.weights[name], values)), name).toBeLessThanOrEqual(roundings * norm(values) + roundings / 4);
    near(eager, 256 * FLOAT32);
    if (rough !== null) near(rough, 16 * 2 ** -8);
  }
  return machine;
}
const lastEpoch = ({ events }: Told) => events.filter((event) => event.type === 'epoch').at(-1)?.values ?? {};

it('every random layer draws the same wherever and however it is computed, and a frozen one draws too', async () => {
  const model = resolve('test/support/models/random_walk.mjs');
  const data = dataFile('random.mjs', `Float32Array.from(${JSON.stringify(waves(12))})`, 'export const labelShape = [12];');
  const settings = { model, data, optimizer: { learning_rate: 0.5 } };
  const run = await everyWay(settings);
  // Another seed draws other numbers in every branch: what is before each layer learns otherwise.
  const before = Object.keys(run.weights).filter((name) => name.endsWith('_before/kernel'));
  expect(before.length).toBe(12);
  const frozen = Object.keys(run.weights).filter((name) => name.startsWith('lstm_frozen/'));
  const [one, four] = [await walked(MACHINE, { ...settings, epochs: 1 }), await walked(MACHINE, { ...settings, shards: 5 })];
  for (const name of frozen) expect(one.weights[name]).toEqual(run.weights[name]);
  // And examples keep theirs in whichever shard they are.
  for (const name of before)
    expect(norm(minus(four.weights[name], run.weights[name])), name).toBeLessThan(256 * FLOAT32 * norm(run.weights[name]));
});

/** A loss an output, each from the inputs alone. */
const CLASSES = 4;
const indices = Array.from({ length: N }, (_, row) => (row * 3) % CLASSES);
const oneHot = indices.flatMap((label) => Array.from({ length: CLASSES }, (_, at) => (at === label ? 1 : 0)));
const SHARES = /rossentropy|^softmax_cross_entropy$|^sigmoid_cross_entropy$|Divergence|log_loss|poisson|Logarithmic/;
const activationOf = (loss: string): string =>
  /^sigmoid|binary|log_loss|hinge_loss/.test(loss) && !/logits/.test(loss) ? 'sigmoid' : SHARES.test(loss) ? 'softmax' : 'linear';
/** −1 and 1 for a hinge; no 0 for what divides by labels. */
const targetOf = (loss: string, value: number): number =>
  /^(hinge|squaredHinge)$/.test(loss) ? 2 * value - 1 : /ercentage/.test(loss) ? value + 1 : value;
const labelsOf = (loss: string): string =>
  loss === 'sparseCategoricalCrossentropy'
    ? `Int32Array.of(${indices.join()})`
    : `Float32Array.of(${oneHot.map((value) => targetOf(loss, value)).join()})`;

it('every loss and every metric', async () => {
  const losses = Object.keys(LOSSES);
  const model = join(folder, 'losses.mjs');
  writeFileSync(
    model,
    `export function createModel(tf) { const inputs = tf.input({ shape: [6] });
  const outputs = ${JSON.stringify(losses.map((loss) => [`of_${loss}`, activationOf(loss)]))}.map(([name, activation]) => tf.layers.dense({ name, units: ${CLASSES}, activation }).apply(inputs));
  return tf.model({ inputs, outputs }); }`,
  );
  const data = dataFile('losses_data.mjs', `{ ${losses.map((loss) => `of_${loss}: ${labelsOf(loss)}`).join(', ')} }`);
  const metrics = Object.keys(METRICS).map(
    (metric) =>
      `of_${metric === 'sparseCategoricalAccuracy' ? 'sparseCategoricalCrossentropy' : /binary|precision|recall|auc/.test(metric) ? 'binaryCrossentropy' : 'categoricalCrossentropy'}=${metric}`,
  );
  const settings = {
    model,
    data,
    loss: losses.map((loss) => `of_${loss}=${loss}`).join(', '),
    metrics,
    optimizer: { learning_rate: 0.1 },
  };
  const run = await everyWay(settings);
  const values = lastEpoch(run);
  for (const loss of losses) expect(Number.isFinite(values[`val_of_${loss}_loss`]), loss).toBe(true);
  expect(Object.keys(values).filter((name) => name.startsWith('val_')).length).toBe(1 + losses.length + metrics.length);
  const first = await walked(MACHINE, { ...settings, epochs: 1 });
  // Each loss has a gradient of its own.
  for (const loss of losses)
    expect(norm(minus(first.weights[`of_${loss}/kernel`], run.weights[`of_${loss}/kernel`])), loss).toBeGreaterThan(1e-6);
});
