/**
 * Owns: the examples of a sequence, epoch by epoch: batches taken apart, the first one looked at before anybody trains.
 * Does not: put them into arrays of a data set (sequence_batches.ts).
 */
import { DataError } from '../../common/errors.js';
import type { FieldOptions } from '../fields.js';
import { optionOf } from '../named.js';
import type { Fail } from '../share.js';
import { exampleOf, examplesOfBatch, type Example } from './example_values.js';
import type { ExampleSequence, Items } from './sequence_source.js';

export interface OpenExamples {
  /** Null at the end. */
  next(): Promise<Example | null>;
  close(): void;
}

export class Examples {
  readonly count: number | null;
  #first: { readonly items: Items; readonly read: Example[] } | null = null;

  constructor(
    private readonly own: ExampleSequence,
    private readonly inputShape: FieldOptions['inputShape'] | undefined,
    private readonly which: string,
    private readonly fail: Fail,
  ) {
    this.count = own.count;
  }

  async first(): Promise<Example> {
    const items = await this.own.open(1);
    const read = await this.#next(items);
    if (read === null)
      throw new DataError({ code: 'DATA_EMPTY', message: `${this.which} gave no example`, next: 'Give at least one example.' });
    this.#first = { items, read };
    return read[0];
  }

  /** As ExampleSequence opens its items. */
  async open(epoch: number): Promise<OpenExamples> {
    const first = this.#first;
    this.#first = null;
    if (first !== null && epoch > 1) first.items.close();
    const { items, read } = first !== null && epoch === 1 ? first : { items: await this.own.open(epoch), read: [] };
    const waiting = [...read];
    return {
      next: async () => {
        if (waiting.length === 0) waiting.push(...((await this.#next(items)) ?? []));
        return waiting.shift() ?? null;
      },
      close: () => items.close(),
    };
  }

  /** Of the next item that has any; null at the end. */
  async #next(items: Items): Promise<Example[] | null> {
    for (let given = await items.next(); given !== null; given = await items.next()) {
      const examples = await this.#examplesOf(given.item);
      if (examples.length > 0) return examples;
    }
    return null;
  }

  async #examplesOf(item: unknown): Promise<Example[]> {
    const { which, fail, own } = this;
    const example = await exampleOf(item, which, fail);
    if (!own.batched) return [example];
    const { names } = example.inputs;
    const inputShapes = (name: string): readonly number[] | undefined =>
      optionOf(this.inputShape, { names, name, label: 'inputShape', fail }).value as readonly number[] | undefined;
    return examplesOfBatch(example, { inputShapes, fail });
  }
}
