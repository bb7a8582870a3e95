/**
 * Owns: a recorded function run several times in one call of TensorFlow, each time from what the time before gave (its StatelessWhile).
 * Does not: rewrite it: the function calls others (`CompiledFunction.nested`), which are what they are by themselves.
 */
import type * as tfjs from '@tensorflow/tfjs';
import { TF_INT32 } from '../capi/data_types.js';
import { describeArguments, isCurrent } from './describe_arguments.js';
import type { EngineParts } from '../backend/engine_parts.js';
import { GraphFunction } from './graph_function.js';
import { kernelBackend } from '../backend/kernel_backend.js';
import type { TensorKind } from '../backend/op_recorder.js';
import { typeAttr } from '../backend/raw_ops.js';
import { record, type Recorded } from './record.js';
import { Recording } from './recording.js';
import { inputIds } from './stable_recording.js';
import { unflatten } from './structure.js';

export interface CompiledLoop<State, Fixed> {
  /**
   * What `times` calls lead to from `state`. What is recorded for arguments of some shapes and types is for any number of times; `open`: tensors whose first axis is
   * the times, whose extent `body` does not look at.
   */
  (times: number, state: State, fixed: Fixed, open: readonly tfjs.Tensor[]): State;
  dispose(): void;
}

interface Entry {
  readonly recorded: Recorded;
  readonly functions: readonly GraphFunction[];
  readonly loop: GraphFunction;
}

/** Of `body`: which time it is from 0 (int32 scalar), what the time before gave, and what stays. It writes no variable. */
export function compileLoop<State, Fixed>(
  engine: EngineParts,
  body: (index: tfjs.Scalar, state: State, fixed: Fixed) => State,
  { name }: { readonly name: string },
): CompiledLoop<State, Fixed> {
  const { tf } = engine;
  const entries = new Map<string, Entry>();
  const once = (index: tfjs.Scalar, _times: tfjs.Scalar, state: State, fixed: Fixed): { index: tfjs.Tensor; state: State } => ({
    index: tf.add(index, tf.scalar(1, 'int32')),
    state: body(index, state, fixed),
  });
  const forget = ({ functions, loop }: Entry): void => [...functions, loop].forEach((each) => each.dispose());

  const run = (times: number, state: State, fixed: Fixed, open: readonly tfjs.Tensor[]): State => {
    const [index, limit] = [tf.scalar(0, 'int32'), tf.scalar(times, 'int32')];
    try {
      const { spec, key, tensors } = describeArguments([index, limit, state, fixed], new Set(open));
      let entry = entries.get(key);
      if (entry !== undefined && !isCurrent(entry.recorded)) {
        forget(entry);
        entry = undefined;
      }
      if (entry === undefined) {
        entry = entryOf(engine, name, record(engine, name, once as (...args: never[]) => unknown, spec, false));
        entries.set(key, entry);
      }
      const backend = kernelBackend();
      const outputs = entry.loop.call(inputIds(backend, entry.recorded, tensors));
      const made = outputs.map((output) => backend.createOutputTensor(output));
      const { index: last, state: next } = unflatten(entry.recorded.structure, made) as ReturnType<typeof once>;
      last.dispose();
      return next;
    } finally {
      tf.dispose([index, limit]);
    }
  };
  return Object.assign(run, {
    dispose: () => {
      for (const entry of entries.values()) forget(entry);
      entries.clear();
    },
  });
}

/** Arguments, of which the first two are counted with, then what is captured: all of it goes into each time, and out of it. */
function entryOf(engine: EngineParts, name: string, recorded: Recorded): Entry {
  const { recording, results } = recorded;
  try {
    const [, times, ...rest] = recording.args;
    const [index, ...state] = results;
    const captured = recording.captures.map(({ value }) => value);
    const outputs = [index, times, ...state, ...rest.slice(state.length), ...captured];
    const kinds: TensorKind[] = [...recording.args, ...captured];
    const body = new GraphFunction(engine, recording, `${name}_body`, outputs, { asRecorded: true });
    const goesOn = made(engine, `${name}_goes_on`, kinds, (own, ids) =>
      own.executeOp('Less', [typeAttr('T', TF_INT32)], ids.slice(0, 2), 1),
    );
    const loop = made(engine, name, kinds, (own, ids) => {
      const [last, , ...all] = own.callLoop({ goesOn: goesOn.name, body: body.name }, ids, kinds);
      return [last, ...all.slice(0, state.length)];
    });
    return { recorded, functions: [body, goesOn], loop };
  } finally {
    recording.dispose();
  }
}

/** A function of arguments of these kinds. */
function made(
  engine: EngineParts,
  name: string,
  kinds: readonly TensorKind[],
  build: (own: Recording, argumentIds: number[]) => readonly { readonly id: number }[],
): GraphFunction {
  const own = new Recording(engine.context, engine.binding.handles, () => undefined, false);
  try {
    const ids = kinds.map(({ shape, dtype }) => own.addArgument(shape, dtype).id);
    const outputs = build(own, ids).map(({ id }) => own.valueOf(id, name));
    return new GraphFunction(engine, own, name, outputs, { asRecorded: true });
  } finally {
    own.dispose();
  }
}
