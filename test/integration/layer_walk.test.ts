/**
 * Owns: the walk of docs/models.md through every layer class that tfjs registers: two steps of each, on one machine and in a cluster, in fp32 and bf16,
 * compiled and not, learning and frozen, against plain tfjs in float64.
 *
 * Tolerance: what plain tfjs itself is off by when it computes the same in float32, eight times over, and some roundings of what the weights moved; for
 * bf16, whose numbers have 16 bits less, 2^16 times that.
 */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { branches, createMasked, createModel } from '../support/models/layer_walk.mjs';
import { REFUSED_LAYERS } from '../support/refused_layers.js';
import { PLACES, PRECISIONS, runAt } from '../support/run_anywhere.js';
import { folderOfTests } from '../support/temporary_folder.js';

const N = 4;
const FEATURES = 6;
const RATE = 0.2;
const FLOAT32 = 2 ** -24;
const X = Array.from({ length: N * FEATURES }, (_, i) => (i * 7 + (i >> 2)) % 5);
const targetOf = (at: number): number[] => Array.from({ length: N * 2 }, (_, i) => Math.fround(Math.cos(at * 3 + i)));

const MODELS = [
  { name: 'layer_walk', create: createModel, isMasked: false },
  { name: 'masked_walk', create: createMasked, isMasked: true },
];
type Weights = Record<string, number[]>;

const folder = folderOfTests();
let initial: Weights;
let truth: { float64: Weights; float32: Weights };

const nameOf = ({ name, frozen }: { name: string; frozen: boolean }): string => (frozen ? `${name}, frozen` : name);

beforeAll(async () => {
  await tf.setBackend('cpu');
  const built = MODELS.flatMap(({ create }) => create(tf).weights);
  initial = Object.fromEntries(built.map((weight) => [weight.originalName, [...weight.read().dataSync()]]));
  const y = Object.fromEntries(branches(tf).map((one, at) => [nameOf(one), targetOf(at)]));
  const computed = (precision: string): Weights => {
    const input = JSON.stringify({ precision, x: X, y, count: N, rate: RATE, initial });
    const script = resolve('test/support/layer_truth.mjs');
    const { status, stdout, stderr } = spawnSync(process.execPath, [script], { input, encoding: 'utf8', maxBuffer: 2 ** 28 });
    if (status !== 0) throw new Error(stderr);
    return JSON.parse(stdout) as Weights;
  };
  truth = { float64: computed('float64'), float32: computed('float32') };
  for (const { name, isMasked } of MODELS) {
    const own = branches(tf).flatMap((one, at) => ((one.name === 'Masking') === isMasked ? [targetOf(at)] : []));
    const rows = Array.from({ length: N }, (_, row) => own.flatMap((values) => values.slice(row * 2, row * 2 + 2)));
    const split = `{ x: Float32Array.from(${JSON.stringify(X)}), y: Float32Array.from(${JSON.stringify(rows.flat())}) }`;
    const data = `export const train = ${split};\nexport const inputShape = [${FEATURES}];\nexport const labelShape = [${2 * own.length}];\n`;
    // A replica evaluates in a cluster as it does on one machine: there is enough.
    writeFileSync(join(folder, `${name}.machine.mjs`), `${data}export const validation = train;\n`);
    writeFileSync(join(folder, `${name}.cluster.mjs`), data);
  }
});

const norm = (values: readonly number[]): number => Math.hypot(...values);
const minus = (a: ArrayLike<number>, b: ArrayLike<number>): number[] => Array.from(a, (value, i) => value - b[i]);

/** What is further off than it may be, one line a tensor. */
function wrongIn(weights: Readonly<Record<string, ArrayLike<number>>>, roundings: number): string[] {
  return Object.keys(weights).flatMap((name) => {
    const right = truth.float64[name];
    const moved = norm(minus(right, initial[name]));
    const own = norm(minus(truth.float32[name], right));
    const allowed = roundings * (8 * own + 32 * FLOAT32 * moved) + 4 * FLOAT32 * norm(right);
    const off = norm(minus(weights[name], right));
    return off <= allowed
      ? []
      : [`${name}: off by ${off.toExponential(2)}, may be ${allowed.toExponential(2)}, moved by ${moved.toExponential(2)}`];
  });
}

// Operation by operation bf16 is float32, wherever that is: once is enough.
const WAYS = PLACES.flatMap((place) =>
  PRECISIONS.flatMap((precision) => [true, false].map((compile) => ({ place, precision, compile }))),
).filter(({ place, precision, compile }) => place === 'machine' || precision === 'fp32' || compile);

it('two steps move every tensor that learns by more than the tolerance', () => {
  const still = new Set(wrongIn(initial, 2 ** 16).map((line) => line.split(':')[0]));
  const learning = branches(tf).filter(({ frozen }) => !frozen).length;
  expect(still.size).toBeGreaterThan(3 * learning);
});

describe.each(WAYS)('on one $place, in $precision, compile $compile', ({ place, precision, compile }) => {
  it.each(MODELS)('$name: two steps of every layer, and no frozen weight moves', async ({ name, isMasked }) => {
    const count = branches(tf).filter((one) => (one.name === 'Masking') === isMasked).length;
    const run = await runAt(place, {
      runDir: folder,
      settings: {
        ...{
          model: resolve(`test/support/models/${name}.mjs`),
          data: join(folder, `${name}.${place}.mjs`),
          loss: 'mean_squared_error',
        },
        ...{ batch: N, shards: 1, epochs: 2, report: ['none'], precision, compile, optimizer: { learning_rate: RATE * count } },
      },
    });
    expect(Object.keys(run.weights).length).toBeGreaterThan(count);
    // Operation by operation everything is float32, which the run says.
    expect(wrongIn(run.weights, precision === 'bf16' && compile ? 2 ** 16 : 1)).toEqual([]);
    const still = Object.keys(run.weights).filter(
      (weight) => /_frozen(_\w+)?\//.test(weight) && !/_(before|after)\/|moving_/.test(weight),
    );
    expect(still.filter((weight) => norm(minus(run.weights[weight], initial[weight])) !== 0)).toEqual([]);
    expect(still.length).toBeGreaterThan(1);
  });
});

it.each(Object.keys(REFUSED_LAYERS))('refused before the first step: %s', async (name) => {
  const { code, shape, layer } = REFUSED_LAYERS[name];
  const model = join(folder, `${name.replace(/\W/g, '_')}.mjs`);
  writeFileSync(
    model,
    `export const createModel = (tf) => tf.sequential({ layers: [
      tf.layers.dense({ units: 6, inputShape: [${FEATURES}] }), tf.layers.reshape({ targetShape: [${shape.join(', ')}] }), ${layer}, ${shape.length > 1 ? 'tf.layers.flatten(), ' : ''}tf.layers.dense({ units: 4 }),
    ] });`,
  );
  const settings = {
    model,
    data: join(folder, 'masked_walk.machine.mjs'),
    loss: 'mean_squared_error',
    batch: N,
    shards: 1,
    epochs: 1,
    train_limit: N,
  };
  const error: unknown = await runAt('machine', { runDir: folder, settings }).catch((thrown: unknown) => thrown);
  const { code: given, message, next } = error as { code?: string; message: string; next?: string };
  expect(given, message).toBe(code);
  expect(next).not.toMatch(/resume/i);
});
