/**
 * Owns: a data set made from a user's own typed arrays: for the library call, and for data modules (sources/module.ts).
 * Does not: scale or shuffle: values are used as they are.
 *
 * Each array is copied once into shared memory; from then on all threads read the same copy.
 */
import { INPUT, TARGET, typeOf, type Field, type MemoryDataset, type MemorySplit, type NumericArray } from '../common/dataset.js';
import { DataError } from '../common/errors.js';
import { suggest } from '../common/suggest.js';
import { assembleDataset, product } from './assemble.js';
import { countOf, inputFields, sameFields, targetFields, type FieldOptions } from './fields.js';
import { arraysByName, pathOf, type Named, type Names } from './named.js';
import { share, text, type Fail, type SourceArray } from './share.js';

export type { SourceArray } from './share.js';

export interface SplitSource {
  /** `count × product(inputShape)` values, row-major; of several inputs a record by the inputs' names, or a list in the model's order. */
  readonly x: Named<SourceArray>;
  /** `count × product(labelShape)` values; of several outputs as `x` of several inputs. */
  readonly y: Named<SourceArray>;
  /** By how much each example counts in the loss: one array for all outputs, or one for each, as `y`. Left out: all alike. */
  readonly weights?: Named<SourceArray>;
}

/** What `datasetFromArrays` takes, and a data module gives. */
export interface ArraysSource extends FieldOptions {
  readonly train: SplitSource;
  /** Left out: no evaluation, and the run is judged by its training loss. */
  readonly validation?: SplitSource | null;
  /** For people. */
  readonly name?: string;
}

interface Given extends MemorySplit {
  readonly names: { readonly inputs: Names; readonly targets: Names };
}

/** `hashed` false: without an identity, which only a run with a folder needs. @throws DataError DATA_ARRAYS, DATA_EMPTY or DATA_LABELS, naming the split and what was wanted. */
export async function datasetFromArrays(source: ArraysSource, { hashed = true } = {}): Promise<MemoryDataset> {
  const { name = 'arrays' } = source;
  const fail: Fail = (message) =>
    new DataError({ code: 'DATA_ARRAYS', message: `${name}: ${message}`, next: 'See docs/data.md, "Your own arrays".' });
  requireNoSlip(source, fail);
  const train = toSplit(source, 'train', fail);
  const validation = source.validation === undefined || source.validation === null ? null : toSplit(source, 'validation', fail);
  const splits = validation === null ? [train] : [train, validation];
  const { names } = train;
  if (validation !== null && JSON.stringify(validation.names) !== JSON.stringify(names))
    throw fail(`train has ${namesText(names)}, validation has ${namesText(validation.names)}`);
  const inputs = inputFields(source, names.inputs, train.inputs, fail);
  const targets = targetFields(source, names.targets, splits, fail);
  if (validation !== null && !sameFields({ inputs, targets }, validation))
    throw fail('train and validation differ in the types of their arrays');
  for (const [which, split] of Object.entries({ train, ...(validation !== null && { validation }) })) {
    for (const field of targets) requireRows(split, field, which, fail);
  }
  const kept = splits.map((split) => withIndices(split, targets));
  const typed = targets.map((field) => ({ ...field, type: typeOf(kept[0].targets[field.name]) }));
  return assembleDataset(
    { name, fields: { inputs, targets: typed }, train: kept[0], validation: kept[1] ?? null },
    hashed ? {} : null,
  );
}

/** What others call it. */
const VALIDATION = ['val', 'valid', 'test', 'validation_data', 'validationData', 'val_data'];

/** Data without validation are data; data with a slip of the pen in its name are not. */
function requireNoSlip(source: ArraysSource, fail: Fail): void {
  if (source.validation !== undefined) return;
  const slip = Object.keys(source).find(
    (key) => key !== 'validation' && (VALIDATION.includes(key) || suggest(key, ['validation']) !== null),
  );
  if (slip === undefined) return;
  throw fail(`there is a ${slip} set and no validation, did you mean that? Give validation: null where there is none`);
}

function toSplit(source: ArraysSource, which: 'train' | 'validation', fail: Fail): Given {
  const given: unknown = source[which];
  if (typeof given !== 'object' || given === null) throw fail(`${which} is ${text(given)}, wanted { x, y } of typed arrays`);
  if (typeof (given as { read?: unknown }).read === 'function')
    throw fail(`${which}.read is a function: train and validation are both arrays, or both { count, read }`);
  const { x, y } = given as Partial<SplitSource>;
  const side = (value: unknown, label: string, single: string): { names: Names; arrays: Record<string, NumericArray> } => {
    const { names, arrays } = arraysByName(value, single);
    if (names.names.length === 0) throw fail(`${label} is an object of no arrays`);
    const shared = names.names.map((name) => [name, share(arrays[name], pathOf(label, names, name), fail)]);
    return { names, arrays: Object.fromEntries(shared) as Record<string, NumericArray> };
  };
  const inputs = side(x, `${which}.x`, INPUT);
  const fields = inputFields(source, inputs.names, inputs.arrays, fail);
  const counts = fields.map((field) => {
    const label = pathOf('inputShape', inputs.names, field.name);
    return countOf(inputs.arrays[field.name], field, pathOf(`${which}.x`, inputs.names, field.name), label, fail);
  });
  const other = counts.findIndex((count) => count !== counts[0]);
  if (other !== -1) {
    const paths = fields.map(({ name }) => pathOf(`${which}.x`, inputs.names, name));
    throw fail(`${paths[other]} has ${counts[other]} examples, ${paths[0]} has ${counts[0]}`);
  }
  const targets = side(y, `${which}.y`, TARGET);
  const names = { inputs: inputs.names, targets: targets.names };
  const counted = weightsOf((given as Partial<SplitSource>).weights, { names: targets.names, count: counts[0], which, fail });
  return { names, count: counts[0], inputs: inputs.arrays, targets: targets.arrays, ...counted };
}

/** As Keras's sample_weight. */
function weightsOf(
  weights: unknown,
  { names, count, which, fail }: { names: Names; count: number; which: string; fail: Fail },
): Pick<MemorySplit, 'weights'> {
  if (weights === undefined || weights === null) return {};
  const given = arraysByName(weights, '');
  const read = (values: unknown, path: string): Float32Array => {
    const numbers = share(values, path, fail);
    if (numbers.length !== count) throw fail(`${path} has ${numbers.length} values, wanted ${count}: one for each example`);
    const bad = numbers.findIndex((value) => !(value >= 0));
    if (bad !== -1) throw fail(`${path}[${bad}] is ${numbers[bad]}, wanted a number of at least 0`);
    const kept = new Float32Array(new SharedArrayBuffer(4 * count));
    kept.set(numbers);
    return kept;
  };
  if (given.names.form === 'one') {
    const all = read(weights, `${which}.weights`);
    return { weights: Object.fromEntries(names.names.map((name) => [name, all])) };
  }
  const stray = given.names.names.find((name) => !names.names.includes(name));
  if (stray !== undefined)
    throw fail(`${pathOf(`${which}.weights`, given.names, stray)} is of no labels: there are ${names.names.join(', ')}`);
  const each = given.names.names.map((name) => [name, read(given.arrays[name], pathOf(`${which}.weights`, given.names, name))]);
  return { weights: Object.fromEntries(each) as MemorySplit['weights'] };
}

function requireRows({ names, targets, count }: Given, { name, shape }: Field, which: string, fail: Fail): void {
  const wanted = count * product(shape);
  const { length } = targets[name];
  if (length === wanted) return;
  const path = pathOf(`${which}.y`, names.targets, name);
  throw fail(`${path} has ${length} values, wanted ${wanted}: ${count} examples of labelShape [${shape.join(', ')}]`);
}

/** Class indices are integers in a Dataset. */
function withIndices({ names: _, targets, ...split }: Given, fields: readonly Field[]): MemorySplit {
  const kept = fields.map(({ name, shape }) => [name, shape.length === 0 ? asIndices(targets[name]) : targets[name]]);
  return { ...split, targets: Object.fromEntries(kept) as MemorySplit['targets'] };
}

/** An array with a fraction is left as it is, for `assembleDataset` to name the label. */
function asIndices(y: NumericArray): NumericArray {
  if (!(y instanceof Float32Array) || !y.every(Number.isInteger)) return y;
  const indices = new Int32Array(new SharedArrayBuffer(4 * y.length));
  indices.set(y);
  return indices;
}

function namesText({ inputs, targets }: Given['names']): string {
  return `x of ${inputs.names.join(', ')} and y of ${targets.names.join(', ')}`;
}
