/**
 * Owns: rows that a function of the calling program gives: a replica's thread asks for them over a channel, the thread of the program calls `read`, one call after the
 * other, and answers. Does not: check rows (read_rows.ts).
 */
import { randomUUID } from 'node:crypto';
import { BroadcastChannel } from 'node:worker_threads';
import type { DataFields, Dataset, SplitName, StoredSplit } from '../../common/dataset.js';
import { isErrorLike } from '../../common/error_facts.js';
import { readDataset, type ReadSets } from './read_dataset.js';
import { failureIn, openRead, type ReadSource } from './read_rows.js';
import type { OpenedSplit } from './source.js';

/** Name of the source in a split; nobody names it on the command line. */
export const CALLER = 'caller';

interface Where {
  readonly channel: string;
  readonly which: SplitName;
  readonly name: string;
}

interface Request {
  /** Name of the channel for the answer: others need not have a copy of it. */
  readonly asker: string;
  readonly id: number;
  readonly which: SplitName;
  readonly rows: Int32Array;
}

type Answer = { readonly id: number } & (
  { readonly given: unknown } | { readonly failure: { readonly name: string; readonly message: string } }
);

export interface ReadByCaller {
  readonly dataset: Dataset;
  /** Rows are given until then. */
  close(): void;
}

/** Reads every row once, and from then on gives those that replicas ask for. @throws DataError as readDataset */
export async function readByCaller(sets: ReadSets & { readonly name: string }): Promise<ReadByCaller> {
  const channel = randomUUID();
  const { name } = sets;
  const dataset = await readDataset(sets, (which) => ({ source: CALLER, where: { channel, which, name } satisfies Where }));
  return { dataset, close: giveRows(channel, sets as unknown as Record<SplitName, ReadSource>) };
}

function giveRows(name: string, sets: Readonly<Record<SplitName, ReadSource>>): () => void {
  const asked = new BroadcastChannel(name);
  const askers = new Map<string, BroadcastChannel>();
  let isClosed = false;
  let last = Promise.resolve();
  asked.onmessage = (event) => {
    const request = (event as unknown as { data: Request }).data;
    last = last.then(() => answer(request));
  };
  // A program that has nothing else to do ends.
  asked.unref();

  /** A run that has ended, or was stopped while `read` was at it, hears nothing any more. */
  function post(asker: string, said: Answer): void {
    if (isClosed) return;
    const channel = askers.get(asker) ?? new BroadcastChannel(asker);
    channel.unref();
    askers.set(asker, channel);
    channel.postMessage(said);
  }

  async function answer({ asker, id, which, rows }: Request): Promise<void> {
    if (isClosed) return;
    try {
      post(asker, { id, given: await sets[which].read(rows) });
    } catch (error) {
      const failure = isErrorLike(error)
        ? { name: error.name, message: error.message }
        : { name: 'Error', message: String(error) };
      post(asker, { id, failure });
    }
  }

  return () => {
    isClosed = true;
    for (const channel of [asked, ...askers.values()]) channel.close();
  };
}

/** In a replica's thread. */
export function openCaller({ where, ...split }: StoredSplit, fields: DataFields): Promise<OpenedSplit> {
  const { channel, which, name } = where as Where;
  const asker = randomUUID();
  const [asking, answers] = [channel, asker].map((of) => new BroadcastChannel(of));
  const waiting = new Map<number, { done: (given: unknown) => void; fail: (error: Error) => void }>();
  answers.onmessage = (event) => {
    const answer = (event as unknown as { data: Answer }).data;
    const one = waiting.get(answer.id);
    waiting.delete(answer.id);
    if ('given' in answer) return one?.done(answer.given);
    one?.fail(Object.assign(new Error(answer.failure.message), { name: answer.failure.name }));
  };
  let count = 0;
  const read = (rows: Int32Array): Promise<unknown> =>
    new Promise((done, fail) => {
      const id = ++count;
      waiting.set(id, { done, fail });
      asking.postMessage({ asker, id, which, rows } satisfies Request);
    });
  return Promise.resolve(openRead({ count: split.count, read }, { fields, split, which, fail: failureIn(name) }));
}
