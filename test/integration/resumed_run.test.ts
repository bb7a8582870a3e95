import * as tf from '@tensorflow/tfjs';
import { spawnSync } from 'node:child_process';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { nodeFileSystem } from '../../src/coordinator/storage/files/file_system.js';
import { readNewestState } from '../../src/coordinator/storage/state/state_file.js';
import { loadDataset } from '../../src/data/load.js';
import { DEFAULT_TRAIN_CONFIG } from '../../src/common/train_config.js';
import { runCli } from '../support/built_cli.js';
import { trainUntil } from '../support/held_run.js';
import { metricsOf, recordsIn, TINY_DATA, TINY_RUN, train, weightsSha256Of, type Ended } from '../support/real_run.js';
import { plain } from '../support/plain_data.js';
import { folderOfTests } from '../support/temporary_folder.js';

const scratch = folderOfTests();
const folder = (name: string): string => join(scratch, name);
/** `but`: flags that replace those of TINY_RUN, because the last one counts. */
const begin = (name: string, ...but: string[]): string[] => [...TINY_RUN, '--run-dir', scratch, '--name', name, ...but];
const newest = async (name: string) => readNewestState({ folder: join(folder(name), 'state'), fileSystem: nodeFileSystem });

describe('a real run that is resumed', () => {
  /** Stopped after 18 of 24 steps: in the middle of the second epoch. */
  beforeAll(async () => {
    expect(await train(begin('stopped', '--epochs', '2', '--workers', '2', '--max-steps', '18'))).toMatchObject({ code: 0 });
  });

  it.each([
    ['another number of threads', ['--threads-per-worker', '2'], 7, 'RESUME_NUMERICS_DIFFERS', 'intraOpThreads was 1, is 2'],
    ['operations run one by one', ['--no-compile'], 7, 'RESUME_NUMERICS_DIFFERS', 'execution was compiled, is eager'],
    ['another model by flag', ['--model', 'gluon_cnn'], 2, 'model is', 'gluon_cnn'],
    ['fewer examples by flag', ['--train-limit', '599'], 2, 'train_limit is 600', '599'],
    ['another learning rate by flag', ['--lr', '0.1'], 2, 'optimizer.learning_rate is 0.05', '0.1'],
  ])('with %s is refused by name, and is unharmed', async (_, flags, code, ...named) => {
    const ended = await train(['--resume', folder('stopped'), ...flags]);
    expect(ended).toMatchObject({ code });
    for (const name of named) expect(ended.err).toContain(name);
    expect((await newest('stopped')).state?.progress.step).toBe(18);
  });

  it('with oneDNN switched over is refused with the variable to set, is unharmed, and goes on as if nothing had been with it set', async () => {
    const wanted = (await newest('stopped')).state?.numerics.oneDnn === 'on' ? '1' : '0';
    const resume = (value: string): Promise<Ended> =>
      train(['--resume', folder('stopped'), '--max-steps', '18'], { env: { TF_ENABLE_ONEDNN_OPTS: value } });
    const refused = await resume(wanted === '1' ? '0' : '1');
    expect(refused).toMatchObject({ code: 7 });
    expect(refused.err).toContain('RESUME_NUMERICS_DIFFERS');
    expect(refused.err).toContain(`set TF_ENABLE_ONEDNN_OPTS=${wanted} in its environment`);
    expect((await newest('stopped')).state?.progress.step).toBe(18);
    expect(await resume(wanted)).toMatchObject({ code: 0 });
  });

  it('with a model or data that changed behind its name is refused, naming the tensor or the item, and is unharmed', async () => {
    const model = join(scratch, 'model.mjs');
    const data = join(scratch, 'data.mjs');
    const write = (units: number, label: number): void => {
      writeFileSync(
        model,
        `export const createModel = (tf) => tf.sequential({ layers: [
           tf.layers.dense({ name: 'hidden', inputShape: [4], units: ${units} }), tf.layers.dense({ name: 'last', units: 2 })] });`,
      );
      writeFileSync(
        data,
        `const set = (count) => ({ x: Float32Array.from({ length: 4 * count }, (_, at) => at % 7), y: Int32Array.from({ length: count }, (_, at) => (at + ${label}) % 2) });
         export const [train, validation, inputShape] = [set(40), set(10), [4]];`,
      );
    };
    const flags = ['--model', model, '--data', data, '--gpus', 'none', '--workers', '1', '--batch', '10', '--run-dir', scratch];
    write(3, 0);
    const begun = await train([...flags, '--name', 'own', '--epochs', '2', '--max-steps', '6']);
    expect(begun, begun.err).toMatchObject({ code: 0 });
    write(5, 0);
    const otherModel = await train(['--resume', folder('own')]);
    expect(otherModel).toMatchObject({ code: 7 });
    expect(otherModel.err).toContain('RESUME_MODEL_DIFFERS');
    expect(otherModel.err).toContain('weight 1 is hidden/kernel [4, 3] there, hidden/kernel [4, 5] here');
    write(3, 1);
    const otherData = await train(['--resume', folder('own')]);
    expect(otherData).toMatchObject({ code: 7 });
    expect(otherData.err).toMatch(/RESUME_DATA_DIFFERS: .* sha256 was [0-9a-f]{64} .*, is [0-9a-f]{64}/);
    write(3, 0);
    expect(await train(['--resume', folder('own'), '--max-steps', '8'])).toMatchObject({ code: 0 });
  });

  it('with other arithmetic goes on when told --numerics relaxed', async () => {
    const copy = folder('relaxed');
    spawnSync('cp', ['-r', folder('stopped'), copy]);
    const args = ['--resume', copy, '--threads-per-worker', '2', '--max-steps', '20', '--numerics', 'relaxed'];
    expect(await train(args)).toMatchObject({ code: 0 });
    const { state, path } = await newest('relaxed');
    expect(state?.numerics.intraOpThreads).toBe(2);
    // A later start, refused ones counted: its number, which fences those before, is in the state and in its name.
    const start = state?.coordinatorEpoch ?? 0;
    expect(start).toBeGreaterThan(1);
    expect(path).toContain(`start-${String(start).padStart(4, '0')}-step-000000020-`);
  });

  it('takes the state before a damaged one and says why, and ends as it would have', async () => {
    const whole = folder('whole');
    const args = ['--epochs', '2', '--workers', '1', '--state-every', 'epoch,5 steps'];
    expect((await train(begin('whole', ...args))).code).toBe(0);
    const run = folder('damaged');
    expect((await train(begin('damaged', ...args, '--max-steps', '18'))).code).toBe(0);
    const state = (await newest('damaged')).path ?? '';
    const bytes = readFileSync(state);
    bytes[bytes.length - 1] ^= 1;
    writeFileSync(state, bytes);
    const ended = await train(['--resume', run, '--max-steps', '24']);
    expect(ended).toMatchObject({ code: 0 });
    expect(ended.out).toContain('"code":"STATE_REJECTED"');
    expect(ended.out).toMatch(/start-0001-step-000000018-[0-9a-f]+\.safetensors was not used: /);
    expect(weightsSha256Of(run)).toBe(weightsSha256Of(whole));
  });

  it('starts anew from old weights with --init-from: of a model, of a run, of a run that saved none', async () => {
    expect((await train(begin('unsaved', '--epochs', '1', '--max-steps', '5', '--save-above', '1'))).code).toBe(0);
    const model = join(folder('stopped'), 'checkpoints', 'epoch-0001');
    const sources = { 'from-model': model, 'from-run': folder('stopped'), 'from-state': folder('unsaved') };
    for (const [name, source] of Object.entries(sources)) {
      expect(await train(begin(name, '--init-from', source, '--epochs', '0'))).toMatchObject({ code: 0 });
    }
    const weights = new Float32Array(new Uint8Array(readFileSync(join(model, 'weights.bin'))).buffer);
    expect((await newest('from-model')).state?.parameters).toEqual(weights);
    expect((await newest('from-run')).state?.parameters).toEqual(weights);
    expect((await newest('from-state')).state?.parameters).toEqual((await newest('unsaved')).state?.parameters);
    const nothing = await train(begin('from-nothing', '--init-from', scratch, '--epochs', '0'));
    expect(nothing).toMatchObject({ code: 7 });
  });
});

describe('two runs given one folder', () => {
  it('the second is refused with code 7, by --resume and by --name, and the first ends as if alone', async () => {
    const args = ['--epochs', '20', '--workers', '1'];
    expect((await train(begin('alone', ...args))).code).toBe(0);
    const first = await trainUntil(20, begin('shared', ...args));
    const [second, third] = await Promise.all([train(['--resume', folder('shared')]), train(begin('shared', ...args))]);
    first.goOn();
    expect(second).toMatchObject({ code: 7 });
    expect(second.err).toMatch(/RUN_IN_USE: .* is in use by process \d+/);
    expect(third).toMatchObject({ code: 7 });
    expect(third.err).toContain('RUN_EXISTS');
    expect((await first.ended).code).toBe(0);
    expect(metricsOf(folder('shared'))).toEqual(metricsOf(folder('alone')));
  });
});

describe('a run that diverges', () => {
  it.each(['1', '2'])('on %s replicas: recomputed once, exit 6, named, not applied, the last state finite', async (workers) => {
    const name = `diverged-${workers}`;
    const { code, err, out } = await train(begin(name, '--epochs', '2', '--workers', workers, '--lr', '1e30'));
    expect(code).toBe(6);
    expect(err).toMatch(
      /^error NON_FINITE: epoch 1: NaN or Inf at step \d+, shard \d: \S+ on cpu\(\d\), \S+ on cpu\(\d\)\. Not applied\.$/m,
    );
    expect(err).toContain('--init-from');
    expect(err).not.toContain('resume with');
    const [, step, first, second] = /at step (\d+), shard \d: \S+ on (\S+), \S+ on (\S+)\./.exec(err) ?? [];
    // Elsewhere if there is an elsewhere.
    expect(first === second).toBe(workers === '1');
    const warnings = recordsIn(out).filter(({ type }) => type === 'warn');
    expect(warnings.map(({ message }) => message)).toContainEqual(expect.stringContaining('computing it once more'));
    expect(recordsIn(out).at(-1)).toMatchObject({ type: 'end', reason: 'diverged', steps: Number(step) - 1, epochs: 0 });
    const { state } = await newest(name);
    expect(state?.progress.step).toBe(Number(step) - 1);
    expect(
      recordsIn(readFileSync(join(folder(name), 'metrics.jsonl'), 'utf8')).filter(({ type }) => type === 'step'),
    ).toHaveLength(Number(step) - 1);
    expect(state?.parameters.every(Number.isFinite)).toBe(true);
    expect(readFileSync(join(folder(name), 'logs/run.log'), 'utf8')).toContain('NON_FINITE');
  });
});

describe('a wall clock that jumps by hours, back and forth', () => {
  it('changes neither weights nor when states are written', async () => {
    const args = ['--epochs', '2', '--workers', '1', '--state-every', '10 steps,30m'];
    const clock = join(scratch, 'clock.mjs');
    writeFileSync(
      clock,
      `const RealDate = Date;
       let asked = 0;
       const jump = () => (asked++ % 2 === 0 ? 5 : -7) * 3_600_000 * (1 + (asked % 3));
       globalThis.Date = class extends RealDate {
         constructor(...given) { given.length === 0 ? super(RealDate.now() + jump()) : super(...given); }
         static now() { return RealDate.now() + jump(); }
       };`,
    );
    const checkpoints = (out: string) => recordsIn(out).flatMap(({ type, step }) => (type === 'state' ? [step] : []));
    const steady = await train(begin('steady', ...args));
    const jumping = await train(begin('jumping', ...args), { nodeArgs: ['--import', clock] });
    expect(jumping).toMatchObject({ code: 0 });
    expect(checkpoints(steady.out)).toEqual([10, 20, 24]);
    expect(checkpoints(jumping.out)).toEqual([10, 20, 24]);
    expect(metricsOf(folder('jumping'))).toEqual(metricsOf(folder('steady')));
    const times = recordsIn(readFileSync(join(folder('jumping'), 'logs/run.log'), 'utf8')).map(({ time }) =>
      Date.parse(String(time)),
    );
    expect(Math.max(...times) - Math.min(...times)).toBeGreaterThan(3_600_000);
  });
});

describe('what a run saved', () => {
  it('evaluated by plain tfjs as Keras does, gives the accuracy and loss that the run reported', async () => {
    expect((await train(begin('evaluated', '--epochs', '2', '--workers', '2'))).code).toBe(0);
    const config = { ...DEFAULT_TRAIN_CONFIG, data: TINY_DATA, trainLimit: 600, validationLimit: 100 };
    const { validation, scale } = plain(await loadDataset(config, { onProgress: () => undefined }));
    const x = tf.tensor4d(Float32Array.from(validation.x), [100, 28, 28, 1]).mul(scale);
    const y = tf.oneHot(tf.tensor1d(Int32Array.from(validation.y), 'int32'), 10).toFloat();
    for (const epoch of metricsOf(folder('evaluated')).map((line) => JSON.parse(line) as Record<string, unknown>)) {
      if (epoch.type !== 'epoch' || epoch.saved !== true) continue;
      const saved = join(folder('evaluated'), 'checkpoints', `epoch-${String(epoch.epoch).padStart(4, '0')}`);
      const model = await tf.loadLayersModel(fromFolder(saved));
      model.compile({
        optimizer: 'sgd',
        loss: (labels, logits) => tf.losses.softmaxCrossEntropy(labels, logits),
        metrics: ['accuracy'],
      });
      const [loss, accuracy] = (model.evaluate(x, y, { batchSize: 50 }) as tf.Scalar[]).map((value) => value.dataSync()[0]);
      expect(Math.round(accuracy * 100)).toBe(Math.round(Number(epoch.val_acc) * 100));
      expect(loss).toBeCloseTo(Number(epoch.val_loss), 4);
    }
    expect(readdirSync(join(folder('evaluated'), 'checkpoints'))).toContain('epoch-0002');
    // And by our own engine, from nothing but the run folder.
    const last = metricsOf(folder('evaluated')).map((line) => JSON.parse(line) as Record<string, unknown>);
    const { code, out, err } = runCli([
      ...[
        'evaluate',
        folder('evaluated'),
        '--data',
        TINY_DATA,
        '--set',
        'train_limit=600',
        '--validation-limit',
        '100',
        '--gpus',
        'none',
      ],
      ...['--workers', '1', '--shards', '2', '--threads-per-worker', '1', '--batch', '50', '--reporter', 'json'],
    ]);
    expect(code, err).toBe(0);
    const { val_acc, val_loss } = last.filter(({ type }) => type === 'epoch').at(-1) ?? {};
    expect(recordsIn(out).at(-1)).toMatchObject({ val_acc, val_loss });
  });

  it('is read by the safetensors library for Python, state and all', async (context) => {
    const python = process.env.TFJS_PARALLEL_PYTHON ?? 'python3';
    const program = `
import json, sys
import numpy
from safetensors.numpy import load_file
tensors = load_file(sys.argv[1])
print(json.dumps({name: [list(value.shape), str(value.dtype), bool(numpy.isfinite(value).all())] for name, value in tensors.items()}))`;
    if (spawnSync(python, ['-c', 'import safetensors.numpy']).status !== 0) {
      context.skip(
        'python3 has no safetensors with numpy (pip install safetensors numpy; TFJS_PARALLEL_PYTHON names another python)',
      );
    }
    const { path, state } = await newest('steady');
    const { stdout } = spawnSync(python, ['-c', program, path ?? ''], { encoding: 'utf8' });
    const tensors = JSON.parse(stdout) as Record<string, unknown>;
    const slots = state?.model.layout.slots ?? [];
    const trained = slots.slice(0, state?.model.layout.trainedSlots);
    expect(tensors).toEqual(
      Object.fromEntries([
        ...slots.map(({ name, shape }) => [`parameters/${name}`, [shape, 'float32', true]]),
        ...trained.map(({ name, shape }) => [`optimizer/velocity/${name}`, [shape, 'float32', true]]),
      ]),
    );
  });
});

/** Reads the two files as tf.loadLayersModel's own file handler does; plain tfjs without its Node add-on has none. */
function fromFolder(path: string): tf.io.IOHandler {
  return {
    load: async () => {
      const { modelTopology, weightsManifest } = JSON.parse(readFileSync(join(path, 'model.json'), 'utf8')) as tf.io.ModelJSON;
      const bytes = readFileSync(join(path, weightsManifest[0].paths[0]));
      const weightData = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer;
      return { modelTopology: modelTopology as object, weightSpecs: weightsManifest[0].weights, weightData };
    },
  };
}
