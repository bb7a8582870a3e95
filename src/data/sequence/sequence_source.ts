/**
 * Owns: what people give as a sequence of examples (a tf.data.Dataset, a function that makes an iterator, an iterable) as one thing that is opened for each epoch.
 * Does not: look into examples (example_values.ts), or know batches and shuffling (sequence_batches.ts).
 */
import { DataError, ExpectedError } from '../../common/errors.js';
import { placedReason } from '../../common/user_place.js';
import { isRecord } from '../named.js';
import { text, type Fail } from '../share.js';

/** What each gives: an example `{ x, y }`, `{ xs, ys }` or `[x, y]`; of `batches` as many, along the first axis. */
type AnyIterator = { next(): unknown };
/** A tf.data.Dataset, or any object with the one method that tfjs calls. */
interface IteratorSource {
  iterator(): unknown;
}
/** `epoch` counts from 0, as in callbacks. The same epoch gives the same examples whenever it is asked. */
export type SequenceFactory = (at: { readonly epoch: number }) => unknown;
export type SequenceOf = IteratorSource | SequenceFactory | Iterable<unknown> | AsyncIterable<unknown>;
export type SequenceSource =
  | SequenceOf
  | { readonly examples: SequenceOf; readonly count?: number }
  | { readonly batches: SequenceOf; readonly count?: number };

/** Opened for each epoch in turn. */
export interface ExampleSequence {
  /** Examples of an epoch, where somebody said so. */
  readonly count: number | null;
  /** Each item is a batch. */
  readonly batched: boolean;
  /** From 1, and never one before that of the call before. */
  open(epoch: number): Promise<Items>;
}

export interface Items {
  /** Null at the end. */
  next(): Promise<{ readonly item: unknown } | null>;
  /** Nobody wants more of them. */
  close(): void;
}

export function failureOfSequence(name: string): Fail {
  return (message, cause) =>
    new DataError({
      code: 'DATA_SEQUENCE',
      message: `${name}: ${message}`,
      next: 'Correct the sequence; docs/data.md, "Examples one after the other", says what it gives.',
      cause,
    });
}

export function isSequence(set: unknown): boolean {
  if (typeof set === 'function') return true;
  if (typeof set !== 'object' || set === null || ArrayBuffer.isView(set)) return false;
  const { iterator, examples, batches } = set as Record<string, unknown>;
  return typeof iterator === 'function' || isIterable(set) || isSequence(examples) || isSequence(batches);
}

/** @throws what `fail` makes */
export function sequenceOf(given: unknown, which: string, fail: Fail): ExampleSequence {
  const { from, batched, count } = partsOf(given, which, fail);
  if (count !== null && !(Number.isSafeInteger(count) && count > 0))
    throw fail(`${which}.count is ${text(count)}, wanted the number of examples of an epoch`);
  if (typeof from !== 'function' && typeof (from as Partial<AnyIterator>).next === 'function')
    throw fail(
      `${which} is an iterator, which can be gone through once, and each epoch goes through it: give the function that makes it`,
    );
  // A data set that shuffles draws its next order whenever it is asked for an iterator.
  let asked = 0;
  return {
    count,
    batched,
    async open(epoch) {
      const isDataset = typeof (from as Partial<IteratorSource>).iterator === 'function' && typeof from !== 'function';
      return userCode(`${which} failed where epoch ${epoch} begins`, fail, async () => {
        for (; isDataset && asked < epoch - 1; asked++) await (from as IteratorSource).iterator();
        asked += 1;
        const made = typeof from === 'function' ? await (from as SequenceFactory)({ epoch: epoch - 1 }) : from;
        return itemsOf(await iteratorIn(made, which, fail), { which, epoch, fail });
      });
    },
  };
}

function partsOf(given: unknown, which: string, fail: Fail): { from: unknown; batched: boolean; count: number | null } {
  if (!isRecord(given) || !(isSequence(given.examples) || isSequence(given.batches)))
    return { from: given, batched: false, count: null };
  const stray = Object.keys(given).find((key) => !['examples', 'batches', 'count', 'shape'].includes(key));
  if (stray !== undefined) throw fail(`${which}.${stray} is not known, wanted { examples, count } or { batches, count }`);
  if (given.examples !== undefined && given.batches !== undefined) throw fail(`${which} has examples and batches, wanted one`);
  const batched = given.batches !== undefined;
  return { from: batched ? given.batches : given.examples, batched, count: (given.count as number | undefined) ?? null };
}

function isIterable(value: object): boolean {
  const { [Symbol.iterator]: plain, [Symbol.asyncIterator]: later } = value as Partial<
    Iterable<unknown> & AsyncIterable<unknown>
  >;
  return typeof plain === 'function' || typeof later === 'function';
}

async function iteratorIn(made: unknown, which: string, fail: Fail): Promise<AnyIterator> {
  if (typeof made === 'object' && made !== null) {
    const { iterator, next } = made as Record<string, unknown>;
    const { [Symbol.iterator]: plain, [Symbol.asyncIterator]: later } = made as Partial<
      Iterable<unknown> & AsyncIterable<unknown>
    >;
    if (typeof iterator === 'function') return (await (made as IteratorSource).iterator()) as AnyIterator;
    if (typeof later === 'function') return later.call(made);
    if (typeof plain === 'function') return plain.call(made);
    if (typeof next === 'function') return made as AnyIterator;
  }
  throw fail(`${which} gave ${text(made)}, wanted an iterator or an iterable of examples`);
}

function itemsOf(iterator: AnyIterator, { which, epoch, fail }: { which: string; epoch: number; fail: Fail }): Items {
  let given = 0;
  return {
    async next() {
      const result = await userCode(`${which} failed at item ${given} of epoch ${epoch}`, fail, async () => iterator.next());
      if (typeof result !== 'object' || result === null)
        throw fail(`next() of ${which} gave ${text(result)}, wanted { value, done }`);
      const { value, done } = result as { value?: unknown; done?: unknown };
      if (done === true) return null;
      given += 1;
      return { item: value };
    },
    close() {
      const { return: end } = iterator as { return?: () => unknown };
      if (typeof end !== 'function') return;
      // Nobody waits for it, nor minds what it says.
      void (async () => end.call(iterator))().catch(() => undefined);
    },
  };
}

async function userCode<T>(what: string, fail: Fail, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (cause) {
    if (cause instanceof ExpectedError) throw cause;
    throw fail(`${what}: ${placedReason(cause)}`, cause);
  }
}
