import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { expect, onTestFinished, test } from 'vitest';
import { isInMemory } from '../../../src/common/dataset.js';
import { datasetFromArrays } from '../../../src/data/arrays.js';
import { loadDataset } from '../../../src/data/load.js';
import type { DataConfig } from '../../../src/data/sources/source.js';
import { plain, type PlainData } from '../../support/plain_data.js';
import { temporaryFolder } from '../../support/temporary_folder.js';

const PLAIN = { dataDir: null, trainLimit: null, validationLimit: null, seed: 1 };
type Options = Partial<DataConfig>;

/** Files of scripts/golden/make_files.py. */
const golden = (name: string): string => fileURLToPath(new URL(`../../golden/files/${name}`, import.meta.url));

async function load(data: string, options: Options = {}, notes: string[] = []): Promise<PlainData> {
  const config = { ...PLAIN, data, ...options };
  const set = await loadDataset(config, {
    onProgress: (progress) => progress.kind === 'note' && notes.push(progress.message.replace(/\S*\//, '')),
  });
  return plain({ ...set, validation: set.validation ?? set.train });
}

async function loadCsv(text: string, options: Options = {}, notes: string[] = []): Promise<PlainData> {
  return load(join(await temporaryFolder({ 't.csv': text }), 't.csv'), options, notes);
}

async function failure(loading: Promise<unknown>): Promise<string> {
  const error: unknown = await loading.catch((thrown: unknown) => thrown);
  return `${(error as { code: string }).code} ${(error as Error).message.replaceAll(/\/\S*\//g, '')}`;
}

test('columns are chosen by name, in the order in which they are named', async () => {
  const text = 'a,b,c,label\n1,2.5,3,0\n4,5,6,2\n';
  const all = await loadCsv(text);
  expect(all).toMatchObject({ inputShape: [3], labelShape: [], classes: 3, scale: 1 });
  expect(all.train).toEqual({ count: 2, x: Float32Array.of(1, 2.5, 3, 4, 5, 6), y: Int32Array.of(0, 2) });
  const some = await loadCsv(text, { inputs: ['c', 'a'], labels: ['b'] });
  expect(some.train).toEqual({ count: 2, x: Int32Array.of(3, 1, 6, 4), y: Float32Array.of(2.5, 5) });
  expect(some.labelShape).toEqual([1]);
  const vector = await loadCsv(text, { inputs: ['a'], labels: ['b', 'label'] });
  expect([vector.labelShape, [...vector.train.y]]).toEqual([[2], [2.5, 0, 5, 2]]);
});

/** By the names of the fields, in their order. */
async function loadNamed(text: string, options: Options): Promise<Record<string, unknown>> {
  const data = join(await temporaryFolder({ 't.csv': text }), 't.csv');
  const { fields, train, sha256 } = await loadDataset({ ...PLAIN, data, ...options });
  const told = [...fields.inputs, ...fields.targets].map(({ name, shape, classes }) => {
    const values = isInMemory(train) ? { ...train.inputs, ...train.targets }[name] : [];
    return [name, [shape, classes ?? null, [...values]]] as const;
  });
  return { ...Object.fromEntries(told), sha256 };
}

test("columns named by a model's inputs and outputs are one vector each, with the identity of such arrays", async () => {
  const text = 'a,b,c,d=e,kind,size\n1,2,3.5,4,z,9\n5,6,7,8,a,10\n';
  const inputs = ['right=c', 'left=b', 'left=a', 'right=d=e'];
  const named = await loadNamed(text, { inputs, labels: ['kind=kind', 'size=size'] });
  expect(named).toMatchObject({
    right: [[2], null, [3.5, 4, 7, 8]],
    left: [[2], null, [2, 1, 6, 5]],
    kind: [[], 2, [1, 0]],
    size: [[], 11, [9, 10]],
  });
  const arrays = await datasetFromArrays({
    train: {
      x: { right: Float32Array.of(3.5, 4, 7, 8), left: Int32Array.of(2, 1, 6, 5) },
      y: { kind: Int32Array.of(1, 0), size: Int32Array.of(9, 10) },
    },
    inputShape: { right: [2], left: [2] },
  });
  expect(named.sha256).toBe(arrays.sha256);
  // A column may go to two inputs. One whose name has an equals sign is itself, where nobody says an input.
  const shared = await loadNamed(text, { inputs: ['left=a', 'right=a'], labels: ['size'] });
  expect(shared).toMatchObject({ left: [[1], null, [1, 5]], right: [[1], null, [1, 5]], y: [[], 11, [9, 10]] });
  expect(await loadNamed(text, { inputs: ['d=e'], labels: ['size'] })).toMatchObject({ x: [[1], null, [4, 8]] });
  const notes: string[] = [];
  await load(join(await temporaryFolder({ 't.csv': text }), 't.csv'), { inputs, labels: ['kind=kind', 'size=size'] }, notes);
  expect(notes).toEqual(['t.csv: inputs right (c, d=e), left (b, a), labels kind (kind), size (size); kind: 2 classes: a, z']);
});

test('names that go together with nothing are refused', async () => {
  const text = 'a,b,c,label\n1,2,3,0\n';
  const told: string[] = [];
  for (const [inputs, labels] of [
    [['left=a', 'b'], ['label']],
    [['=a', 'left=b'], ['label']],
    [['left=', 'right=b'], ['label']],
    [['left=a', 'right=bee'], ['label']],
    [['left=a', 'right=label'], ['label']],
    [['y=a', 'right=b'], ['label']],
    [
      ['left=a', 'right=b'],
      ['left=label', 'c=c'],
    ],
  ])
    told.push(await failure(loadCsv(text, { inputs, labels })));
  expect(told).toMatchInlineSnapshot(`
    [
      "DATA_TABLES t.csv: left=a says which input or output it is for, and b does not: say it of all or of none",
      "DATA_TABLES t.csv: =a is not of the form NAME=COLUMN, with a name of the model's",
      "DATA_TABLES t.csv: left= is not of the form NAME=COLUMN, with a name of the model's",
      "DATA_TABLES t.csv: it has no column bee; it has a, b, c, label",
      "DATA_TABLES t.csv: column label is among the inputs and the labels",
      "DATA_TABLES t.csv: an input and an output are called y, and no model has one name for two: say the outputs' in --labels",
      "DATA_TABLES t.csv: an input and an output are called left, and no model has one name for two: say the outputs' in --labels",
    ]
  `);
});

test('however it was written, it is the same table', async () => {
  const plainly = await loadCsv('a,b,label\n1,-2e1,0\n3,.5,1\n');
  const ways = [
    '\ufeffa,b,label\r\n1,-2e1,0\r\n3,.5,1\r\n',
    '"a","b","label"\n"1","-2e1",0\n\n3, .5 ,"1"',
    'a;b;label\n1;-2e1;0\n3;.5;1\n',
    'a\tb\tlabel\n1\t-2e1\t0\n3\t.5\t1\n',
    'a|b|label\n+1|-20.0|0\n3|0.5|1\n',
  ];
  const notes: string[] = [];
  for (const text of ways) expect((await loadCsv(text, {}, notes)).sha256).toBe(plainly.sha256);
  expect(notes.filter((note) => note.includes('separated'))).toEqual(
    ['semicolons', 'tabs', 'bars'].map((name) => `t.csv: its columns are separated by ${name}`),
  );
});

test('text labels are classes in the order of their characters, the same for the validation set', async () => {
  const folder = await temporaryFolder({
    'train.csv': 'x,kind\n1,"b, or c"\n2,a\n3,"b, or c"\n4,B\n',
    'test.csv': 'x,kind\n5,a\n',
    'other.csv': 'x,kind\n5,zebra\n',
  });
  const notes: string[] = [];
  const options = { labels: ['kind'], validationFile: join(folder, 'test.csv') };
  const set = await load(join(folder, 'train.csv'), options, notes);
  expect([set.classes, [...set.train.y], [...set.validation.y]]).toEqual([3, [2, 1, 2, 0], [1]]);
  expect(notes).toEqual(['train.csv: 1 input columns, labels kind; 3 classes: B, a, b, or c']);
  const { classNames } = await loadDataset({ ...PLAIN, data: join(folder, 'train.csv'), labels: ['kind'] });
  expect(classNames).toEqual(['B', 'a', 'b, or c']);
  expect(await failure(load(join(folder, 'train.csv'), { ...options, validationFile: join(folder, 'other.csv') }))).toBe(
    'DATA_TABLES other.csv: column kind has the class "zebra", which the training set does not have',
  );
});

test('a validation set without rows is told as such', async () => {
  const folder = await temporaryFolder({ 'a.csv': 'a,label\n1,0\n', 'b.csv': 'a,label\n' });
  expect(await failure(load(join(folder, 'a.csv'), { validationFile: join(folder, 'b.csv') }))).toBe(
    'DATA_EMPTY a.csv: the validation set is empty',
  );
});

test('the types are those of both sets together', async () => {
  const folder = await temporaryFolder({ 'train.csv': 'x,y\n1,1\n', 'test.csv': 'x,y\n1.5,2.5\n' });
  const set = await load(join(folder, 'train.csv'), { validationFile: join(folder, 'test.csv') });
  expect([set.train.x, set.validation.y, set.labelShape]).toEqual([Float32Array.of(1), Float32Array.of(2.5), [1]]);
});

test('what is missing or wrong is refused with its line and column', async () => {
  const wrong = [
    'a,label\n1,0\n,1\n',
    'a,label\n1,0\nNA,1\n',
    'a,label\n1,0\n"two\nlines",1\n',
    'a,label\n1,0\n"1,5",1\n',
    'a,label\n1,0\n1e99,1\n',
    'a,label\n1,0\n16777217,1\n2147483649,0\n',
    'a,label\n0x10,1\n',
    'a,label\n1,0\n1,2,3\n',
    'a,label\n1,"0\n',
    'a,a,label\n1,2,0\n',
    '1,2,3\n4,5,6\n',
    'a,b\n1,2\n',
    'a,label\n',
    '',
  ];
  const told: string[] = [];
  for (const text of wrong) told.push(await failure(loadCsv(text)));
  expect(told).toMatchInlineSnapshot(`
    [
      "DATA_VALUE t.csv: line 3, column a: is missing",
      "DATA_VALUE t.csv: line 3, column a: is NA: missing",
      "DATA_VALUE t.csv: line 4, column a: is "two\\nlines", wanted a number",
      "DATA_VALUE t.csv: line 3, column a: is "1,5", wanted a number: write decimals with a point, and nothing between thousands",
      "DATA_VALUE t.csv: line 3, column a: is 1e99, which float32 does not hold",
      "DATA_VALUE t.csv: line 4, column a: is 2147483649, a whole number that neither int32 nor float32 holds",
      "DATA_VALUE t.csv: line 2, column a: is "0x10", wanted a number",
      "DATA_NOT_CSV t.csv: Invalid Record Length: expect 2, got 3 on line 3",
      "DATA_NOT_CSV t.csv: Quote Not Closed: the parsing is finished with an opening quote at line 2",
      "DATA_TABLES t.csv: two of its columns are called a",
      "DATA_NOT_CSV t.csv: its first line holds numbers (1, 2, 3), wanted the names of the columns",
      "DATA_TABLES t.csv: nothing says which of its columns is the label; it has a, b",
      "DATA_EMPTY t.csv: the train set is empty",
      "DATA_NOT_CSV t.csv: is empty",
    ]
  `);
  const text = 'length,label\n1,0\n';
  expect(await failure(loadCsv(text, { inputs: ['lenght'] }))).toBe(
    'DATA_TABLES t.csv: it has no column lenght; did you mean length?',
  );
  expect(await failure(loadCsv(text, { inputs: ['label'] }))).toBe(
    'DATA_TABLES t.csv: column label is among the inputs and the labels',
  );
  expect(await failure(load(join(await temporaryFolder({ 't.csv': gzipSync(text) }), 't.csv')))).toBe(
    'DATA_NOT_CSV t.csv: is binary',
  );
});

test('beyond the memory that it may take, a table is decoded once and read from the cache: the same data', async () => {
  const before = process.env.TFJS_PARALLEL_CACHE;
  process.env.TFJS_PARALLEL_CACHE = await temporaryFolder();
  onTestFinished(
    () => void (before === undefined ? delete process.env.TFJS_PARALLEL_CACHE : (process.env.TFJS_PARALLEL_CACHE = before)),
  );
  const hashes = new Set<string>();
  for (const inputs of [
    ['width', 'pixels'],
    ['left=width', 'right=pixels'],
    ['left=width', 'right=width', 'right=pixels'],
  ]) {
    const config = { ...PLAIN, data: golden('columns.parquet'), inputs };
    const whole = await loadDataset(config);
    hashes.add(whole.sha256);
    for (let time = 0; time < 2; time++)
      expect(await loadDataset({ ...config, dataMemory: 2 ** -16 })).toMatchObject({
        sha256: whole.sha256,
        train: { source: 'parquet' },
      });
  }
  expect(hashes.size).toBe(3);
});

test('Parquet: numbers, lists of one length and texts, from several row groups', async () => {
  const inputs = ['length', 'width', 'flag', 'small', 'half', 'pixels', 'price'];
  const set = await load(golden('columns.parquet'), { inputs, labels: ['kind'] });
  expect(set).toMatchObject({ inputShape: [9], labelShape: [], classes: 3, train: { count: 5 } });
  expect(set.train.y).toEqual(Int32Array.of(1, 0, 1, 2, 0));
  expect(set.train.x).toEqual(
    Float32Array.from([
      ...[1.5, 1, 1, 0, 0.5, 0, 1, 2, 1],
      ...[2.25, 2, 0, 1, 1, 1, 2, 3, 2],
      ...[-3, 3, 1, 255, 2, 2, 3, 4, 3],
      ...[0.1, 4, 1, 3, 3, 3, 4, 5, 4],
      ...[1e-3, -5, 0, 4, 4, 4, 5, 6, 5],
    ]),
  );
  expect((await load(golden('columns.parquet'), { inputs: ['pixels'] })).train.x).toBeInstanceOf(Int32Array);
});

test('Parquet in each of its compressions is the same data', async () => {
  const sets = await Promise.all(['none', 'gzip', 'zstd', 'brotli', 'lz4'].map((name) => load(golden(`${name}.parquet`))));
  const snappy = await load(golden('columns.parquet'), { inputs: ['length'] });
  expect(new Set([...sets, snappy].map(({ sha256 }) => sha256)).size).toBe(1);
});

test('Parquet: what no model takes is refused by its column, and where one value is wrong by its row', async () => {
  const told: string[] = [];
  for (const name of ['ragged', 'gone', 'holes', 'far', 'when', 'day', 'raw', 'record', 'deep'])
    told.push(await failure(load(golden('columns.parquet'), { inputs: [name] })));
  expect(told).toMatchInlineSnapshot(`
    [
      "DATA_VALUE columns.parquet: row 1, column ragged: is a list of 2, wanted 1 as in the first row",
      "DATA_VALUE columns.parquet: row 2, column gone: is missing",
      "DATA_VALUE columns.parquet: row 2, column holes: is missing",
      "DATA_VALUE columns.parquet: row 1, column far: is 9007199254740993, a whole number that neither int32 nor float32 holds",
      "DATA_TABLES columns.parquet: column when holds dates or times, wanted numbers, texts or lists of numbers",
      "DATA_TABLES columns.parquet: column day holds dates or times, wanted numbers, texts or lists of numbers",
      "DATA_TABLES columns.parquet: column raw holds bytes, wanted numbers, texts or lists of numbers",
      "DATA_TABLES columns.parquet: column record holds records or maps, wanted numbers, texts or lists of numbers",
      "DATA_TABLES columns.parquet: column deep holds lists of lists or records, wanted numbers, texts or lists of numbers",
    ]
  `);
  const folder = await temporaryFolder({ 'no.parquet': 'a,label\n1,0\n' });
  expect(await failure(load(join(folder, 'no.parquet')))).toMatch(/^DATA_NOT_PARQUET no\.parquet: cannot be read as Parquet: /);
});

test('text that is not UTF-8 is refused with its line: two names of another encoding would be one class', async () => {
  const latin1 = async (text: string, name = 't.csv'): Promise<string> => {
    const folder = await temporaryFolder();
    await writeFile(join(folder, name), Buffer.from(text, 'latin1'));
    return join(folder, name);
  };
  const rows = 'a,label\n1,caf\u00e9\n2,caf\u00e8\n';
  expect(await failure(load(await latin1(rows)))).toBe('DATA_NOT_CSV t.csv: line 2 is not UTF-8');
  // Beyond what is read at once, and a character that two reads share.
  const far = `a,label\n${'1,x\n'.repeat(70_000)}2,caf\u00e9\n`;
  expect(await failure(load(await latin1(far)))).toBe('DATA_NOT_CSV t.csv: line 70002 is not UTF-8');
  expect(await failure(load(await latin1('a,label\n1,x\u00e9')))).toBe('DATA_NOT_CSV t.csv: line 2 is not UTF-8');
  const shared = await loadCsv(`a,label\n${'1,caf\u00e9\n'.repeat(60_000)}2,caf\u00e8\n`);
  expect(shared.classes).toBe(2);
});

test('a name in capitals is of the same format', async () => {
  const folder = await temporaryFolder({ 'T.CSV': 'a,label\n1,0\n2,1\n' });
  expect((await load(join(folder, 'T.CSV'))).train).toEqual({ count: 2, x: Int32Array.of(1, 2), y: Int32Array.of(0, 1) });
});

test('what numbers the rows is no input unless it is asked for', async () => {
  const notes: string[] = [];
  const plainOne = await loadCsv('a,b,label\n1,2,0\n3,4,1\n');
  const set = await loadCsv(',a,b,label\n7,1,2,0\n8,3,4,1\n', {}, notes);
  expect(set.sha256).toBe(plainOne.sha256);
  expect(notes).toEqual([
    't.csv: 2 input columns, labels label; not among the inputs: a column without a name, which names the rows',
  ]);
  // A separator at the end of each line.
  expect((await loadCsv('a,b,label,\n1,2,0,\n3,4,1,\n')).sha256).toBe(plainOne.sha256);
  // pandas' DataFrame.to_parquet after a shuffle: [[1.5, 2.5], [3.5, 4.5]] of the rows 7 and 9.
  const pandas = await load(golden('index.parquet'), {}, notes);
  expect(pandas.train.x).toEqual(Float32Array.of(1.5, 2.5, 3.5, 4.5));
  expect(notes[1]).toBe(
    'index.parquet: 2 input columns, labels label; not among the inputs: __index_level_0__, which names the rows',
  );
  const asked = await load(golden('index.parquet'), { inputs: ['a', '__index_level_0__'] }, notes);
  expect(asked.train.x).toEqual(Float32Array.of(1.5, 7, 3.5, 9));
  expect(notes[2]).toBe('index.parquet: 2 input columns, labels label');
});

test('lines that end otherwise than the first are lines all the same', async () => {
  const plainOne = await loadCsv('a,b,label\n1,2,x\n3,4,y\n5,6,x\n');
  for (const text of ['a,b,label\r\n1,2,x\n3,4,y\r5,6,x\r\n', 'a,b,label\n1,2,x\r\n3,4,y\n5,6,x'])
    expect((await loadCsv(text)).sha256).toBe(plainOne.sha256);
  expect(await failure(loadCsv('a,b,label\r\n1,2,x\n3,?,y\n'))).toBe(
    'DATA_VALUE t.csv: line 3, column b: is "?", wanted a number',
  );
});

test('Parquet: two columns of one name are refused', async () => {
  expect(await failure(load(golden('twice.parquet')))).toBe('DATA_TABLES twice.parquet: two of its columns are called a');
});
