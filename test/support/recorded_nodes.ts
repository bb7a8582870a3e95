/** Owns: what tests of lowering need of the engine: a function's nodes without its call, and a context that computes otherwise for a while. */
import type * as tf from '@tensorflow/tfjs';
import type { Context } from '../../src/engine/capi/context.js';
import { TF_FLOAT } from '../../src/engine/capi/data_types.js';
import type { Engine } from '../../src/engine/index.js';
import { record } from '../../src/engine/compile/record.js';
import type { RecordedNode, RecordedValue } from '../../src/engine/compile/recorded.js';

/** Where loops are, on processors (context.ts). */
export const FUSES = process.platform === 'linux' && process.arch === 'x64';

interface Recorded {
  readonly nodes: readonly RecordedNode[];
  readonly results: readonly RecordedValue[];
}

/** What a function of float32 tensors of these shapes is recorded as. */
export function recordedNodes(
  engine: Engine,
  fn: (...args: tf.Tensor[]) => tf.Tensor[],
  shapes: readonly (readonly number[])[],
): Recorded {
  const structure = { kind: 'list', items: shapes.map((_, index) => ({ kind: 'tensor', index })) };
  const spec = { structure: structure as never, tensors: shapes.map((shape) => ({ shape, dtype: TF_FLOAT })) };
  const { recording, results } = record(engine, 'planned', fn as never, spec, false);
  recording.dispose();
  return { nodes: recording.nodes, results };
}

/** On every processor, whatever it does by itself. */
export function withContext<Result>(
  { context }: Engine,
  changes: Partial<Pick<Context, 'convolvesByProducts' | 'padsProducts' | 'winogradFrom' | 'threads'>>,
  body: () => Result,
): Result {
  const own = Object.fromEntries(Object.keys(changes).map((name) => [name, context[name as keyof typeof changes]]));
  Object.assign(context, changes);
  try {
    return body();
  } finally {
    Object.assign(context, own);
  }
}
