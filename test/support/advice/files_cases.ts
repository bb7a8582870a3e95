/** Advice on data in files of other tools. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { program, refusal } from '../program_under_test.js';
import { filled, folder, modelFile, small, type Cases } from './cases.js';
import { commandIn, withFlags } from './sources.js';

const real = { real: true };

/** Two classes of pictures of 3 × 2, and a file that is no picture. */
async function pictures(shape = '2, 3, 3'): Promise<string[]> {
  const place = join(folder, 'pictures');
  for (const [at, name] of ['cat', 'dog'].entries()) {
    mkdirSync(join(place, name), { recursive: true });
    for (let nth = 0; nth < 3; nth++)
      await sharp(Buffer.alloc(6, 100 * at + nth), { raw: { width: 3, height: 2, channels: 1 } })
        .png()
        .toFile(join(place, name, `${nth}.png`));
  }
  writeFileSync(join(place, 'dog', 'broken.png'), 'none');
  const model = join(folder, 'pictures.mjs');
  writeFileSync(
    model,
    `export function createModel(tf) { return tf.sequential({ layers: [tf.layers.flatten({ inputShape: [${shape}] }), tf.layers.dense({ units: 2, activation: 'softmax' })] }); }`,
  );
  return small('--model', model, '--data', place);
}

export const FILES_CASES: Cases = {
  'a picture that is none': {
    says: [{ file: 'src/data/sources/images.ts', begins: 'Mend or remove them' }],
    provoke: async () => {
      const args = await pictures();
      return refusal(() => program(args, real));
    },
    follow: async (next) => program(withFlags(await pictures(), commandIn(next, /--on-bad-file skip/)), real),
  },
  'pictures of another size than the model takes': {
    says: [{ file: 'src/worker/replica/bind_fields.ts', begins: 'Give the model' }],
    provoke: async () => {
      const args = withFlags(await pictures('4, 4, 1'), '--on-bad-file skip');
      return refusal(() => program(args, real));
    },
    follow: async (next) => {
      const [size, channels] = [commandIn(next, /--image-size/), commandIn(next, /--image-channels/)];
      const args = withFlags(await pictures('4, 4, 1'), '--on-bad-file skip');
      await program([...args, size, '4x4', channels, 'gray'], real);
    },
  },
  'a schedule by the steps of an epoch that nobody knows': {
    says: [{ file: 'src/common/schedule.ts', begins: 'Give their number beside the sequence' }],
    provoke: () => refusal(() => program(sequence(), real)),
    follow: (next) => program([...sequence(), ...filled(next, /--train-limit/, '4')], real),
  },
  'a column that is not there': {
    says: [{ file: 'src/data/tables/dataset.ts', begins: 'Name what the model takes with --inputs' }],
    provoke: () => refusal(() => program(columns('--labels', 'z'), real)),
    follow: async (next) => {
      const [inputs, labels] = [commandIn(next, /--inputs/), commandIn(next, /--labels/)];
      await program(columns(inputs, 'a,b', labels, 'y'), real);
    },
  },
  'columns for a model of several inputs': {
    says: [{ file: 'src/worker/replica/bind_fields.ts', begins: 'Say with --inputs … what each takes' }],
    provoke: () => refusal(() => program(towers('--inputs', 'a,b', '--labels', 'y'), real)),
    follow: async (next) => {
      const named = commandIn(next, /left=COLUMN,right=COLUMN/);
      await program(
        towers(commandIn(next, /--inputs/), named.replace('COLUMN', 'a').replace('COLUMN', 'b'), '--labels', 'y'),
        real,
      );
    },
  },
  'columns for a model of several outputs': {
    says: [{ file: 'src/worker/replica/bind_fields.ts', begins: 'Say with --labels … what each takes' }],
    provoke: () => refusal(() => program(heads('--labels', 'b,y'), real)),
    follow: async (next) => {
      const named = commandIn(next, /kind=COLUMN,size=COLUMN/);
      await program(heads(commandIn(next, /--labels/), named.replace('COLUMN', 'b').replace('COLUMN', 'y')), real);
    },
  },
};

function towers(...flags: string[]): string[] {
  const path = join(folder, 'towers.mjs');
  writeFileSync(
    path,
    `export function createModel(tf) { const inputs = ['left', 'right'].map((name) => tf.input({ shape: [1], name }));
     return tf.model({ inputs, outputs: tf.layers.dense({ units: 1 }).apply(tf.layers.concatenate().apply(inputs)) }); }`,
  );
  return columns(...flags).map((arg) => (arg.endsWith('columns.mjs') ? path : arg));
}

function heads(...flags: string[]): string[] {
  const path = join(folder, 'heads.mjs');
  writeFileSync(
    path,
    `export function createModel(tf) { const x = tf.input({ shape: [1] });
     return tf.model({ inputs: x, outputs: ['kind', 'size'].map((name) => tf.layers.dense({ units: 1, name }).apply(x)) }); }`,
  );
  return columns('--inputs', 'a', ...flags).map((arg) => (arg.endsWith('columns.mjs') ? path : arg));
}

function sequence(): string[] {
  const path = join(folder, 'sequence.mjs');
  writeFileSync(path, 'export const train = () => [1, 2, 3, 4, 5, 6].map((x) => ({ x: [x, -x], y: [x] }));\n');
  const schedule = ['--set', 'optimizer.schedule.name=cosine'];
  return small('--model', modelFile('sequence_model.mjs', 1), '--data', path, '--loss', 'mse', ...schedule);
}

function columns(...flags: string[]): string[] {
  const path = join(folder, 'columns.csv');
  writeFileSync(path, 'a,b,y\n1,2,0.5\n3,4,1\n5,6,0\n7,8,2\n0,1,1\n2,2,1\n');
  return small('--model', modelFile('columns.mjs', 1), '--data', path, '--loss', 'mse', ...flags);
}
