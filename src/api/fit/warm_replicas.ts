/**
 * Owns: replicas that stay open between calls of one model (fit, evaluate, predict).
 * Does not: compute. They keep no process alive, and go with the model or by release().
 */
import type * as tfjs from '@tensorflow/tfjs';
import { isInMemory, type Dataset, type MemoryDataset, type SplitName } from '../../common/dataset.js';
import { invariant } from '../../common/errors.js';
import { LIMITS } from '../../common/limits.js';
import type { ModelDescription } from '../../common/replica.js';
import type { Placement } from '../devices.js';
import { openReplicas, type OpenedReplicas, type ReplicaRequest } from '../replicas.js';

interface Open extends Pick<ReplicaRequest, 'placement' | 'config'> {
  readonly opened: OpenedReplicas;
  readonly modelKey: string;
  /** By what the replicas are bound to: fields of data and what judges them. */
  readonly descriptions: Map<string, ModelDescription>;
  /** Which of those they compute with; null where they only predict. */
  bound: string | null;
}

export class WarmReplicas {
  /** Keys that orders of epochs were drawn with so far. */
  epochsDrawn = 0;
  /** Of weights that the replicas have seen. */
  version = 0;
  /** A fit() is under way. */
  busy = false;
  #open: Open | null = null;
  #turns = 0;
  #last: Promise<unknown> = Promise.resolve();

  /** Those of the last call where they can compute this one; else new ones. `dataset` null: for predictions. */
  async open(given: ReplicaRequest): Promise<OpenedReplicas> {
    const request = { ...given, placement: this.#placementFor(given.placement) };
    const { dataset } = request;
    used.delete(this);
    used.add(this);
    const modelKey = modelKeyOf(request);
    const bound = dataset === null ? null : boundKeyOf({ ...request, dataset: inMemory(dataset) });
    const isRoom = bound === null || (this.#open?.descriptions.size ?? 0) < LIMITS.maxWarmBindings;
    if (this.#open?.modelKey !== modelKey || !(isRoom || this.#open.descriptions.has(bound))) {
      await this.close();
      await makeRoomBeside(this);
      const opened = await openReplicas({ ...request, dataset: null });
      const { placement, config } = request;
      this.#open = { opened, modelKey, placement, config, descriptions: new Map(), bound: null };
      this.version = 0;
    }
    const { opened, descriptions } = this.#open;
    if (dataset === null || bound === null) return opened;
    if (descriptions.has(bound)) await this.#take(bound, dataset, null);
    else await this.#bind(bound, { ...request, dataset });
    const model = descriptions.get(bound);
    invariant(model !== undefined, 'what replicas are bound to is described');
    return { ...opened, model };
  }

  /** Replicas that have more threads than the rows of this call keep busy are no reason to open others: calls in turns would open some each time. */
  #placementFor(placement: Placement): Placement {
    const threads = this.#open?.placement.intraOpThreads ?? 0;
    const areMore = placement.threadsBy === 'model' && threads > placement.intraOpThreads;
    return areMore ? { ...placement, intraOpThreads: threads } : placement;
  }

  /** Rows that replicas read from the next step on, of the fields that they are bound to. */
  async takeData(dataset: Dataset, changed: SplitName): Promise<void> {
    invariant(this.#open !== null && this.#open.bound !== null, 'replicas are bound to data');
    await this.#take(this.#open.bound, dataset, changed);
  }

  async #take(key: string, dataset: Dataset, changed: SplitName | null): Promise<void> {
    const open = this.#open;
    invariant(open !== null, 'replicas are open');
    await Promise.all(open.opened.replicas.map((replica) => replica.takeData(key, dataset, changed)));
    open.bound = key;
  }

  async #bind(key: string, { source, dataset, config }: ReplicaRequest & { dataset: Dataset }): Promise<void> {
    const open = this.#open;
    invariant(open !== null, 'replicas are open');
    const { seed, loss, metrics, lossWeights, augment } = config;
    // They have built the model.
    const model = source.kind === 'topology' ? { ...source, weights: new Float32Array(0) } : source;
    const spec = { model, seed, objective: { loss, metrics, lossWeights }, augment, dataset };
    const [description] = await Promise.all(open.opened.replicas.map((replica) => replica.bind(key, spec)));
    open.descriptions.set(key, description);
    open.bound = key;
  }

  /** What they were opened with; null where none are. */
  get openedWith(): Pick<ReplicaRequest, 'placement' | 'config'> | null {
    return this.#open;
  }

  /** After all that were asked before: replicas serve one call at a time. */
  async inTurn<T>(work: () => Promise<T>): Promise<T> {
    this.#turns += 1;
    const before = this.#last;
    const mine = (async () => {
      await before;
      return work();
    })();
    this.#last = mine.catch(() => undefined);
    try {
      return await mine;
    } finally {
      this.#turns -= 1;
    }
  }

  get isIdle(): boolean {
    return this.#turns === 0;
  }

  get isOpen(): boolean {
    return this.#open !== null;
  }

  async close(): Promise<void> {
    const open = this.#open;
    this.#open = null;
    await open?.opened.close();
  }
}

/** What a replica is built from. The weights come with each step. */
function modelKeyOf({ placement, source, config: { precision, compile, execution, batchNorm } }: ReplicaRequest): string {
  const { replicas, intraOpThreads, logicalCpuDevices } = placement;
  const { name, topology } = source.kind === 'topology' ? source : { ...source, topology: '' };
  return JSON.stringify([replicas, intraOpThreads, logicalCpuDevices, name, topology, precision, compile, execution, batchNorm]);
}

/** What a replica knows of data besides their rows, and how it judges them. */
function boundKeyOf({ source, dataset, config }: ReplicaRequest & { dataset: MemoryDataset }): string {
  const { seed, loss, metrics, lossWeights, augment } = config;
  const compiled = source.kind === 'topology' ? source.compiled : null;
  const { fields, train, validation } = dataset;
  const shapes = [...fields.inputs, ...fields.targets].map(({ name, shape, type, scale }) => [name, shape, type, scale]);
  const weighted = [train, validation].map((split) => Object.keys(split?.weights ?? {}));
  return JSON.stringify([compiled, loss, metrics, lossWeights, augment, seed, shapes, weighted]);
}

function inMemory(dataset: Dataset): MemoryDataset {
  const { train, validation } = dataset;
  invariant(isInMemory(train) && (validation === null || isInMemory(validation)), 'what these calls are given is in memory');
  return { ...dataset, train, validation };
}

const warm = new WeakMap<tfjs.LayersModel, WarmReplicas>();
/** Of those that are open, the one used last at the end. */
const used = new Set<WarmReplicas>();
const abandoned = new FinalizationRegistry<WarmReplicas>((replicas) => {
  used.delete(replicas);
  void replicas.close().catch(() => undefined);
});

export function warmReplicasOf(model: tfjs.LayersModel): WarmReplicas {
  const found = warm.get(model);
  if (found !== undefined) return found;
  const made = new WarmReplicas();
  warm.set(model, made);
  abandoned.register(model, made);
  return made;
}

/** A program that trains many models one after the other holds the threads of the last few. */
async function makeRoomBeside(replicas: WarmReplicas): Promise<void> {
  const others = [...used].filter((other) => other !== replicas && other.isOpen && other.isIdle);
  for (const oldest of others.slice(0, Math.max(0, others.length + 1 - LIMITS.maxWarmModels))) {
    used.delete(oldest);
    await oldest.close();
  }
}

/**
 * Lets go of what these calls keep of a model: its replicas' threads and memory. The model and its optimizer stay. Without one: of all models. One
 * that is being trained is left alone; calls of predict() and evaluate() are waited for.
 */
export async function release(model?: tfjs.LayersModel): Promise<void> {
  const found = model === undefined ? [...used] : [warm.get(model)].filter((replicas) => replicas !== undefined);
  for (const replicas of found.filter(({ busy }) => !busy)) {
    used.delete(replicas);
    await replicas.inTurn(() => replicas.close());
  }
}
