/**
 * Owns: a replica that computes nothing: it answers, hangs or dies when the test says so.
 */
import { hostGradient } from '../../src/common/host_gradient.js';
import { ACCURACY_OBJECTIVE } from './accuracy_objective.js';
import { createBucketLayout } from '../../src/common/bucket_layout.js';
import type { ModelDescription, NumericsClass, Replica, ShardAssignment, ShardResult } from '../../src/common/replica.js';

export class FakeReplica implements Replica {
  readonly assignments: ShardAssignment[] = [];
  closed = 0;
  /** Gradients given out and not yet released. */
  held = 0;
  #settle: { resolve(result: ShardResult): void; reject(error: Error): void } | null = null;

  constructor(readonly name: string) {}

  describe(): Promise<ModelDescription> {
    const layout = createBucketLayout({ weights: [{ name: 'w', shape: [2] }], trained: 1 });
    return Promise.resolve({ name: 'fake', topology: '{}', layout, objective: ACCURACY_OBJECTIVE, initial: new Float32Array(2) });
  }

  numerics(): Promise<NumericsClass> {
    return Promise.resolve({
      tensorflow: 'none',
      device: 'CPU',
      deviceModel: 'fake',
      precision: 'fp32',
      intraOpThreads: 1,
      instructionSet: '',
      oneDnn: 'off',
      oneDnnIsa: '',
      execution: 'compiled',
      arithmetic: 1,
      probe: '0123456789abcdef'.repeat(4),
    });
  }

  compute(assignment: ShardAssignment): Promise<ShardResult> {
    if (this.#settle !== null) throw new Error('one call at a time');
    this.assignments.push(assignment);
    return new Promise((resolve, reject) => (this.#settle = { resolve, reject }));
  }

  /** Answers with the gradient `[value, shard]`. */
  answer(value: number, changes: Partial<ShardResult> = {}): Promise<void> {
    const assignment = this.assignments.at(-1);
    if (assignment === undefined || this.#settle === null) throw new Error(`${this.name} was given nothing`);
    const { id, parameters, rows } = assignment;
    const { shard } = id;
    this.held += 1;
    const release = () => void (this.held -= 1);
    const { resolve } = this.#settle;
    this.#settle = null;
    resolve({
      id,
      version: parameters.version,
      examples: rows.length,
      lossSum: value,
      sums: [0],
      gradient: hostGradient({ kind: 'host', values: Float32Array.of(value, shard), release }),
      computeMs: 1,
      ...changes,
    });
    return turn();
  }

  die(reason: string | Error): Promise<void> {
    this.#settle?.reject(typeof reason === 'string' ? new Error(reason) : reason);
    this.#settle = null;
    return turn();
  }

  close(): Promise<void> {
    this.closed += 1;
    return Promise.resolve();
  }
}

/** One turn of the event loop: every promise that can settle has. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Shards of one step, two examples each. */
export function units(shards: number[], step = 1): ShardAssignment[] {
  const parameters = { version: step - 1, values: new Float32Array(2) };
  return shards.map((shard) => ({
    id: { kind: 'train', step, shard, attempt: 0 },
    rows: Int32Array.of(2 * shard, 2 * shard + 1),
    firstExample: 2 * shard,
    regularizationWeight: 0,
    parameters,
  }));
}
