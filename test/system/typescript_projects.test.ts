/**
 * Owns: the packed tarball in an empty TypeScript project: strict, as ES modules and as CommonJS, on every Node that is supported. A program that
 * moved from model.fit is checked against our declarations and runs.
 */
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { packTarball, runIn, writeFiles, type Ran } from '../support/consumer_project.js';
import { folderOfTests } from '../support/temporary_folder.js';

const NODES = [20, 22, 24, 26];
const PEERS = '@tensorflow/tfjs@4.22.0 typescript@5.9.3 @types/node@20.19.43';

/** The same text is a module of either kind. `before`: options that the program had in tfjs's own types. */
const PROGRAM = `
import * as tf from '@tensorflow/tfjs';
import {
  evaluate, ExpectedError, fit, fitDataset, predict, release, train, UsageError,
  type FitCallbacks, type FitDatasetOptions, type FitHistory, type FitOptions, type TrainedRun, type TrainOptions,
} from 'tfjs-parallel';

const ROWS = 64;
const xs = tf.tensor2d(Array.from({ length: 3 * ROWS }, (_, i) => Math.sin(i)), [ROWS, 3]);
const ys = tf.tidy(() => xs.sum(1, true));

function createModel(): tf.LayersModel {
  const seeded = (seed: number) => ({ kernelInitializer: tf.initializers.glorotUniform({ seed }) });
  const model = tf.sequential({
    layers: [
      tf.layers.dense({ units: 8, activation: 'tanh', inputShape: [3], ...seeded(1) }),
      tf.layers.dense({ units: 1, ...seeded(2) }),
    ],
  });
  model.compile({ optimizer: tf.train.adam(0.01), loss: 'meanSquaredError', metrics: ['mae'] });
  return model;
}

function worstDifference(ours: tf.History, theirs: tf.History): number {
  const values = ({ history }: tf.History): number[] => ['loss', 'val_loss', 'mae', 'val_mae'].flatMap((name) => (history[name] ?? []).map(Number));
  const others = values(theirs);
  if (others.length !== 8) throw new Error('tfjs has other names');
  return Math.max(...values(ours).map((value, at) => Math.abs(value - (others[at] ?? NaN))));
}

async function main(): Promise<void> {
  const before: tf.ModelFitArgs = { batchSize: 16, epochs: 2, shuffle: false, validationSplit: 0.25, verbose: 0 };
  const theirs: tf.History = await createModel().fit(xs, ys, before);

  const begun: number[] = [];
  const callbacks: FitCallbacks = [
    { onEpochBegin: (epoch) => void begun.push(epoch), onEpochEnd: async (_epoch, logs) => void (await Promise.resolve(logs?.val_loss)) },
    tf.callbacks.earlyStopping({ monitor: 'loss', patience: 5 }),
  ];
  const model = createModel();
  const options: FitOptions = { ...before, callbacks, devices: ['CPU:0'] };
  const history: FitHistory = await fit(model, xs, ys, options);
  if (!(worstDifference(history, theirs) <= 1e-4)) throw new Error('histories differ by ' + worstDifference(history, theirs));
  if (String(begun) !== '0,1') throw new Error('epochs ' + begun);
  await fit(model, xs, ys, { ...before, epochs: 1 } satisfies tf.ModelFitArgs);
  tf.dispose([await predict(model, xs, { batchSize: 32 }), await evaluate(model, xs, ys)]);

  const rows = (tensor: tf.Tensor) => tf.data.array(tensor.arraySync() as number[][]);
  const dataset = tf.data.zip({ xs: rows(xs), ys: rows(ys) }).batch(16);
  const streamed: FitDatasetOptions = { epochs: 1, verbose: 0, validationData: dataset, batchesPerEpoch: 2 };
  await fitDataset(model, dataset, streamed);
  const streamedBefore: tf.ModelFitDatasetArgs<tf.TensorContainer> = { epochs: 1, verbose: 0 };
  await fitDataset(model, dataset, streamedBefore);
  await release(model);

  const data: TrainOptions['data'] = {
    train: { x: new Float32Array(30), y: new Float32Array(10) },
    validation: { x: new Float32Array(6), y: new Float32Array(2) },
    inputShape: [3],
  };
  const run: TrainedRun = await train({ model: createModel(), data, batch: 5, epochs: 1, devices: ['CPU:0'] });
  try {
    await fit(model, xs, ys, { epochs: 0.5 });
  } catch (error) {
    if (!(error instanceof UsageError && error instanceof ExpectedError && error.code === 'OPTION_INVALID')) throw error;
    console.log('moved:', history.epoch.length, 'epochs,', run.end.steps, 'steps');
  }
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
`;

const options = (own: object): object => ({
  compilerOptions: { module: 'nodenext', target: 'es2022', strict: true, types: ['node'], ...own },
});

const folder = folderOfTests();

const good = (ran: Ran): Ran => {
  if (ran.code !== 0) throw new Error(`ended with ${ran.code}:\n${ran.out}\n${ran.err}`);
  return ran;
};

const compile = (file: string): Ran => runIn(folder, `node node_modules/typescript/bin/tsc -p ${file}`);

beforeAll(() => {
  writeFiles(folder, {
    'package.json': { name: 'moved', version: '1.0.0', private: true },
    'program.mts': PROGRAM,
    'program.cts': PROGRAM,
    'esm.json': { ...options({ skipLibCheck: true, outDir: 'out' }), files: ['program.mts'] },
    'commonjs.json': { ...options({ skipLibCheck: true, outDir: 'out' }), files: ['program.cts'] },
    'declarations.json': {
      ...options({ skipLibCheck: false, noEmit: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true }),
      files: ['program.mts', 'program.cts'],
    },
  });
  good(runIn(folder, `npm install --no-audit --no-fund ${packTarball(resolve('.'), folder)} ${PEERS}`));
  good(compile('esm.json'));
  good(compile('commonjs.json'));
});

describe('in an empty strict TypeScript project', () => {
  it.each(NODES)('a program that moved from model.fit runs on Node %i, as an ES module and as CommonJS', (version) => {
    const home = join(folder, `node${version}`);
    mkdirSync(home);
    writeFiles(home, { 'package.json': { private: true } });
    const installed = runIn(home, `npm install --no-audit --no-fund node@${version}`);
    if (installed.code !== 0) return console.warn(`typescript_projects.test.ts: Node ${version} skipped: ${installed.err}`);
    const node = join(home, 'node_modules/.bin/node');
    expect(good(runIn(folder, `${node} --version`)).out).toMatch(new RegExp(`^v${version}\\.`));
    for (const program of ['out/program.mjs', 'out/program.cjs'])
      expect(good(runIn(folder, `${node} ${program}`)).out).toContain('moved: 2 epochs, 2 steps');
  });

  it('our declarations have no error of their own where libraries are checked too; tfjs 4.22 has', () => {
    const { out } = compile('declarations.json');
    const files = new Set([...out.matchAll(/^(\S+)\(\d+,\d+\): error/gm)].map(([, file]) => file));
    expect([...files].filter((file) => !file.startsWith('node_modules/@tensorflow/'))).toEqual([]);
    expect([...files]).not.toEqual([]);
  });
});
