/** Owns: that what goes wrong in a user's code names its file and line, whatever thread it runs in, and that -v and `cause` have its stack. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { train } from '../../src/index.js';
import { runCli } from '../support/built_cli.js';
import { temporaryFolder } from '../support/temporary_folder.js';

const BROKEN = 'export const width = 3;\nexport const height = ;\n';
const MISSING = `import { nothing } from './parts.mjs';
export const createModel = () => nothing;`;
const DENSE = `export const createModel = (tf) => tf.sequential({ layers: [
  tf.layers.flatten({ inputShape: [28, 28, 1] }), tf.layers.dense({ units: 10 })] });`;

const SMALL = '--data synthetic --train-limit 4 --validation-limit 2 --batch 4 --epochs 1 --gpus none --workers 1';

async function told(files: Record<string, string>, flags: string): Promise<string> {
  const cwd = await temporaryFolder(files);
  const { err } = runCli(`train ${flags}`.split(' '), { cwd });
  return err.slice(err.indexOf('error ')).replaceAll(cwd, '.');
}

const MODELS: readonly [what: string, model: string, reason: string][] = [
  [
    'createModel that throws in a function of its own',
    `const units = (tf) => {
  return tf.nothing.units;
};
export const createModel = (tf) => tf.sequential({ layers: [tf.layers.dense({ units: units(tf) })] });`,
    "createModel(tf) failed: TypeError: Cannot read properties of undefined (reading 'units') (./model.mjs:2:21)",
  ],
  [
    'createModel that tfjs refuses, many calls further in',
    `export function createModel(tf) {
  const inputs = tf.input({ shape: [28, 28, 1] });
  const flat = tf.layers.flatten().apply(inputs);
  return tf.model({ inputs, outputs: tf.layers.conv2d({ filters: 2, kernelSize: 3, name: 'c' }).apply(flat) });
}`,
    'createModel(tf) failed: Error: Input 0 is incompatible with layer c: expected ndim=4, found ndim=2 (./model.mjs:4:97)',
  ],
  ['a fault of syntax', BROKEN, "SyntaxError: Unexpected token ';' (./model.mjs:2)"],
  ['a fault of syntax in what it imports', `import './parts.mjs';`, "SyntaxError: Unexpected token ';' (./parts.mjs:2)"],
];

describe('a model module', () => {
  it.each(MODELS)('%s is told with its line', async (_, model, reason) => {
    const [error] = (await told({ 'model.mjs': model, 'parts.mjs': BROKEN }, `--model ./model.mjs ${SMALL}`)).split('\n');
    expect(error).toBe(`error MODEL_INVALID: ./model.mjs is not a usable tf.LayersModel: ${reason}`);
  });

  it('that throws where it is loaded, or imports what is not there, is told with its line', async () => {
    const loaded = await told({ 'model.mjs': 'const a = null;\na.b();' }, `--model ./model.mjs ${SMALL}`);
    expect(loaded).toMatch(/: TypeError: Cannot read properties of null \(reading 'b'\) \(\.\/model\.mjs:2:3\)\n/);
    const absent = await told({ 'model.mjs': MISSING, 'parts.mjs': '' }, `--model ./model.mjs ${SMALL}`);
    expect(absent).toMatch(/: SyntaxError: .* does not provide an export named 'nothing' \(\.\/model\.mjs:1\)\n/);
    const gone = await told({ 'model.mjs': MISSING }, `--model ./model.mjs ${SMALL}`);
    expect(gone).toMatch(/: Error: Cannot find module '\.\/parts\.mjs' imported from \.\/model\.mjs\n/);
  });

  it.each([
    ['tfjs', 'tf.image.flipLeftRight([x].flat()[0])', 'the model fails in evaluation'],
    ['TensorFlow', 'tf.matMul([x].flat()[0], tf.ones([3, 10]))', 'the model does not take examples of [28, 28, 1]'],
  ])('whose layer is refused by %s names the line of the layer', async (_, call, what) => {
    const model = `export function createModel(tf) {
  class Wrong extends tf.layers.Layer {
    static className = 'Wrong';
    call(x) {
      return ${call};
    }
    computeOutputShape = () => [null, 10];
  }
  return tf.sequential({ layers: [tf.layers.flatten({ inputShape: [28, 28, 1] }), new Wrong(), tf.layers.dense({ units: 10 })] });
}`;
    const [error] = (await told({ 'model.mjs': model }, `--model ./model.mjs ${SMALL}`)).split('\n');
    expect(error.startsWith(`error MODEL_FAILS: ${what}: `), error).toBe(true);
    expect(error).toMatch(/ \(\.\/model\.mjs:5:\d+\)$/);
  });

  it('has its stack behind -v, and in the cause of a library call', async () => {
    const [[, model]] = MODELS;
    expect(await told({ 'model.mjs': model }, `-v --model ./model.mjs ${SMALL}`)).toMatch(
      /\ncaused by TypeError: Cannot read .*\n {4}at units \(.*model\.mjs:2:21\)\n {4}at .*createModel .*model\.mjs:4:/,
    );
    const folder = await temporaryFolder({ 'model.mjs': model });
    const call = train({ model: join(folder, 'model.mjs'), data: 'synthetic', workers: 1, gpus: 'none', runDir: folder });
    const { cause } = (await call.catch((error: unknown) => error)) as { cause: Error };
    expect(cause).toMatchObject({ name: 'TypeError', message: "Cannot read properties of undefined (reading 'units')" });
    expect(cause.stack).toContain(`at units (file://${folder}/model.mjs:2:21)`);
  });
});

describe('a data module', () => {
  const data = (text: string): Promise<string> =>
    told({ 'model.mjs': DENSE, 'data.mjs': text }, `-v --model ./model.mjs --data ./data.mjs --batch 4 --gpus none --workers 1`);

  it('that fails is told with its line', async () => {
    expect(await data(`export default () => {\n  throw new Error('no disk');\n};`)).toMatch(
      /^error DATA_MODULE: \.\/data\.mjs: failed: Error: no disk \(\.\/data\.mjs:2:9\)\n/,
    );
    expect(await data(BROKEN)).toMatch(/^error DATA_MODULE: .*: SyntaxError: Unexpected token ';' \(\.\/data\.mjs:2\)\n/);
  });

  it('whose rows or examples fail is told with its line and stack', async () => {
    const rows = `const set = { count: 4, read() {\n  throw new Error('no row');\n} };\nexport const train = set, inputShape = [28, 28, 1];`;
    expect(await data(rows)).toMatch(
      /^error DATA_ROWS: .*: Error: no row \(\.\/data\.mjs:2:9\)\n(.*\n)*caused by Error: no row\n {4}at .*read /,
    );
    const examples = `export function* train() {\n  throw new Error('no line');\n}\nexport const inputShape = [28, 28, 1];`;
    expect(await data(examples)).toMatch(
      /^error DATA_SEQUENCE: .*: Error: no line \(\.\/data\.mjs:2:9\)\n(.*\n)*caused by Error: no line\n {4}at train/,
    );
  });
});
