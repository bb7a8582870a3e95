/**
 * Owns: opening a real replica thread for a test, with what most tests do not care about filled in.
 * Does not: fake anything: the thread runs the built product on TensorFlow.
 */
import { fileURLToPath } from 'node:url';
import type { Dataset } from '../../src/common/dataset.js';
import { datasetFromArrays } from '../../src/data/arrays.js';
import { ensureTensorFlow } from '../../src/engine/tensorflow/tensorflow_library.js';
import { LocalReplica } from '../../src/worker/replica/local_replica.js';
import type { ReplicaSpec } from '../../src/worker/replica/replica_spec.js';

type SpecUnderTest = Partial<ReplicaSpec> & Pick<ReplicaSpec, 'model' | 'dataset'>;

export function specUnderTest(tensorflowFolder: string, spec: SpecUnderTest): ReplicaSpec {
  return {
    name: 'cpu(0)',
    device: 'CPU:0',
    isApart: false,
    tensorflowFolder,
    logicalCpuDevices: 1,
    intraOpThreads: 1,
    threadsWanted: null,
    precision: 'fp32',
    compile: true,
    execution: 'graph',
    seed: 1,
    objective: { loss: 'softmax_cross_entropy', metrics: null },
    batchNorm: 'shard',
    augment: [],
    ...spec,
  };
}

export async function openReplica(spec: SpecUnderTest): Promise<LocalReplica> {
  const { folder } = await ensureTensorFlow();
  const replica = new LocalReplica(specUnderTest(folder, spec));
  await replica.open();
  return replica;
}

/** A model of test/support/models. */
export function testModel(name: string): ReplicaSpec['model'] {
  const path = fileURLToPath(new URL(`models/${name}.mjs`, import.meta.url));
  return { kind: 'module', name, path };
}

/** `examples` small images with labels that count up, the same for training and validation. */
export async function drawnImages({
  examples,
  shape,
  classes,
}: {
  examples: number;
  shape: number[];
  classes: number;
}): Promise<Dataset> {
  const size = shape.reduce((a, b) => a * b, 1);
  const split = {
    x: Uint8Array.from({ length: examples * size }, (_, i) => (i * 73 + (i >> 3) * 41) % 256),
    y: Uint8Array.from({ length: examples }, (_, i) => i % classes),
  };
  return datasetFromArrays({ name: 'drawn', train: split, validation: split, inputShape: shape, classes, scale: 1 / 255 });
}

export function sharedCopy(values: Float32Array): Float32Array {
  const copy = new Float32Array(new SharedArrayBuffer(values.byteLength));
  copy.set(values);
  return copy;
}
