/**
 * Owns: a compiled function called inside another one that is recorded: one node there, so that it computes what it computes by itself.
 * Does not: record it (compile.ts).
 */
import type * as tfjs from '@tensorflow/tfjs';
import { invariant } from '../../common/errors.js';
import type { EngineParts } from '../backend/engine_parts.js';
import type { GraphFunction } from './graph_function.js';
import { kernelBackend } from '../backend/kernel_backend.js';
import type { Recorded } from './record.js';
import { unflatten } from './structure.js';

interface Callable {
  readonly recorded: Recorded;
  readonly graphFunction: GraphFunction;
}

/** `values`: of variables, instead of their own. */
export function nestedCall(
  { binding: { recorder } }: EngineParts,
  called: Callable | undefined,
  args: readonly tfjs.Tensor[],
  values: ReadonlyMap<tfjs.Variable, tfjs.Tensor>,
): unknown {
  invariant(recorder !== undefined, 'a nested call is part of a recording');
  invariant(called !== undefined, 'a function is called or prepared before it is called in another');
  const { recorded, graphFunction } = called;
  invariant(recorded.updates.length + recorded.stepped.length === 0, 'a function that is called in another writes nothing');
  const backend = kernelBackend();
  const captured = recorded.sources.map((source) =>
    source.kind === 'variable'
      ? (values.get(source.variable) ?? source.variable)
      : ({ dataId: source.dataId } as tfjs.TensorInfo),
  );
  const outputs = recorder.callFunction(graphFunction, backend.getInputTensorIds([...args, ...captured]), recorded.results);
  return unflatten(
    recorded.structure,
    outputs.map((output) => backend.createOutputTensor(output)),
  );
}
