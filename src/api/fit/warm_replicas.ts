/**
 * Owns: replicas that stay open between fit() calls of one model, and what the optimizer remembers of its steps.
 * Does not: train. They keep no process alive, and go with the model or by release().
 */
import type * as tfjs from '@tensorflow/tfjs';
import { isInMemory, type Batch, type Dataset, type MemoryDataset } from '../../common/dataset.js';
import { invariant } from '../../common/errors.js';
import { LIMITS } from '../../common/limits.js';
import type { RunValues } from '../../coordinator/planes/plane.js';
import { openReplicas, type OpenedReplicas, type ReplicaRequest } from '../replicas.js';

/** Where the last call left the optimizer. */
export interface Carried {
  readonly optimizer: WeakRef<tfjs.Optimizer>;
  /** Names and shapes that its slots are of. */
  readonly layout: string;
  readonly slots: RunValues['optimizerSlots'];
  readonly steps: number;
}

export class WarmReplicas {
  carried: Carried | null = null;
  /** Keys that orders of epochs were drawn with so far. */
  epochsDrawn = 0;
  /** Of weights that the replicas have seen. */
  version = 0;
  /** A call is under way. */
  busy = false;
  #key = '';
  #opened: OpenedReplicas | null = null;
  /** As the replicas read it, in shared memory. */
  #dataset: MemoryDataset | null = null;

  /** Those of the last call where they can compute this one; else new ones. */
  async open(request: ReplicaRequest): Promise<OpenedReplicas> {
    const { dataset } = request;
    invariant(isAllInMemory(dataset), 'what fit() is given is in memory');
    const key = keyOf({ ...request, dataset });
    used.delete(this);
    used.add(this);
    if (this.#opened !== null && this.#key === key) {
      this.#takeData(dataset);
      return this.#opened;
    }
    await this.close();
    await makeRoomBeside(this);
    this.#opened = await openReplicas(request);
    this.#key = key;
    this.#dataset = dataset;
    this.version = 0;
    return this.#opened;
  }

  /** The training rows that replicas read from the next step on; as many as were given when they were opened, or fewer. */
  get rows(): Batch {
    invariant(this.#dataset !== null, 'replicas are open');
    return this.#dataset.train;
  }

  /** Other rows in the place of those before: nothing reads between two calls. */
  #takeData({ train, validation }: MemoryDataset): void {
    const own = this.#dataset;
    invariant(own !== null, 'replicas are open');
    putRows(own.train, train);
    if (own.validation !== null && validation !== null) putRows(own.validation, validation);
  }

  get isOpen(): boolean {
    return this.#opened !== null;
  }

  async close(): Promise<void> {
    const opened = this.#opened;
    this.#opened = null;
    await opened?.close();
  }
}

/** Writes rows over the first ones of the same fields. */
function putRows(into: Batch, from: Batch): void {
  for (const kind of ['inputs', 'targets'] as const)
    for (const [name, values] of Object.entries(from[kind])) into[kind][name].set(values);
  for (const [name, values] of Object.entries(from.weights ?? {})) into.weights?.[name].set(values);
}

/** What a replica is built from. The weights come with each step, and rows may be replaced by others. */
function keyOf({ placement, source, dataset, config }: ReplicaRequest & { dataset: MemoryDataset }): string {
  const { name, topology, compiled } = source.kind === 'topology' ? source : { ...source, topology: '', compiled: null };
  const { precision, compile, seed, batchNorm } = config;
  return JSON.stringify([placement, name, topology, compiled, precision, compile, seed, batchNorm, formOf(dataset)]);
}

/** What replicas know of a data set besides its values. */
function formOf({ fields, train, validation, sha256 }: MemoryDataset): unknown[] {
  const shapes = [...fields.inputs, ...fields.targets].map(({ name, shape, type, scale }) => [name, shape, type, scale]);
  // Labels of several outputs are judged where replicas are opened.
  const labels = fields.targets.length > 1 ? sha256 : null;
  return [shapes, train.count, validation?.count ?? null, Object.keys(train.weights ?? {}), labels];
}

function isAllInMemory(dataset: Dataset): dataset is MemoryDataset {
  return isInMemory(dataset.train) && (dataset.validation === null || isInMemory(dataset.validation));
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
  const others = [...used].filter((other) => other !== replicas && other.isOpen && !other.busy);
  for (const oldest of others.slice(0, Math.max(0, others.length + 1 - LIMITS.maxWarmModels))) {
    used.delete(oldest);
    await oldest.close();
  }
}

/**
 * Lets go of what fit() keeps of a model between calls: its replicas' threads and memory, and what the optimizer remembers. The model stays.
 * Without one: of all models. One that is being
 * trained is left alone.
 */
export async function release(model?: tfjs.LayersModel): Promise<void> {
  const found = model === undefined ? [...used] : [warm.get(model)].filter((replicas) => replicas !== undefined);
  for (const replicas of found.filter(({ busy }) => !busy)) {
    used.delete(replicas);
    replicas.carried = null;
    await replicas.close();
  }
}
