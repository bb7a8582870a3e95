/**
 * Owns: what a run prints and leaves, from the built program: the report's lines, JSON lines, the run's folder, and models that `evaluate`, plain tfjs,
 * `--init-from` and `--resume` read.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { syntheticDigits } from '../../src/data/sources/synthetic.js';
import { installEngine } from '../../src/engine/index.js';
import { runCli } from '../support/built_cli.js';
import { FEW_DIGITS, jsonLines, metricsOf, SMALL_CNN, trained, trainSmall } from '../support/trained_run.js';
import { plain as withoutNames } from '../support/plain_data.js';
import { folderOfTests } from '../support/temporary_folder.js';

/** Two epochs of 200 + 60 in three shards, every model saved. */
const COMMAND =
  `train --data ${FEW_DIGITS} --model ${SMALL_CNN} --train-limit 260 --batch 200 --shards 3 ` +
  '--gpus none --workers 2 --threads-per-worker 1 --epochs 2 --save-above 0 --log-every 1 --name first';

const cwd = folderOfTests();
let text: { code: number | null; out: string; err: string };
beforeAll(() => {
  text = runCli(COMMAND.split(' '), { cwd });
});

const first = () => join(cwd, 'runs', 'first');
const endOf = (run: string) => metricsOf(run).find(({ type }) => type === 'end')!;
const epochsOf = (run: string) => metricsOf(run).filter(({ type }) => type === 'epoch');
const checkpoint = (epoch: number) => join(first(), 'checkpoints', `epoch-000${epoch}`);

describe('standard output', () => {
  it("is the report's lines, tabs and all, with the numbers of the metrics, and nothing else", () => {
    expect(text.code, text.err).toBe(0);
    const percent = (fraction: unknown) => (100 * (fraction as number)).toFixed(2).padStart(5);
    const wanted = epochsOf(first()).flatMap(({ epoch, acc, val_acc, saved }) => [
      `epoch  ${String(epoch)}: \t ${percent(acc)}% - train set accuracy`,
      `\t\t ${percent(val_acc)}% - validation set accuracy`,
      ...(saved === true ? [`saved epoch ${String(epoch)}`] : []),
    ]);
    expect(text.out).toBe(`${['context: [cpu(0), cpu(1)]', ...wanted].join('\n')}\n`);
    expect(text.out).toContain('saved epoch 1\n');
    expect(wanted.length).toBeGreaterThanOrEqual(5);
  });

  it('keeps the rest on standard error: devices, data, plan, the rows of the last batch, and the hash', () => {
    expect(text.err).toContain('plan     batch 200 = 67 + 67 + 66 · 2 steps/epoch · 2 epochs · sgd 0.1');
    expect(text.err).toContain(`weights_sha256 ${String(endOf(first()).weights_sha256)}`);
    expect(text.err).toContain('run      runs/first');
    expect(text.err).toMatch(/\nreport {3}runs\/first\/report\.html\n$/);
  });

  it('is JSON lines with --reporter json, the same as the metrics', () => {
    const run = trained(`${COMMAND.replace('--epochs 2', '--epochs 1').replace('--name first', '--name json')} --reporter json`, {
      cwd,
    });
    // When states reach the disk is not part of the run: a resumed one would write them elsewhere.
    expect(run.records.filter(({ type }) => type !== 'state')).toEqual(metricsOf(join(cwd, 'runs', 'json')));
    expect(run.records.map(({ v }) => v)).toEqual(run.records.map(() => 2));
    const steps = run.records.filter(({ type }) => type === 'step');
    expect(steps.map(({ epoch, step }) => [epoch, step])).toEqual([
      [1, 1],
      [1, 2],
    ]);
    expect(Object.keys(steps[0].phases_ms as object).sort()).toEqual(['apply', 'compute', 'data', 'publish', 'reduce', 'wait']);
    expect(steps.map(({ learning_rate }) => learning_rate)).toEqual([0.1, 0.1]);
    for (const { phases_ms } of steps) expect((phases_ms as { reduce: number }).reduce).toBeGreaterThan(0);
    expect(run.start).toMatchObject({
      numerics: { execution: 'compiled', intra_op_threads: 1 },
      replicas: ['cpu(0)', 'cpu(1)'],
      run_folder: 'runs/json',
    });
    expect(run.epochs[0]).toMatchObject({ epoch: 1, saved: true, val_acc: epochsOf(first())[0].val_acc });
  });
});

describe('the run folder', () => {
  it('holds the resolved configuration with its sources, the machine, metrics, models and states', () => {
    expect(readdirSync(first())).toEqual(
      expect.arrayContaining(['checkpoints', 'config.yaml', 'env.json', 'logs', 'metrics.jsonl', 'state']),
    );
    const config = readFileSync(join(first(), 'config.yaml'), 'utf8');
    expect(parse(config)).toMatchObject({
      batch: 200,
      shards: 3,
      epochs: 2,
      threads_per_worker: 1,
      optimizer: { learning_rate: 0.1 },
    });
    expect(config).toMatch(/^batch: 200 *# flag --batch$/m);
    expect(JSON.parse(readFileSync(join(first(), 'env.json'), 'utf8'))).toMatchObject({
      versions: { node: process.versions.node },
      replicas: ['cpu(0)', 'cpu(1)'],
    });
    expect(readdirSync(join(first(), 'state')).filter((name) => name.endsWith('.safetensors')).length).toBeGreaterThan(0);
    expect(readdirSync(checkpoint(1)).sort()).toEqual(['model.json', 'weights.bin']);
  });

  it('is never used for a second run', () => {
    const { code, err } = runCli(COMMAND.split(' '), { cwd });
    expect(code).toBe(7);
    expect(err).toMatch(/^error RUN_EXISTS: .*first/m);
  });
});

describe('a saved model', () => {
  it("gives the run's accuracy and loss again, with evaluate, on other replicas and shards", () => {
    const answer = runCli(['evaluate', checkpoint(1), '--reporter', 'json', '--workers', '1', '--shards', '1'], { cwd });
    const [evaluation] = jsonLines(answer.out);
    const [epoch] = epochsOf(first());
    expect(evaluation).toMatchObject({ type: 'evaluation', examples: 100, val_acc: epoch.val_acc });
    expect(evaluation.val_loss).toBeCloseTo(epoch.val_loss as number, 5);
    expect(runCli(['evaluate', checkpoint(1), '--target', '1', '--workers', '1'], { cwd }).code).toBe(8);
  });

  it("gives the run's accuracy in plain tfjs, read as a user's own handler and as file://", async () => {
    const { validation } = withoutNames(await syntheticDigits({ seed: 1, train: 1, validation: 100 }));
    const accuracy = (model: tf.LayersModel): number =>
      tf.tidy(() => {
        const x = tf.mul(tf.tensor4d(Float32Array.from(validation.x), [100, 28, 28, 1]), 1 / 255);
        const guesses = (model.predict(x) as tf.Tensor).argMax(1).dataSync();
        return [...guesses].filter((guess, i) => guess === validation.y[i]).length / 100;
      });
    const wanted = epochsOf(first())[0].val_acc;
    const json = JSON.parse(readFileSync(join(checkpoint(1), 'model.json'), 'utf8')) as {
      modelTopology: object;
      weightsManifest: tf.io.WeightsManifestConfig;
    };
    const bytes = readFileSync(join(checkpoint(1), 'weights.bin'));
    const weightData = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer;
    await tf.setBackend('cpu');
    const plain = await tf.loadLayersModel({
      load: () =>
        Promise.resolve({ modelTopology: json.modelTopology, weightSpecs: json.weightsManifest[0].weights, weightData }),
    });
    expect(accuracy(plain)).toBe(wanted);
    const engine = installEngine();
    try {
      expect(accuracy(await tf.loadLayersModel(`file://${join(checkpoint(1), 'model.json')}`))).toBe(wanted);
    } finally {
      engine.dispose();
    }
  });

  it('starts a new run with --init-from, whose weights it has until a step is made', () => {
    const run = trainSmall(`--train-limit 260 --workers 1 --epochs 0 --init-from ${first()}/checkpoints/epoch-0002 --name from`, {
      cwd,
    });
    expect(run.end).toMatchObject({ steps: 0, weights_sha256: endOf(first()).weights_sha256 });
  });
});

describe('a run that ended early', () => {
  it('at --max-steps says so; resumed without the limit it ends in the weights of the undisturbed one', () => {
    const limited = COMMAND.replace('--name first', '--name limited');
    const run = trained(`${limited} --max-steps 1 --reporter json`, { cwd });
    expect(run.end).toMatchObject({ steps: 1, epochs: 0, reason: 'max_steps', best: null });
    const resumed = trained(`train --resume runs/limited --set max_steps=null --reporter json --workers 1`, { cwd });
    expect(resumed.end).toMatchObject({ steps: 4, reason: 'done', weights_sha256: endOf(first()).weights_sha256 });
  });

  it('below --target exits 8, with its folder whole', () => {
    const { code, err, out } = runCli(
      `${COMMAND.replace('--epochs 2', '--epochs 1').replace('--name first', '--name missed')} --target 1`.split(' '),
      { cwd },
    );
    expect(code).toBe(8);
    expect(err).toMatch(
      /^error TARGET_NOT_MET: the target was 100\.00 % validation accuracy, the best epoch reached \d+\.\d\d %\nnext: /m,
    );
    expect(out).toContain('epoch  1:');
    expect(endOf(join(cwd, 'runs', 'missed')).reason).toBe('done');
  });
});
