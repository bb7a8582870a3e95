/**
 * Owns: `compile(fn)`: a tfjs function recorded once per kind of arguments and from then on run as one TensorFlow function, as tf.function is in
 * Python. Does not: record (record.ts) or build TensorFlow functions (graph_function.ts).
 *
 * A compiled function does what the function itself would do, or says why not: recording checks that it does the same twice, and calls
 * 2, 4, 8, ... check it again, so that a JavaScript value that changed between calls is found.
 */
import type * as tfjs from '@tensorflow/tfjs';
import { tf } from '../backend/tfjs.js';
import { UsageError } from '../../common/errors.js';
import { describeArguments, isCurrent } from './describe_arguments.js';
import type { EngineParts } from '../backend/engine_parts.js';
import { graphDefOf } from '../capi/graph_api.js';
import { GraphFunction } from './graph_function.js';
import { BACKEND_NAME, kernelBackend } from '../backend/kernel_backend.js';
import { nestedCall } from './nested_call.js';
import { agree, difference, record, type ArgumentSpec, type Recorded } from './record.js';
import { RecordError } from './record_error.js';
import { inputIds, recordFor } from './stable_recording.js';
import { unflatten } from './structure.js';
import { tfjsEngine } from './tfjs_watch.js';
import type { XlaUse } from '../lowering/xla.js';

export interface CompileOptions {
  /** For the printer, profiles and error messages. Default: the function's own name. */
  name?: string;
  /** Record again to see that the function does the same (default). Without it a recording is made once and trusted. */
  verify?: boolean;
  /** Hears of each kind of arguments what was recorded, as a GraphDef (tensorflow/core/framework/graph.proto), unless its constants are larger than 4 MiB. */
  onGraph?: (graphDef: Uint8Array) => void;
  /** Let XLA compile it, on a processor: always, or where that changes no more than roundings (xla.ts). Default: TensorFlow's own kernels. */
  xla?: XlaUse;
  /**
   * Let XLA compile loops, on x64 processors with Linux: in bf16 of what is element by element between products, and with the same bits of long chains that no
   * product comes after, as the update of weights; random words beside them. And compute large convolutions of 3 × 3 pixels by minimal filtering, with other bits. Some tenths of a second at the first call for each kind of arguments, and faster
   * calls. Default: TensorFlow's own kernels.
   */
  fuse?: boolean;
}

export interface CompiledFunction<A extends unknown[], R> {
  /**
   * Inside tf.grad, or while another function is recorded, the function itself runs, so that gradients and recordings see its ops; so it does
   * under another of tfjs's backends.
   */
  (...args: A): R;
  /**
   * Only while another function is recorded: one call of this one in it, as if its variables had these values, with the bits that it has by itself. It was
   * called or prepared with such arguments before, writes no variable, and lives as long as the other one.
   */
  nested(values: ReadonlyMap<tfjs.Variable, tfjs.Tensor>, ...args: A): R;
  /** Records it for such arguments if it was not yet, and checks that as so many calls do. */
  prepare(calls: number, ...args: A): void;
  /** The recorded graph for such arguments, as text. Records it if it was not yet. */
  print(...args: A): string;
  /** Frees the TensorFlow functions. Variables stay. */
  dispose(): void;
}

/** Kinds of arguments beyond which a function is recorded anew by mistake: a number that should be a tensor. */
const MAX_SIGNATURES = 64;
/** Bytes of constants in a graph that is told: TensorBoard shows nodes, and no values. */
const MAX_TOLD_CONSTANTS = 4 * 2 ** 20;

interface Entry {
  recorded: Recorded;
  graphFunction: GraphFunction;
  calls: number;
}

/**
 * Records `fn` at its first call for each kind of arguments (shapes and types of tensors; plain values themselves), caches it, and runs it as
 * one TensorFlow function. Arguments and results: tensors, plain values, nested lists and records. Variables are read and written as they are.
 * Errors: RecordError, naming the op and the line of `fn`.
 */
export function compile<A extends unknown[], R>(
  engine: EngineParts,
  fn: (...args: A) => R,
  options: CompileOptions = {},
): CompiledFunction<A, R> {
  requireFunction(fn);
  const { name = fn.name || 'compiled', verify = true, onGraph, xla, fuse = false } = options;
  const entries = new Map<string, Entry>();

  const forget = (key: string, { graphFunction }: Entry): void => {
    graphFunction.dispose();
    entries.delete(key);
  };

  const entryFor = (spec: ArgumentSpec, key: string, inputs: readonly tfjs.Tensor[]): Entry => {
    const found = entries.get(key);
    if (found !== undefined) {
      if (isCurrent(found.recorded)) return found;
      forget(key, found);
    }
    if (entries.size >= MAX_SIGNATURES) throw tooMany(name, key);
    const recorded = recordFor(engine, { name, fn, spec, inputs, verify }, xla);
    if (onGraph !== undefined) tellGraph(engine, recorded, onGraph);
    const outputs = [...recorded.results, ...recorded.updates.map(({ value }) => value)];
    try {
      const graphFunction = new GraphFunction(engine, recorded.recording, name, outputs, { fuse });
      const entry = { recorded, graphFunction, calls: 0 };
      entries.set(key, entry);
      return entry;
    } finally {
      recorded.recording.dispose();
    }
  };

  /** At calls 2, 4, 8, ... recorded again. */
  const checked = (spec: ArgumentSpec, key: string, tensors: readonly tfjs.Tensor[], calls = 1): Entry => {
    const entry = entryFor(spec, key, tensors);
    const before = entry.calls;
    entry.calls += calls;
    if (!verify || before === 0 || Math.floor(Math.log2(entry.calls)) === Math.floor(Math.log2(before))) return entry;
    try {
      recheck(engine, name, fn, spec, entry);
      return entry;
    } catch (error) {
      // Calls after one that failed must not go on with what the function no longer does.
      forget(key, entry);
      throw error;
    }
  };

  const compiled = (...args: A): R => {
    refuseDisposedEngine(engine, name);
    if (engine.binding.recorder !== undefined || tfjsEngine().state.gradientDepth > 0 || tf.getBackend() !== BACKEND_NAME)
      return fn(...args);
    const { spec, key, tensors } = describeArguments(args);
    return call(engine, checked(spec, key, tensors), tensors) as R;
  };
  return Object.assign(compiled, {
    nested: (values: ReadonlyMap<tfjs.Variable, tfjs.Tensor>, ...args: A) => {
      const { key, tensors } = describeArguments(args);
      return nestedCall(engine, entries.get(key), tensors, values) as R;
    },
    prepare: (calls: number, ...args: A) => {
      refuseDisposedEngine(engine, name);
      refuseOtherBackend(name);
      const { spec, key, tensors } = describeArguments(args);
      checked(spec, key, tensors, calls);
    },
    print: (...args: A) => {
      refuseDisposedEngine(engine, name);
      refuseOtherBackend(name);
      const { spec, key, tensors } = describeArguments(args);
      return entryFor(spec, key, tensors).recorded.text;
    },
    dispose: () => {
      for (const { graphFunction } of entries.values()) graphFunction.dispose();
      entries.clear();
    },
  });
}

/** As it was recorded, before anything is lowered. */
function tellGraph({ context }: EngineParts, { recording }: Recorded, onGraph: (graphDef: Uint8Array) => void): void {
  const constantBytes = recording.constants.reduce((sum, { bytes }) => sum + bytes.length, 0);
  if (constantBytes <= MAX_TOLD_CONSTANTS) onGraph(graphDefOf(context.api, recording.graph.pointer, context.status));
}

function call({ binding }: EngineParts, { recorded, graphFunction }: Entry, args: readonly tfjs.Tensor[]): unknown {
  const backend = kernelBackend();
  const outputs = graphFunction.call(inputIds(backend, recorded, args));
  if (binding.recorder !== undefined) throw new Error('internal: a compiled function runs only outside of recordings');
  const tensors = outputs.map((output) => backend.createOutputTensor(output));
  recorded.updates.forEach(({ variable }, index) => {
    const value = tensors[recorded.results.length + index];
    variable.assign(value as tfjs.Tensor<typeof variable.rankType>);
    value.dispose();
  });
  for (const { optimizer } of recorded.stepped) optimizer.incrementIterations();
  return unflatten(recorded.structure, tensors);
}

function recheck(engine: EngineParts, name: string, fn: (...args: never[]) => unknown, spec: ArgumentSpec, entry: Entry): void {
  const again = record(engine, name, fn, spec, entry.recorded.recording.forXla);
  try {
    if (!agree(entry.recorded, again)) throw difference(entry.recorded, again, `as when it was recorded (call ${entry.calls})`);
  } finally {
    again.recording.dispose();
  }
}

function refuseDisposedEngine({ context }: EngineParts, name: string): void {
  if (context.alive) return;
  throw new UsageError({
    code: 'ENGINE_DISPOSED',
    message: `The engine that ${name} was compiled for is disposed`,
    next: 'Install an engine and compile the function again.',
  });
}

/** A function is recorded on the engine's backend alone; under another it is called as it is. */
function refuseOtherBackend(name: string): void {
  const backend = tf.getBackend();
  if (backend === BACKEND_NAME) return;
  throw new UsageError({
    code: 'COMPILE_BACKEND',
    message: `${name} cannot be recorded while tfjs uses its backend ${backend}`,
    next: `Call await tf.setBackend('${BACKEND_NAME}') first.`,
  });
}

/** @throws UsageError COMPILE_NO_FUNCTION for what cannot be called. */
export function requireFunction(fn: unknown): void {
  if (typeof fn === 'function') return;
  throw new UsageError({
    code: 'COMPILE_NO_FUNCTION',
    message: `compile takes a function, not ${fn === null ? 'null' : typeof fn}`,
    next: 'Pass the function itself: compile((x) => tf.square(x)).',
  });
}

function tooMany(name: string, key: string): RecordError {
  return new RecordError(
    'RECORD_TOO_MANY',
    undefined,
    undefined,
    `${name} was recorded for ${MAX_SIGNATURES} kinds of arguments; one more is ${key.slice(0, 200)}`,
    'Pass numbers that change as tensors: tf.scalar(x).',
  );
}
