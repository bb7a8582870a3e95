/**
 * Owns: rows of batches that come one after the other, in memory that replicas read: the whole of a split is the batch of the next step.
 * Does not: read a dataset (dataset_stream.ts).
 */
import {
  emptyArray,
  typeOf,
  type MemoryDataset,
  type MemorySplit,
  type NumericArray,
  type SplitName,
} from '../../common/dataset.js';
import { invariant } from '../../common/errors.js';
import type { ExampleRows, RowsByName } from './example_rows.js';
import type { ExampleWeights } from './example_weights.js';
import { refuse } from './rows.js';

type Arrays = Readonly<Record<string, NumericArray>>;
type Take = (data: MemoryDataset, changed: SplitName) => Promise<void>;

export class StreamedRows {
  #data: MemoryDataset;
  readonly #take: Take;

  /** `data`: of the first batches; `take`: gives replicas other rows. */
  constructor(data: MemoryDataset, take: Take) {
    this.#data = data;
    this.#take = take;
  }

  /** @throws DataError DATA_ARRAYS for rows unlike the first batch's, DATA_LABELS */
  async put(which: SplitName, { count, x, y }: ExampleRows, weights: ExampleWeights | null = null): Promise<void> {
    const { fields } = this.#data;
    const before = this.#data[which];
    invariant(before !== null, 'a stream begins with its first batch');
    const side = (kind: 'inputs' | 'targets', rows: RowsByName): Arrays =>
      byField(Object.keys(before[kind]), rows, (name, { shape, values }) => {
        const wanted = fields[kind].find((field) => field.name === name)?.shape ?? [];
        if (shape.join() !== wanted.join())
          throw refuse(`a batch has rows of [${shape.join(', ')}], the first one of [${wanted.join(', ')}]`);
        return filled(before[kind][name], values);
      });
    const counted = before.weights ?? {};
    const split: MemorySplit = {
      ...{ count, inputs: side('inputs', x), targets: side('targets', y) },
      ...(weights !== null && {
        weights: byField(Object.keys(counted), weights, (name, own) => filled(counted[name], own)) as MemorySplit['weights'] & {},
      }),
    };
    this.#data = { ...this.#data, [which]: split };
    await this.#take(this.#data, which);
  }
}

/** One alone has no name of its own in a split. */
function byField<T>(
  fields: readonly string[],
  given: Readonly<Record<string, T>>,
  map: (field: string, own: T) => NumericArray,
): Arrays {
  const own = Object.values(given);
  return Object.fromEntries(fields.map((field, at) => [field, map(field, given[field] ?? own[at])]));
}

/** The memory of the batch before where it is large enough. */
function filled(before: NumericArray, values: ArrayLike<number>): NumericArray {
  const type = typeOf(before);
  const { buffer } = before;
  const isRoom = buffer.byteLength >= values.length * before.BYTES_PER_ELEMENT;
  const Values = before.constructor as new (memory: ArrayBufferLike, start: number, length: number) => NumericArray;
  const into = isRoom ? new Values(buffer, 0, values.length) : emptyArray(type, values.length, { shared: true });
  into.set(values);
  const bad = into instanceof Float32Array ? into.findIndex((value) => !Number.isFinite(value)) : -1;
  if (bad !== -1) throw refuse(`a batch has ${values[bad]} among its values, wanted finite numbers`);
  return into;
}
