/**
 * Owns: running a user's function once on symbolic tensors, and judging what it did: results, variables, leaks. Does not: call it afterwards.
 */
import type * as tfjs from '@tensorflow/tfjs';
import { tf } from '../backend/tfjs.js';
import type { EngineParts } from '../backend/engine_parts.js';
import { kernelBackend } from '../backend/kernel_backend.js';
import { printNode, printRecording, typedName } from './printer.js';
import { RecordError, userLine } from './record_error.js';
import type { RecordedValue } from './recorded.js';
import { Recording } from './recording.js';
import { flatten, structureText, unflatten, type Structure } from './structure.js';
import { TfjsWatch, type CaptureSource, type StepCounter } from './tfjs_watch.js';

export interface Recorded {
  recording: Recording;
  /** Structure of the result, and its tensors. */
  structure: Structure;
  results: RecordedValue[];
  updates: { variable: tfjs.Variable; value: RecordedValue }[];
  /** One per capture of the recording. */
  sources: CaptureSource[];
  /** Data from outside that the function read in JavaScript. */
  readOutside: ReadonlySet<object>;
  /** Variables made in the function, with their first value; undefined if that was a constant, which they hold already. */
  created: { variable: tfjs.Variable; value: RecordedValue | undefined; site: Error }[];
  /** Optimizers that count each call as a step, or several. */
  stepped: readonly { optimizer: StepCounter; settings: string }[];
  /** Equal texts: equal functions, but for what they captured. */
  text: string;
}

export interface ArgumentSpec {
  structure: Structure;
  tensors: readonly { shape: readonly number[]; dtype: number }[];
}

/** Records `fn` for arguments of these types. The caller disposes `recording`. */
export function record(
  { binding, context }: EngineParts,
  name: string,
  fn: (...args: never[]) => unknown,
  spec: ArgumentSpec,
  forXla: boolean,
): Recorded {
  const watch = new TfjsWatch();
  const recording = new Recording(context, binding.handles, watch.readable, forXla);
  const garbage: tfjs.Tensor[] = [];
  let outcome: Omit<Recorded, 'recording' | 'sources' | 'readOutside' | 'stepped' | 'text'> | undefined;
  binding.recorder = recording;
  try {
    watch.start(recording);
    tf.tidy(() => {
      const backend = kernelBackend();
      const args = spec.tensors.map(({ shape, dtype }) => backend.createOutputTensor(recording.addArgument(shape, dtype)));
      const returned: unknown = fn(...(unflatten(spec.structure, args) as never[]));
      refusePromise(returned);
      const disposed = args.findIndex(({ isDisposed }) => isDisposed);
      if (disposed >= 0) throw ownership(`The function disposes its argument ${disposed}, a tensor of its caller`);
      const lost = watch.disposedVariable();
      if (lost !== undefined) throw ownership(`The function disposes variable ${lost}, which it did not make`);
      if (recording.disposedOutside !== undefined)
        throw ownership('The function disposes a tensor that it did not make', recording.disposedOutside);
      const { structure, tensors } = flatten(returned, refuseResult, { variables: 'tensors' });
      const ids = backend.getInputTensorIds(tensors);
      garbage.push(...tensors.filter((tensor) => !watch.isOutside(tensor) && !(tensor instanceof tf.Variable)));
      const created = watch.created.map(({ variable, tensorId, site }) => {
        const value = recording.valueOf(tensorId, 'variable');
        return { variable, value: value.name.startsWith('k') ? undefined : value, site };
      });
      outcome = {
        structure,
        results: ids.map((id) => recording.valueOf(id, 'return')),
        updates: watch.updates(recording),
        created,
      };
    });
    for (const tensor of garbage) if (!tensor.isDisposed) tensor.dispose();
  } catch (error) {
    abandon(binding, recording, watch);
    throw error;
  }
  if (outcome === undefined) throw new Error('internal: the function was recorded');
  const sources = recording.captures.map(({ tensorId }) => watch.sourceOf(tensorId));
  finish(binding, recording, watch);
  const creations = new Set(outcome.created.map(({ value }) => value));
  const leaked = recording.liveSymbolic().find((value) => !creations.has(value));
  if (leaked !== undefined) {
    const error = new RecordError(
      'RECORD_TENSOR_LEAKED',
      leaked.op,
      leaked.site === undefined ? undefined : userLine(leaked.site),
      'A tensor made in the function is kept (tf.keep, or held by an object) but not returned; it has no value outside',
      'Return it, or do not keep it.',
    );
    for (const { variable } of watch.created) variable.dispose();
    recording.dispose();
    throw error;
  }
  const text = printRecording(recording, {
    name,
    captures: sources.map((source) => (source.kind === 'variable' ? `variable ${source.variable.name}` : 'tensor')),
    result: structureText(outcome.structure, (index) => outcome!.results[index].name),
    updates: outcome.updates.map(({ variable, value }) => ({ variable: `variable ${variable.name}`, value })),
  });
  const stepped = watch.stepped.map((optimizer) => ({ optimizer, settings: settingsOf(optimizer) }));
  return { ...outcome, recording, sources, readOutside: watch.readOutside, stepped, text };
}

/** An optimizer's numbers, as its learning rate, which tfjs lets its user set between steps; its count of steps is none of them. */
export function settingsOf(optimizer: StepCounter): string {
  return Object.entries(optimizer)
    .filter(([name, value]) => name !== 'iterations_' && ['number', 'boolean'].includes(typeof value))
    .join();
}

/** True if both do the same, on the same variables and tensors of the closure. */
export function agree(before: Recorded, after: Recorded): boolean {
  return before.text === after.text && after.sources.every((source, index) => isSame(source, before.sources[index]));
}

function isSame(source: CaptureSource, other: CaptureSource): boolean {
  return source.kind === 'variable'
    ? other.kind === 'variable' && source.variable === other.variable
    : other.kind === 'tensor' && source.dataId === other.dataId;
}

/** The first thing in which two recordings differ, as an error at the user's line. */
export function difference(before: Recorded, after: Recorded, when: string): RecordError {
  const { nodes, captures } = after.recording;
  const replaced =
    before.text === after.text
      ? captures[after.sources.findIndex((source, index) => !isSame(source, before.sources[index]))].value
      : undefined;
  const at = nodes.findIndex((_, index) => {
    const other = before.recording.nodes[index];
    if (replaced !== undefined) return nodes[index].inputs.includes(replaced);
    return other === undefined || nodeText(before, index) !== nodeText(after, index);
  });
  const node = nodes[at];
  const lines = before.text.split('\n');
  const changed = after.text.split('\n').filter((line) => !lines.includes(line));
  return new RecordError(
    'RECORD_IMPURE',
    node?.op,
    node?.site === undefined ? undefined : userLine(node.site),
    `The function does not do the same ${when}; now it records: ${
      changed
        .slice(0, 3)
        .map((line) => line.trim())
        .join(' | ') || (replaced === undefined ? 'fewer ops' : `another tensor as ${typedName(replaced)}`)
    }`,
    'What changes between calls must be an argument or a tf.variable, not a JavaScript variable, a clock or a counter.',
  );
}

function nodeText({ recording }: Recorded, index: number): string {
  const node = recording.nodes[index];
  const constants = node.inputs.map((input) => recording.constants.find(({ value }) => value === input)?.bytes);
  return `${printNode(node)} ${constants.map((bytes) => (bytes === undefined ? '' : Buffer.from(bytes).toString('latin1'))).join()}`;
}

function finish(binding: EngineParts['binding'], recording: Recording, watch: TfjsWatch): void {
  // Variables go back to their values while the recorder still takes deletions.
  watch.stop();
  binding.recorder = undefined;
  for (const id of recording.deferredDeletions) binding.deleteTensor(id);
}

function abandon(binding: EngineParts['binding'], recording: Recording, watch: TfjsWatch): void {
  finish(binding, recording, watch);
  for (const { variable } of watch.created) if (!variable.isDisposed) variable.dispose();
  recording.dispose();
}

function refusePromise(returned: unknown): void {
  if (!(returned instanceof Promise)) return;
  // Its rejection is part of this error.
  returned.catch(() => undefined);
  throw new RecordError(
    'RECORD_RESULT',
    undefined,
    undefined,
    'The function is asynchronous: it returns a promise',
    'Compile a synchronous function; await data() of its result after the call.',
  );
}

function refuseResult(what: string): never {
  throw new RecordError(
    'RECORD_RESULT',
    undefined,
    undefined,
    `The function returns ${what}`,
    'Return tensors, plain values, or lists and records of them.',
  );
}

function ownership(what: string, site?: Error): RecordError {
  const line = site === undefined ? undefined : userLine(site);
  return new RecordError('RECORD_VARIABLE', 'dispose', line, what, 'Dispose it outside of the compiled function.');
}
