/**
 * Owns: a run on a fleet of IntegerReplicas (loopback_cluster.ts) without TensorFlow: every step's parameters depend on all before, and the end can
 * be computed without a cluster.
 */
import { hostValues } from '../../src/common/host_gradient.js';
import type { Fleet } from '../../src/coordinator/planes/exact/fleet/fleet.js';
import type { TestCluster } from './loopback_cluster.js';

const { fround } = Math;

/** A step's shards: shard s has rows 2s and 2s + 1. */
const rowsOf = (shard: number): Int32Array => Int32Array.of(2 * shard, 2 * shard + 1);

/** p ← p / 4 + (sum of the shards' gradients, in order) / 1024, each operation rounded to float32. Loops, because some tests take thousands of steps. */
function next(parameters: Float32Array, gradients: readonly Float32Array[]): Float32Array {
  const total = new Float32Array(parameters.length);
  // What is stored in a Float32Array is rounded to it.
  for (const gradient of gradients) for (let i = 0; i < total.length; i++) total[i] += gradient[i];
  for (let i = 0; i < total.length; i++) total[i] = fround(parameters[i] / 4) + fround(total[i] / 1024);
  return total;
}

/** Each value + `sum`, rounded to float32. A loop takes a tenth of what `map` does, of which some tests would have minutes. */
export function allPlus(values: Float32Array, sum: number): Float32Array {
  const plus = new Float32Array(values.length);
  for (let i = 0; i < plus.length; i++) plus[i] = values[i] + sum;
  return plus;
}

export class CountingClusterRun {
  steps = 0;
  parameters: Float32Array;

  /** From the initial weights that the first worker describes. */
  static async on({ fleet, cluster }: Pick<TestCluster, 'fleet' | 'cluster'>, shards: number): Promise<CountingClusterRun> {
    return new CountingClusterRun(fleet, (await cluster.first).model.initial, shards);
  }

  constructor(
    private readonly fleet: Fleet,
    private readonly initial: Float32Array,
    private readonly shards: number,
  ) {
    this.parameters = initial;
  }

  async step(): Promise<void> {
    const parameters = { version: this.steps, values: this.parameters };
    const units = Array.from({ length: this.shards }, (_, shard) => ({
      ...({ id: { kind: 'train', step: this.steps + 1, shard, attempt: 0 }, rows: rowsOf(shard) } as const),
      ...{ firstExample: 2 * shard, regularizationWeight: 0, parameters },
    }));
    const results = await this.fleet.computeRound(units);
    this.parameters = Float32Array.from(this.parameters);
    const gradients = results.map(({ gradient }) => (gradient ? hostValues(gradient) : new Float32Array(0)));
    this.parameters.set(next(this.parameters.subarray(0, gradients[0].length), gradients));
    for (const { gradient } of results) gradient?.release();
    this.steps += 1;
  }

  /** What as many steps are without a cluster. The last weight is a moving statistic, which this run leaves alone. */
  undisturbed(): Float32Array {
    const parameters = Float32Array.from(this.initial);
    const trained = parameters.subarray(0, parameters.length - 1);
    for (let step = 0; step < this.steps; step++) {
      const gradients = Array.from({ length: this.shards }, (_, shard) => {
        const sum = rowsOf(shard).reduce((a, b) => a + b, 0);
        return allPlus(trained, sum);
      });
      trained.set(next(trained, gradients));
    }
    return parameters;
  }
}
