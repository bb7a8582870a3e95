/**
 * Owns: what a call's arguments are, as the key of what was recorded for such ones, and whether that is still what the function does.
 * Does not: record (record.ts).
 */
import type * as tfjs from '@tensorflow/tfjs';
import { kernelBackend } from '../backend/kernel_backend.js';
import { typeName } from './printer.js';
import { settingsOf, type ArgumentSpec, type Recorded } from './record.js';
import { RecordError } from './record_error.js';
import { flatten, structureText } from './structure.js';

const NONE: ReadonlySet<tfjs.Tensor> = new Set();

/** `open`: of these the extent of the first axis is no part of the key. */
export function describeArguments(
  args: readonly unknown[],
  open: ReadonlySet<tfjs.Tensor> = NONE,
): { spec: ArgumentSpec; key: string; tensors: tfjs.Tensor[] } {
  const { structure, tensors } = flatten(args, refuseArgument, { variables: 'values' });
  const backend = kernelBackend();
  for (const tensor of tensors) {
    if (tensor.isDisposed) throw argumentError('A tensor given as an argument is disposed', 'Pass a live tensor.');
  }
  const specs = backend
    .getInputTensorIds(tensors)
    .map((id, index) => ({ shape: tensors[index].shape, dtype: backend.binding.dtypeOf(id) }));
  const key = structureText(structure, (index) => {
    const { shape, dtype } = specs[index];
    const extents = open.has(tensors[index]) ? ['*', ...shape.slice(1)] : shape;
    return `#${index} ${typeName(dtype)}[${extents.join(',')}]`;
  });
  return { spec: { structure, tensors: specs }, key, tensors };
}

/** False if something it captured was disposed since, or an optimizer set otherwise: the function would now use something else, or fail. */
export function isCurrent({ sources, readOutside, updates, stepped }: Recorded): boolean {
  const { tensorMap } = kernelBackend();
  return (
    sources.every((source) => (source.kind === 'variable' ? !source.variable.isDisposed : tensorMap.has(source.dataId))) &&
    updates.every(({ variable }) => !variable.isDisposed) &&
    [...readOutside].every((dataId) => tensorMap.has(dataId)) &&
    stepped.every(({ optimizer, settings }) => settingsOf(optimizer) === settings)
  );
}

function refuseArgument(what: string): never {
  throw argumentError(
    `An argument is or holds ${what}`,
    'Pass tensors, plain values, lists and records of them; models and functions belong in the closure.',
  );
}

function argumentError(what: string, next: string): RecordError {
  return new RecordError('RECORD_ARGUMENT', undefined, undefined, what, next);
}
