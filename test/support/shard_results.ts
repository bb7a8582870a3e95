/** Owns: shard results made by hand. */
import { hostGradient } from '../../src/common/host_gradient.js';
import type { ShardResult } from '../../src/common/replica.js';

export interface HandMade {
  shard: number;
  gradient: Float32Array;
  statistics?: Float32Array;
}

export function shardResult({ shard, gradient, statistics }: HandMade): ShardResult {
  return {
    id: { kind: 'train', step: 0, shard, attempt: 0 },
    version: 0,
    examples: 1,
    lossSum: 0,
    sums: [0],
    computeMs: 0,
    gradient: hostGradient({ kind: 'host', values: gradient, release: () => undefined }),
    ...(statistics !== undefined && { statistics }),
  };
}
